//! A store of a size at which real chunks and nodes are crossed: memory, sizes, restart.

use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::{Backend, Batch, Config, Drain};
use ketch_env::real::RealDisk;
use ketch_mvcc::{CompactStep, Reader, Store};
use ketch_proto::etcdserverpb::{RangeRequest, RangeResponse};
use prost::Message;

const KEYS: u64 = 40_000;
const CHANGES_PER_TXN: u64 = 100;
/// What a key of 16 bytes with one version may cost.
const INDEX_BYTES_PER_KEY: usize = 110;

fn open(folder: &tempfile::TempDir) -> (Store, Drain) {
    let path = folder.path().join("ketch.redb");
    let (backend, drain) =
        Backend::open(Arc::new(RealDisk), &path, Config::default()).expect("the backend opens");
    (Store::open(backend).expect("the store opens"), drain)
}

/// Keys in an order that is neither ascending nor repeating.
fn key(turn: u64) -> Bytes {
    format!("{:016}", turn * 7_919 % KEYS).into()
}

fn write(store: &mut Store, turns: std::ops::Range<u64>, value: &'static str) {
    for begin in turns.clone().step_by(CHANGES_PER_TXN as usize) {
        let mut txn = store.write();
        for turn in begin..(begin + CHANGES_PER_TXN).min(turns.end) {
            txn.put(key(turn), value.into(), 0);
        }
        txn.commit(Batch::new());
    }
}

fn all(revision: i64) -> RangeRequest {
    RangeRequest { key: "\0".into(), range_end: "\0".into(), revision, ..Default::default() }
}

/// Reads a range in chunks; how many rows have each of two values.
fn tally(reader: &Reader, request: &RangeRequest) -> (usize, usize) {
    let mut plan = reader.plan(request).expect("readable");
    let (mut bytes, mut old, mut new) = (0, 0, 0);
    let mut last = Bytes::new();
    while let Some(chunk) = plan.next_chunk(10_000).expect("rows are there") {
        bytes += chunk.len() as u64;
        for kv in RangeResponse::decode(chunk).expect("whole fields").kvs {
            assert!(last < kv.key, "in order, none twice");
            last = kv.key;
            old += usize::from(kv.value == "old");
            new += usize::from(kv.value == "newer");
        }
    }
    assert_eq!((bytes, plan.count), (plan.kvs_bytes, (old + new) as i64));
    (old, new)
}

#[test]
fn forty_thousand_keys() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut store, mut drain) = open(&folder);
    write(&mut store, 0..KEYS, "old");
    let reader = store.reader();
    assert!(reader.index_bytes() <= INDEX_BYTES_PER_KEY * KEYS as usize);
    let before = reader.revision();
    write(&mut store, 0..KEYS / 4, "newer");
    let quarter = (KEYS / 4) as usize;
    assert_eq!(tally(&reader, &all(before)), (4 * quarter, 0));
    assert_eq!(tally(&reader, &all(0)), (3 * quarter, quarter));
    let page = RangeRequest { limit: 2_500, ..all(0) };
    let plan = reader.plan(&page).expect("readable");
    assert_eq!((plan.count, plan.more), (KEYS as i64, true));

    let mut batch = Batch::new();
    store.compact(reader.revision(), &mut batch).expect("can be compacted");
    store.write().commit(batch);
    let mut compactor = reader.compactor();
    while !matches!(compactor.step().expect("compacted"), CompactStep::Done(_)) {}
    assert_eq!(reader.stats().versions, KEYS);
    let hash = reader.hash_kv(0).expect("hashed");

    while drain.step().expect("drained").more {}
    drop((store, reader, compactor, drain, plan));
    let (store, _drain) = open(&folder);
    let reader = store.reader();
    assert_eq!(tally(&reader, &all(0)), (3 * quarter, quarter));
    assert_eq!(reader.hash_kv(0).expect("hashed"), hash);
    assert!(reader.index_bytes() <= INDEX_BYTES_PER_KEY * KEYS as usize);
}
