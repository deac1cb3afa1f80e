//! One writer, a compactor, a drain and readers at once.
//!
//! Every transaction gives the same number to all keys of a group, so that whoever sees two
//! numbers at one revision has seen half a transaction; and every plan must deliver what it
//! announced, whatever is compacted meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use ketch_backend::{Backend, Batch, Config, Drain};
use ketch_base::KeyRange;
use ketch_env::real::RealDisk;
use ketch_mvcc::{Error, Reader, Store};
use ketch_proto::etcdserverpb::{RangeRequest, RangeResponse};
use prost::Message;

const GROUP: u64 = 1_500;
const TXNS: u64 = 150;

fn name(number: u64) -> Bytes {
    format!("{number:05}").into()
}

fn writer(mut store: Store) {
    for turn in 0..TXNS {
        let mut txn = store.write();
        if turn % 10 == 9 {
            txn.delete_range(&KeyRange::From(name(GROUP / 2)));
        }
        for number in 0..GROUP {
            txn.put(name(number), turn.to_string().into(), 0);
        }
        let revision = txn.commit(Batch::new()).revision;
        if turn % 5 == 4 {
            let mut batch = Batch::new();
            store.compact(revision - 2, &mut batch).expect("below the newest, above the last");
            store.write().commit(batch);
        }
    }
}

fn check(reader: &Reader, back: i64) {
    let revision = (reader.revision() - back).max(1);
    let all =
        RangeRequest { key: "0".into(), range_end: "9".into(), revision, ..Default::default() };
    let Ok(mut plan) = reader.plan(&all) else { return };
    let expected = if revision == 1 { 0 } else { GROUP as i64 };
    assert_eq!((plan.count, plan.more), (expected, false), "at {revision}");
    let (mut values, mut bytes, mut rows) = (std::collections::BTreeSet::new(), 0, 0);
    while let Some(chunk) = plan.next_chunk(4_096).expect("a plan holds its rows") {
        bytes += chunk.len() as u64;
        let kvs = RangeResponse::decode(chunk).expect("whole fields").kvs;
        rows += kvs.len() as i64;
        values.extend(kvs.into_iter().map(|kv| kv.value));
    }
    assert_eq!((bytes, rows), (plan.kvs_bytes, expected));
    assert!(values.len() <= 1, "half a transaction at {revision}: {values:?}");
}

fn hash(reader: &Reader) {
    let at = reader.revision();
    let pair = [reader.hash_kv(at), reader.hash_kv(at)];
    match pair {
        [Ok(one), Ok(two)] if one.compact_revision == two.compact_revision => {
            assert_eq!(one.hash, two.hash);
        }
        [Err(Error::Refused(_)), _] | [_, Err(Error::Refused(_))] | [Ok(_), Ok(_)] => {}
        pair => panic!("{pair:?}"),
    }
}

fn until(done: &AtomicBool, mut work: impl FnMut(i64)) {
    for turn in 0.. {
        work(turn);
        if done.load(Ordering::SeqCst) {
            return;
        }
    }
}

fn open(folder: &tempfile::TempDir) -> (Backend, Drain) {
    let path = folder.path().join("ketch.redb");
    Backend::open(Arc::new(RealDisk), &path, Config::default()).expect("the backend opens")
}

#[test]
fn all_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (backend, mut drain) = open(&folder);
    let store = Store::open(backend).expect("the store opens");
    let reader = store.reader();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| until(&done, |_| _ = drain.step().expect("drained")));
        let mut compactor = reader.compactor();
        scope.spawn(|| until(&done, move |_| _ = compactor.step().expect("compacted")));
        scope.spawn(|| until(&done, |turn| check(&reader, turn % 4)));
        scope.spawn(|| until(&done, |_| hash(&reader)));
        writer(store);
        done.store(true, Ordering::SeqCst);
    });
    check(&reader, 0);
}
