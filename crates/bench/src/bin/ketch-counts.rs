//! Binary `ketch-counts PATH TIMES`: one hot path of the core, so many times and nothing else.
//!
//! `cargo xtask counts` runs it under valgrind with two numbers of times; the difference is what
//! the path costs in instructions, whatever was set up before.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use ketch_apply::Machine;
use ketch_backend::{Backend, Batch};
use ketch_base::{ClusterId, Index, KeyRange, MemberId};
use ketch_env::real::RealDisk;
use ketch_mvcc::watch::{Create, Hub};
use ketch_mvcc::{Committed, Store};
use ketch_proto::etcdserverpb::{InternalRaftRequest, PutRequest, RangeRequest};
use ketch_raft::raftpb::{ConfState, Entry};
use ketch_raft::{Config, Raft, Restored};
use ketch_wal::{Metadata, Writer};
use prost::Message;

/// Entries saved at a time.
const SAVED: usize = 64;
const VALUE_BYTES: usize = 256;
/// Keys that are there before reads and watches.
const KEYS: u64 = 10_000;
const ROWS: u64 = 100;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let path = words.next().context("ketch-counts PATH TIMES")?;
    let times: u64 = words.next().context("ketch-counts PATH TIMES")?.parse()?;
    let folder = tempfile::tempdir()?;
    match path.as_str() {
        "raft-propose" => raft_propose(times),
        "raft-replicate" => raft_replicate(times),
        "wal-encode" => wal_encode(folder.path(), times),
        "mvcc-put" => mvcc_put(folder.path(), times),
        "mvcc-get" => mvcc_get(folder.path(), times),
        "mvcc-range" => mvcc_range(folder.path(), times),
        "watch-match" => watch_match(folder.path(), times),
        "apply-put" => apply_put(folder.path(), times),
        _ => bail!("no path is called {path}"),
    }
}

fn key(number: u64) -> Bytes {
    format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into()
}

fn value() -> Bytes {
    vec![b'v'; VALUE_BYTES].into()
}

fn raft(id: u64, voters: &[u64]) -> Result<Raft> {
    let conf_state = ConfState { voters: voters.to_vec(), ..ConfState::default() };
    let restored = Restored { conf_state, ..Restored::default() };
    Ok(Raft::new(Config::new(MemberId(id), 42), restored)?)
}

/// Takes all that is due, acknowledges it and gives the messages.
fn turn(raft: &mut Raft) -> Vec<ketch_raft::raftpb::Message> {
    let mut messages = Vec::new();
    while let Some(ready) = raft.ready() {
        messages.extend(ready.messages);
        if let Some(write) = ready.write {
            raft.persisted(write.job);
        }
        if let Some(last) = ready.committed.last() {
            raft.applied(Index(last.index()));
        }
    }
    messages
}

/// A sole voter: proposed, written, committed, applied.
fn raft_propose(times: u64) -> Result<()> {
    let mut raft = raft(1, &[1])?;
    raft.campaign();
    turn(&mut raft);
    for _ in 0..times {
        raft.propose(value())?;
        turn(&mut raft);
    }
    Ok(())
}

/// Three voters: proposed at the leader, until nobody has anything to say.
fn raft_replicate(times: u64) -> Result<()> {
    let voters = [1, 2, 3];
    let mut rafts = voters.iter().map(|id| raft(*id, &voters)).collect::<Result<Vec<_>>>()?;
    rafts[0].campaign();
    settle(&mut rafts)?;
    for _ in 0..times {
        rafts[0].propose(value())?;
        settle(&mut rafts)?;
    }
    Ok(())
}

/// Carries messages until there are none.
fn settle(rafts: &mut [Raft]) -> Result<()> {
    loop {
        let mut sent = 0;
        for from in 0..rafts.len() {
            for message in turn(&mut rafts[from]) {
                let to = message.to() as usize - 1;
                rafts[to].step(message)?;
                sent += 1;
            }
        }
        if sent == 0 {
            return Ok(());
        }
    }
}

