//! A member that gets one snapshot after the other, while it is read, hashed and compacted.
//!
//! The leader writes the same number to all keys of a group in every transaction: whoever sees
//! two numbers, or too few keys, at one revision was told something wrong. A hash up to a revision
//! over a compaction is the same whenever it is computed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ketch_backend::{Backend, Batch, Bucket, Config, Drain};
use ketch_base::Revision;
use ketch_env::real::RealDisk;
use ketch_mvcc::{Error, Plan, Reader, Store};
use ketch_proto::etcdserverpb::{RangeRequest, RangeResponse};
use prost::Message;

const GROUP: u64 = 200;
const SNAPSHOTS: u64 = 20;
const TXNS: u64 = 4;

fn open(path: &Path) -> (Backend, Drain) {
    Backend::open(Arc::new(RealDisk), path, Config::default()).expect("the backend opens")
}

fn write(store: &mut Store, turn: u64) {
    let mut txn = store.write();
    for number in 0..GROUP {
        txn.put(format!("{number:05}").into(), turn.to_string().into(), 0);
    }
    txn.commit(Batch::new());
}

fn compact(store: &mut Store, back: i64) {
    let mut batch = Batch::new();
    if store.compact(store.revision() - back, &mut batch).is_ok() {
        store.write().commit(batch);
    }
}

fn copy(from: &Backend, path: &Path) {
    let (to, mut drain) = open(path);
    let view = from.view();
    let mut batch = Batch::new();
    for row in view.rows(Revision::default(), Revision { main: i64::MAX, sub: 0 }) {
        let (key, row) = row.expect("readable");
        batch.put_row(key, row);
    }
    for (key, value) in view.iter(Bucket::Meta).map(|entry| entry.expect("readable")) {
        batch.put(Bucket::Meta, key, value);
    }
    to.append(batch);
    while drain.step().expect("drained").more {}
}

/// The member gets what the leader has, again and again, and writes a little itself.
fn follow(mut member: Store, mut drain: Drain, folder: &Path) {
    let (backend, mut leaders_drain) = open(&folder.join("leader.redb"));
    let mut leader = Store::open(backend).expect("the store opens");
    let mut compactor = leader.reader().compactor();
    for turn in 0..SNAPSHOTS {
        for txn in 0..TXNS {
            write(&mut leader, TXNS * turn + txn);
        }
        if turn % 3 == 2 {
            compact(&mut leader, 2 * i64::try_from(turn % 4).expect("small"));
        }
        for _ in 0..turn % 7 {
            compactor.step().expect("compacted");
        }
        while leaders_drain.step().expect("drained").more {}
        let prepared = folder.join("prepared.redb");
        copy(leader.reader().backend(), &prepared);
        drain.install(&prepared).expect("installed");
        member.reload().expect("a history");
        drain.step().expect("drained");
        for store in [&mut leader, &mut member] {
            write(store, TXNS * turn);
            if turn % 4 == 1 {
                compact(store, 1);
            }
        }
    }
}

/// Whether the whole plan could be read.
fn read(mut plan: Plan) -> bool {
    let (mut values, mut bytes, mut rows) = (BTreeSet::new(), 0, 0);
    loop {
        match plan.next_chunk(1_024) {
            Ok(Some(chunk)) => {
                bytes += chunk.len() as u64;
                let kvs = RangeResponse::decode(chunk).expect("whole fields").kvs;
                rows += kvs.len() as i64;
                values.extend(kvs.into_iter().map(|kv| kv.value));
            }
            Ok(None) => break,
            Err(Error::Refused(_)) => return false,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((bytes, rows), (plan.kvs_bytes, plan.count));
    assert!(rows == 0 || rows == GROUP as i64, "{rows}");
    assert!(values.len() <= 1, "half a transaction: {values:?}");
    true
}

fn check(reader: &Reader, back: i64) -> bool {
    let revision = (reader.revision() - back).max(1);
    let single = RangeRequest { key: "00007".into(), revision, ..Default::default() };
    let all = RangeRequest { key: "0".into(), range_end: "9".into(), ..single.clone() };
    let count = reader.plan(&single).map(|plan| plan.count);
    assert!(count.is_err() || revision == 1 || count == Ok(1), "{count:?} at {revision}");
    reader.plan(&all).is_ok_and(read)
}

type Hashes = Mutex<BTreeMap<(i64, i64), u32>>;

fn hash(reader: &Reader, hashes: &Hashes, back: i64) -> bool {
    match reader.hash_kv((reader.revision() - back).max(1)) {
        Ok(made) => {
            let mut hashes = hashes.lock().expect("no panic before");
            let key = (made.hash_revision, made.compact_revision);
            assert_eq!(*hashes.entry(key).or_insert(made.hash), made.hash, "{made:?}");
            true
        }
        Err(Error::Refused(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Works until the end, and at least until it has succeeded.
fn until(done: &AtomicBool, mut work: impl FnMut(i64) -> bool) {
    let mut succeeded = false;
    for turn in 0.. {
        succeeded |= work(turn);
        if done.load(Ordering::SeqCst) && (succeeded || turn > 1_000) {
            assert!(succeeded, "never once");
            return;
        }
    }
}

/// Lets the others end, whatever happens.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn one_snapshot_after_the_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (backend, drain) = open(&folder.path().join("ketch.redb"));
    let store = Store::open(backend).expect("the store opens");
    let reader = store.reader();
    let (done, hashes) = (AtomicBool::new(false), Hashes::default());
    let mut compactor = reader.compactor();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            until(&done, |_| {
                compactor.step().expect("compacted");
                true
            });
        });
        scope.spawn(|| until(&done, |turn| check(&reader, turn % 6)));
        scope.spawn(|| until(&done, |turn| hash(&reader, &hashes, turn % 6)));
        let _done = Done(&done);
        follow(store, drain, folder.path());
    });
    assert!(check(&reader, 0));
    let value = Bytes::from((TXNS * (SNAPSHOTS - 1)).to_string());
    let plan = reader.range(&RangeRequest { key: "00001".into(), ..Default::default() });
    let rows = plan.expect("readable").rows;
    assert!(rows[0].windows(value.len()).any(|window| window == value), "{rows:?}");
}
