//! Measures a store of many keys: memory, cost of calls, restart. Prints; judges nothing.
//!
//! `cargo run --release -p ketch-mvcc --example measure -- 1000000`

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ketch_backend::{Backend, Batch, Config, Drain};
use ketch_env::real::RealDisk;
use ketch_mvcc::{CompactStep, Reader, Store};
use ketch_proto::etcdserverpb::RangeRequest;

const VALUE_BYTES: usize = 256;
const SAMPLES: u64 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let keys: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ketch.redb");
    fill(&path, keys)?;
    restart(&path, keys)?;
    Ok(())
}

fn open(path: &Path) -> Result<(Backend, Drain), Box<dyn Error>> {
    Ok(Backend::open(Arc::new(RealDisk), path, Config::default())?)
}

fn fill(path: &Path, keys: u64) -> Result<(), Box<dyn Error>> {
    let (backend, mut drain) = open(path)?;
    let mut store = Store::open(backend)?;
    let mut putting = Duration::ZERO;
    for turn in 0..keys {
        let (key, value) = (key(scatter(turn, keys)), Bytes::from(vec![b'v'; VALUE_BYTES]));
        let begin = Instant::now();
        let mut txn = store.write();
        txn.put(key, value, 0);
        txn.commit(Batch::new());
        putting += begin.elapsed();
        if turn % 10_000 == 9_999 && turn + 10_000 < keys {
            drain.step()?;
        }
    }
    report("put, ns each", putting.as_nanos() as u64 / keys);
    let reader = store.reader();
    report("index bytes per key, keys put in random order", reader.index_bytes() as u64 / keys);
    let recent = |turn: u64| key(scatter(keys - 1 - turn % 5_000, keys));
    let spent = each(|turn| single(&reader, recent(turn)))?;
    report("single-key plan, row in the buffer, ns", spent);
    while drain.step()?.more {}
    let spent = each(|turn| single(&reader, key(scatter(turn * 7, keys))))?;
    report("single-key plan, row in the file, ns", spent);
    let spent = each(|turn| state(&reader, &key(scatter(turn * 7, keys))))?;
    report("state of a key, ns", spent);
    Ok(())
}

fn restart(path: &Path, keys: u64) -> Result<(), Box<dyn Error>> {
    let before = resident_kib()?;
    let (backend, mut drain) = open(path)?;
    let begin = Instant::now();
    let mut store = Store::open(backend)?;
    report("restart, ms", begin.elapsed().as_millis() as u64);
    report("resident growth by the restart, KiB", resident_kib()?.saturating_sub(before));
    let reader = store.reader();
    report("index bytes per key, built", reader.index_bytes() as u64 / keys);
    ranges(&reader)?;
    let begin = Instant::now();
    reader.hash_kv(0)?;
    report("hash, ms", begin.elapsed().as_millis() as u64);
    compaction(&mut store, &mut drain, keys)
}

fn ranges(reader: &Reader) -> Result<(), Box<dyn Error>> {
    let all = RangeRequest { key: "\0".into(), range_end: "\0".into(), ..Default::default() };
    let begin = Instant::now();
    let plan = reader.plan(&all)?;
    report("plan of all keys, us", begin.elapsed().as_micros() as u64);
    report("rows of it", plan.count as u64);
    let begin = Instant::now();
    list(reader, &all)?;
    report("list of all keys, ms", begin.elapsed().as_millis() as u64);
    report("resident after it, KiB", resident_kib()?);
    let names = RangeRequest { keys_only: true, ..all.clone() };
    let begin = Instant::now();
    list(reader, &names)?;
    report("list of all names, ms", begin.elapsed().as_millis() as u64);
    let page = RangeRequest { limit: 500, ..all.clone() };
    let begin = Instant::now();
    for _ in 0..100 {
        list(reader, &page)?;
    }
    report("page of 500 of all, us", begin.elapsed().as_micros() as u64 / 100);
    let count = RangeRequest { count_only: true, ..all };
    report("count of all, ns", each(|_| reader.plan(&count).map(drop).map_err(Into::into))?);
    Ok(())
}

/// Writes a tenth of the keys again, then compacts.
fn compaction(store: &mut Store, drain: &mut Drain, keys: u64) -> Result<(), Box<dyn Error>> {
    for turn in 0..keys / 10 {
        let mut txn = store.write();
        txn.put(key(scatter(turn * 3, keys)), Bytes::from(vec![b'w'; VALUE_BYTES]), 0);
        txn.commit(Batch::new());
        if turn % 10_000 == 9_999 {
            drain.step()?;
        }
    }
    let mut batch = Batch::new();
    store.compact(store.revision(), &mut batch)?;
    store.write().commit(batch);
    let mut compactor = store.reader().compactor();
    let (mut longest, mut total, mut steps) = (Duration::ZERO, Duration::ZERO, 0);
    loop {
        let begin = Instant::now();
        let step = compactor.step()?;
        longest = longest.max(begin.elapsed());
        total += begin.elapsed();
        steps += 1;
        match step {
            CompactStep::Done(_) => break,
            CompactStep::Idle => _ = drain.step()?,
            CompactStep::More => {}
        }
    }
    report("compaction steps", steps);
    report("compaction, all steps, ms", total.as_millis() as u64);
    report("compaction, longest step, us", longest.as_micros() as u64);
    report(
        "index bytes per key, a tenth of them changed",
        store.reader().index_bytes() as u64 / keys,
    );
    Ok(())
}

fn list(reader: &Reader, request: &RangeRequest) -> Result<(), Box<dyn Error>> {
    let mut plan = reader.plan(request)?;
    while plan.next_chunk(512 * 1024)?.is_some() {}
    Ok(())
}

fn single(reader: &Reader, key: Bytes) -> Result<(), Box<dyn Error>> {
    let mut plan = reader.plan(&RangeRequest { key, ..Default::default() })?;
    plan.next_chunk(4096)?.ok_or("no such key")?;
    Ok(())
}

fn state(reader: &Reader, key: &[u8]) -> Result<(), Box<dyn Error>> {
    reader.current(key).ok_or("no such key")?;
    Ok(())
}

/// Nanoseconds of one call, on average.
fn each(mut call: impl FnMut(u64) -> Result<(), Box<dyn Error>>) -> Result<u64, Box<dyn Error>> {
    let begin = Instant::now();
    for turn in 0..SAMPLES {
        call(turn)?;
    }
    Ok(begin.elapsed().as_nanos() as u64 / SAMPLES)
}

/// A permutation of the numbers below `keys`, if that is no multiple of the factor.
fn scatter(turn: u64, keys: u64) -> u64 {
    turn.wrapping_mul(7_368_787) % keys
}

fn key(number: u64) -> Bytes {
    format!("{number:016}").into()
}

fn report(what: &str, number: u64) {
    println!("{number:>12}  {what}");
}

fn resident_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}
