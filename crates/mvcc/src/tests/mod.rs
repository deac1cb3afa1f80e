//! The store as a whole, on a real backend in a temporary folder.

mod hashes;
mod model;
mod ranges;
mod reload;
pub(crate) mod snapshot;
mod twin;
mod writes;

use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::{Backend, Batch, Config, Drain};
use ketch_base::KeyRange;
use ketch_env::unsynced::UnsyncedDisk;
use ketch_proto::etcdserverpb::RangeRequest;
use ketch_proto::mvccpb::KeyValue;
use prost::Message;

use crate::{Committed, CompactStep, Compactor, Plan, Reader, Store};

/// A store with everything around it that a member has.
struct Fixture {
    folder: tempfile::TempDir,
    /// `None` only while it is opened again.
    open: Option<Open>,
}

struct Open {
    store: Store,
    compactor: Compactor,
    drain: Drain,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut fixture = Self { folder, open: None };
        fixture.reopen();
        fixture
    }

    /// Makes everything durable, closes, opens.
    fn reopen(&mut self) {
        if let Some(mut open) = self.open.take() {
            while open.drain.step().expect("drained").more {}
        }
        let path = self.folder.path().join("ketch.redb");
        let (backend, drain) = Backend::open(Arc::new(UnsyncedDisk), &path, Config::default())
            .expect("the backend opens");
        let store = Store::open(backend).expect("the store opens");
        let compactor = store.reader().compactor();
        self.open = Some(Open { store, compactor, drain });
    }

    fn open(&mut self) -> &mut Open {
        self.open.as_mut().expect("open but while reopening")
    }

    fn store(&mut self) -> &mut Store {
        &mut self.open().store
    }

    fn reader(&mut self) -> Reader {
        self.store().reader()
    }

    fn put(&mut self, key: &'static str, value: &'static str) -> Committed {
        self.put_leased(key, value, 0)
    }

    fn put_leased(&mut self, key: &'static str, value: &'static str, lease: i64) -> Committed {
        let mut txn = self.store().write();
        txn.put(key.into(), value.into(), lease);
        txn.commit(Batch::new())
    }

    fn delete(&mut self, key: &'static str) -> Committed {
        let mut txn = self.store().write();
        txn.delete_range(&KeyRange::Key(key.into()));
        txn.commit(Batch::new())
    }

    /// Asks for a compaction; its rows stay for now.
    fn compact(&mut self, at: i64) {
        let mut batch = Batch::new();
        self.store().compact(at, &mut batch).expect("can be compacted");
        self.store().write().commit(batch);
    }

    /// Removes compacted rows as far as possible.
    fn settle(&mut self) -> Vec<i64> {
        let mut done = Vec::new();
        loop {
            match self.open().compactor.step().expect("compacted") {
                CompactStep::Idle => return done,
                CompactStep::More => {}
                CompactStep::Done(at) => done.push(at),
            }
        }
    }
}

/// Every row of a plan, read in chunks of the given size, and checked against its announcement.
fn drain_plan(mut plan: Plan, bytes_max: usize) -> Vec<KeyValue> {
    let mut all = Vec::new();
    while let Some(chunk) = plan.next_chunk(bytes_max).expect("rows are there") {
        let one = ketch_proto::etcdserverpb::RangeResponse::decode(chunk.clone())
            .expect("chunks are whole fields");
        assert!(chunk.len() <= bytes_max || one.kvs.len() == 1, "a chunk is bounded");
        all.extend_from_slice(&chunk);
    }
    assert_eq!(all.len() as u64, plan.kvs_bytes, "the size is what was announced");
    let answer = ketch_proto::etcdserverpb::RangeResponse::decode(Bytes::from(all));
    answer.expect("chunks join to an answer").kvs
}

fn everything() -> RangeRequest {
    range("\0", "\0")
}

fn range(key: &'static str, range_end: &'static str) -> RangeRequest {
    RangeRequest { key: key.into(), range_end: range_end.into(), ..RangeRequest::default() }
}