/// Entries into the log's buffer and file; what the kernel does is not counted.
fn wal_encode(folder: &Path, times: u64) -> Result<()> {
    let metadata = Metadata { member: MemberId(1), cluster: ClusterId(2) };
    let disk = Arc::new(RealDisk);
    let mut writer =
        Writer::create(disk, &folder.join("wal"), metadata, ketch_wal::Config::default())?;
    let mut index = 0;
    for _ in 0..times {
        let entries: Vec<Entry> = (0..SAVED)
            .map(|_| {
                index += 1;
                let data = Some(value());
                Entry { term: Some(1), index: Some(index), data, ..Default::default() }
            })
            .collect();
        writer.save(&entries, None)?;
    }
    Ok(())
}

fn store(folder: &Path, keys: u64) -> Result<Store> {
    let disk = Arc::new(RealDisk);
    let path = folder.join("ketch.redb");
    let (backend, _drain) = Backend::open(disk, &path, ketch_backend::Config::default())?;
    let mut store = Store::open(backend)?;
    for number in 0..keys {
        put(&mut store, number);
    }
    Ok(store)
}

fn put(store: &mut Store, number: u64) -> Committed {
    let mut txn = store.write();
    txn.put(key(number), value(), 0);
    txn.commit(Batch::new())
}

/// Keys that are there, over and over: the tree does not grow.
fn mvcc_put(folder: &Path, times: u64) -> Result<()> {
    let mut store = store(folder, KEYS)?;
    for number in 0..times {
        black_box(put(&mut store, number % KEYS));
    }
    Ok(())
}

fn mvcc_get(folder: &Path, times: u64) -> Result<()> {
    let reader = store(folder, KEYS)?.reader();
    for number in 0..times {
        let request = RangeRequest { key: key(number % KEYS), ..Default::default() };
        let mut plan = reader.plan(&request)?;
        while let Some(chunk) = plan.next_chunk(1 << 20)? {
            black_box(chunk);
        }
    }
    Ok(())
}

fn mvcc_range(folder: &Path, times: u64) -> Result<()> {
    let reader = store(folder, KEYS)?.reader();
    for number in 0..times {
        let (key, range_end) = (key(number % 100), vec![0].into());
        let limit = ROWS.cast_signed();
        let request = RangeRequest { key, range_end, limit, ..Default::default() };
        let mut plan = reader.plan(&request)?;
        while let Some(chunk) = plan.next_chunk(1 << 20)? {
            black_box(chunk);
        }
    }
    Ok(())
}

/// A thousand watches of single keys and ten of all keys.
fn watch_match(folder: &Path, times: u64) -> Result<()> {
    let mut store = store(folder, KEYS)?;
    let mut hub = Hub::new(store.reader(), ketch_mvcc::watch::Config::default());
    let streams: Vec<_> = (0..10).map(|_| hub.open_stream()).collect();
    for number in 0..1010 {
        let range = if number < 1000 {
            KeyRange::new(key(number), Bytes::new())
        } else {
            KeyRange::new(vec![0].into(), vec![0].into())
        };
        let create = Create {
            watch_id: 0,
            range,
            start_revision: 0,
            progress_notify: false,
            no_put: false,
            no_delete: false,
            prev_kv: false,
            fragment: false,
        };
        hub.create(streams[number as usize % streams.len()], create);
    }
    for number in 0..times {
        let committed = put(&mut store, number % KEYS);
        hub.publish(&committed)?;
        for stream in hub.ready() {
            black_box(hub.take(stream, usize::MAX));
        }
    }
    Ok(())
}

fn apply_put(folder: &Path, times: u64) -> Result<()> {
    let disk = Arc::new(RealDisk);
    let path = folder.join("ketch.redb");
    let (backend, _drain) = Backend::open(disk, &path, ketch_backend::Config::default())?;
    let mut machine = Machine::open(backend, ketch_apply::Config::default())?;
    for number in 0..KEYS + times {
        let put = PutRequest { key: key(number % KEYS), value: value(), ..Default::default() };
        let request = InternalRaftRequest { id: number + 1, put: Some(put), ..Default::default() };
        let data = Some(request.encode_to_vec().into());
        let entry = Entry { term: Some(1), index: Some(number + 1), data, ..Default::default() };
        black_box(machine.apply(&entry)?);
    }
    Ok(())
}
