//! Transactions, restarts, damage.

use bytes::Bytes;
use ketch_backend::{Batch, Bucket};
use ketch_base::{KeyRange, Revision, RevisionKey};

use super::Fixture;
use crate::{KeyState, OpenError, Store};

fn state(main: i64, sub: i64, create_revision: i64, version: i64) -> KeyState {
    KeyState { revision: Revision { main, sub }, create_revision, version }
}

#[test]
fn versions_begin_again_after_a_deletion() {
    let mut f = Fixture::new();
    f.put("a", "1");
    f.put("a", "2");
    f.delete("a");
    let again = f.put("a", "3");
    assert_eq!(f.reader().current(b"a"), Some(state(5, 0, 5, 1)));
    assert!(again.events[0].created);
    assert_eq!(f.reader().state_at(b"a", 3), Ok(Some(state(3, 0, 2, 2))));
    assert_eq!(f.reader().state_at(b"a", 4), Ok(None));
}

#[test]
fn a_transaction_is_one_revision() {
    let mut f = Fixture::new();
    f.put("b", "0");
    let mut txn = f.store().write();
    assert_eq!(txn.revision(), 2);
    assert_eq!(txn.put("a".into(), "1".into(), 0), None);
    assert_eq!(txn.revision(), 3);
    let deleted = txn.delete_range(&KeyRange::From("a".into()));
    assert_eq!(deleted, [("a".into(), state(3, 0, 3, 1)), ("b".into(), state(2, 0, 2, 1))]);
    assert_eq!(txn.current(b"a"), None);
    let committed = txn.commit(Batch::new());
    assert_eq!((committed.revision, committed.events.len()), (3, 3));
    let deletion = &committed.events[2];
    assert_eq!(deletion.revision, Revision { main: 3, sub: 2 });
    assert_eq!(deletion.row, Bytes::from_static(b"\x0a\x01b\x18\x03"));
    let stored = RevisionKey { revision: deletion.revision, tombstone: true };
    let stored = f.reader().backend().row(stored).expect("readable");
    assert_eq!(stored.as_deref(), Some(&b"\x0a\x01b"[..]));
}

#[test]
fn nothing_changed_is_no_revision() {
    let mut f = Fixture::new();
    assert_eq!(f.delete("a").revision, 1);
    let mut batch = Batch::new();
    batch.put(Bucket::Meta, "k".into(), "v".into());
    assert_eq!(f.store().write().commit(batch).revision, 1);
    let meta = f.reader().backend().view().get(Bucket::Meta, b"k").expect("readable");
    assert_eq!(meta.as_deref(), Some(&b"v"[..]));
}

#[test]
fn an_abandoned_transaction_never_was() {
    let mut f = Fixture::new();
    f.put("a", "1");
    let mut txn = f.store().write();
    txn.put("a".into(), "2".into(), 0);
    txn.put("c".into(), "2".into(), 0);
    txn.delete_range(&KeyRange::Key("a".into()));
    drop(txn);
    assert_eq!(f.reader().current(b"a"), Some(state(2, 0, 2, 1)));
    assert_eq!((f.reader().stats().keys, f.reader().stats().versions), (1, 1));
    assert_eq!(f.put("c", "3").revision, 3);
}

#[test]
fn readers_do_not_see_what_is_not_committed() {
    let mut f = Fixture::new();
    f.put("a", "1");
    let reader = f.reader();
    let mut txn = f.store().write();
    txn.put("a".into(), "2".into(), 0);
    txn.put("b".into(), "2".into(), 0);
    assert_eq!(reader.current(b"a"), Some(state(2, 0, 2, 1)));
    let plan = reader.plan(&super::everything()).expect("readable");
    assert_eq!((plan.count, plan.revision), (1, 2));
    txn.commit(Batch::new());
    assert_eq!(super::drain_plan(plan, 10).len(), 1);
    assert_eq!(reader.revision(), 3);
}

#[test]
fn a_compaction_is_taken_up_after_a_restart() {
    let mut f = Fixture::new();
    for _ in 0..20 {
        f.put("a", "1");
    }
    f.compact(15);
    for _ in 0..6 {
        f.open().compactor.step().expect("compacted");
    }
    let left = f.reader().stats().versions;
    assert!(6 < left && left < 20, "{left}: it stands half done");
    f.reopen();
    assert_eq!((f.store().compact_revision(), f.reader().finished_compaction()), (15, -1));
    assert_eq!(f.settle(), [15]);
    assert_eq!(f.reader().stats().versions, 7);
    assert_eq!(f.reader().current(b"a"), Some(state(21, 0, 2, 20)));
    f.reopen();
    assert_eq!(f.reader().finished_compaction(), 15);
    assert_eq!(f.settle(), []);
    assert_eq!(f.reader().current(b"a"), Some(state(21, 0, 2, 20)));
}

/// Opens a store whose backend was changed behind its back.
fn tampered(change: impl FnOnce(&mut Batch)) -> Option<OpenError> {
    let mut f = Fixture::new();
    f.put("a", "1");
    f.put("a", "2");
    f.put("a", "3");
    let backend = f.reader().backend().clone();
    let mut batch = Batch::new();
    change(&mut batch);
    backend.append(batch);
    Store::open(backend).err()
}

#[test]
fn what_is_no_history_is_refused() {
    let key = |main| RevisionKey { revision: Revision { main, sub: 0 }, tombstone: false };
    assert!(tampered(|_| {}).is_none());
    let gap = tampered(|batch| batch.delete_row(key(3)));
    assert!(matches!(gap, Some(OpenError::Gap(at)) if at == key(4)), "{gap:?}");
    let garbage = tampered(|batch| batch.put_row(key(3), "\x0a\x7f".into()));
    assert!(matches!(garbage, Some(OpenError::Malformed(at)) if at == key(3)), "{garbage:?}");
    let garbage = tampered(|batch| batch.put_row(key(3), "\x0a\x01a".into()));
    assert!(matches!(garbage, Some(OpenError::Gap(_))), "{garbage:?}");
    let record = tampered(|batch| {
        batch.put(Bucket::Meta, "scheduledCompactRev".into(), "x".into());
    });
    assert!(matches!(record, Some(OpenError::CompactionRecord { .. })), "{record:?}");
}

/// What `snapshot restore --bump-revision` leaves.
#[test]
fn rows_of_no_bytes_carry_a_revision() {
    let mut f = Fixture::new();
    f.put("a", "1");
    for main in [100, 200] {
        let mut batch = Batch::new();
        let revision = Revision { main, sub: 0 };
        batch.put_row(RevisionKey { revision, tombstone: false }, "".into());
        f.reader().backend().append(batch);
    }
    f.reopen();
    assert_eq!(f.store().revision(), 200);
    f.put("b", "1");
    let everything = f.reader().range(&super::everything()).expect("readable");
    assert_eq!((everything.count, everything.rows.len()), (2, 2));
    f.compact(200);
    assert_eq!(f.settle(), [200]);
    assert_eq!(f.reader().stats().versions, 3, "a, b, and the newest of those rows");
    f.reopen();
    assert_eq!(f.store().revision(), 201);
}
