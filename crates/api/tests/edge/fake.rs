//! A server in memory: just enough of etcd behind the ports to be talked to.
//!
//! A range over the key `code:NAME` is refused with that code; over `rows:N` it answers with N
//! bytes of made-up rows, produced piece by piece and counted while they live; over `short:N`
//! it breaks off after one piece.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use ketch_api::ports::{Chunks, Kv, Kvs, Pass, RangeReply, State, Watch};
use ketch_base::{Code, KeyRange};
use ketch_proto::etcdserverpb::compare::TargetUnion;
use ketch_proto::etcdserverpb::range_request::SortOrder;
use ketch_proto::etcdserverpb::request_op::Request as Op;
use ketch_proto::etcdserverpb::response_op::Response as Did;
use ketch_proto::etcdserverpb::*;
use ketch_proto::mvccpb::event::EventType;
use ketch_proto::mvccpb::{Event, KeyValue};
use prost::Message;
use tokio::sync::watch;

use crate::audit::Notebook;
use crate::link::FakeLink;
use crate::services::bare;

/// Size of one made-up row with its field header.
pub(crate) const ROW_BYTES: usize = 1024;

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) revision: i64,
    pub(crate) log: Vec<(i64, Event)>,
    rows: BTreeMap<Bytes, KeyValue>,
    leases: BTreeMap<i64, i64>,
}

/// A put of this key is never answered.
pub(crate) const HELD: &str = "held";

pub(crate) struct Fake {
    pub(crate) store: Arc<Mutex<Store>>,
    pub(crate) changed: watch::Sender<()>,
    pub(crate) has_leader: AtomicBool,
    pub(crate) alarms: Mutex<Vec<AlarmMember>>,
    pub(crate) alive: Arc<Alive>,
    /// Batches a flooding watch has handed out.
    pub(crate) flooded: Arc<AtomicUsize>,
    pub(crate) counted: Mutex<Vec<String>>,
    /// Puts of [`HELD`] under way.
    pub(crate) held: AtomicUsize,
    /// Kept only once a test has opened it.
    pub(crate) notebook: OnceLock<Notebook>,
}

/// Counts one of [`Fake::held`].
struct Held<'a>(&'a AtomicUsize);

impl<'a> Held<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes of made-up rows now in memory, and the most there have been.
#[derive(Default)]
pub(crate) struct Alive {
    now: AtomicUsize,
    pub(crate) peak: AtomicUsize,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            store: Arc::new(Mutex::new(Store { revision: 1, ..Default::default() })),
            changed: watch::Sender::new(()),
            has_leader: AtomicBool::new(true),
            alarms: Mutex::default(),
            alive: Arc::default(),
            flooded: Arc::default(),
            counted: Mutex::default(),
            held: AtomicUsize::new(0),
            notebook: OnceLock::new(),
        })
    }

    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&mut Store) -> Result<T, Code>,
    ) -> Result<T, Code> {
        let result = change(&mut self.store.lock().expect("not poisoned"));
        self.changed.send_replace(());
        result
    }

    pub(crate) fn drop_lease_of(&self, key: &str) {
        let change = |store: &mut Store| {
            store.revision += 1;
            store.delete(&KeyRange::Key(Bytes::copy_from_slice(key.as_bytes())));
            Ok(())
        };
        self.write(change).expect("cannot fail");
    }

    pub(crate) fn ttl(&self, lease: i64) -> Option<i64> {
        self.store.lock().expect("not poisoned").leases.get(&lease).copied()
    }

    pub(crate) fn note(&self, line: String) {
        self.counted.lock().expect("not poisoned").push(line);
    }
}

impl Store {
    pub(crate) fn header(&self) -> ResponseHeader {
        ResponseHeader { cluster_id: 1, member_id: 2, revision: self.revision, raft_term: 3 }
    }

    pub(crate) fn grant(&mut self, id: i64, ttl: i64) -> Result<i64, Code> {
        let id = if id == 0 { 0x100 + self.leases.len() as i64 } else { id };
        match self.leases.insert(id, ttl) {
            None => Ok(id),
            Some(_) => Err(Code::LeaseExist),
        }
    }

    fn put(&mut self, request: &PutRequest) -> Result<(), Code> {
        if request.lease != 0 && !self.leases.contains_key(&request.lease) {
            return Err(Code::LeaseNotFound);
        }
        let revision = self.revision;
        let key = request.key.clone();
        let create = KeyValue { key, create_revision: revision, ..Default::default() };
        let row = self.rows.entry(request.key.clone()).or_insert(create);
        row.version += 1;
        row.mod_revision = revision;
        row.value = request.value.clone();
        row.lease = request.lease;
        let event = Event { kv: Some(row.clone()), ..Default::default() };
        self.log.push((revision, event));
        Ok(())
    }

    fn delete(&mut self, range: &KeyRange) -> i64 {
        let gone: Vec<_> = self.rows.keys().filter(|key| range.contains(key)).cloned().collect();
        for key in &gone {
            self.rows.remove(key);
            let kv =
                KeyValue { key: key.clone(), mod_revision: self.revision, ..Default::default() };
            let event =
                Event { r#type: EventType::Delete as i32, kv: Some(kv), ..Default::default() };
            self.log.push((self.revision, event));
        }
        gone.len() as i64
    }

    fn range(&self, request: &RangeRequest) -> Vec<KeyValue> {
        let range = KeyRange::new(request.key.clone(), request.range_end.clone());
        let max = request.max_create_revision;
        let wanted =
            |row: &&KeyValue| range.contains(&row.key) && (max == 0 || row.create_revision <= max);
        let mut rows: Vec<_> = self.rows.values().filter(wanted).cloned().collect();
        if request.sort_order != SortOrder::None as i32 {
            rows.sort_by_key(|row| row.create_revision);
        }
        if request.sort_order == SortOrder::Descend as i32 {
            rows.reverse();
        }
        if request.limit > 0 {
            rows.truncate(request.limit as usize);
        }
        rows
    }

    fn holds(&self, compare: &Compare) -> bool {
        let created = self.rows.get(&compare.key).map_or(0, |row| row.create_revision);
        compare.target_union == Some(TargetUnion::CreateRevision(created))
    }

    fn perform(&mut self, op: &RequestOp) -> Result<Did, Code> {
        Ok(match op.request.as_ref().ok_or(Code::KeyNotFound)? {
            Op::RequestPut(put) => {
                self.put(put)?;
                Did::ResponsePut(PutResponse::default())
            }
            Op::RequestDeleteRange(delete) => {
                let range = KeyRange::new(delete.key.clone(), delete.range_end.clone());
                let deleted = self.delete(&range);
                Did::ResponseDeleteRange(DeleteRangeResponse { deleted, ..Default::default() })
            }
            Op::RequestRange(range) => {
                let kvs = self.range(range);
                Did::ResponseRange(RangeResponse { kvs, ..Default::default() })
            }
            Op::RequestTxn(_) => return Err(Code::UnknownMethod),
        })
    }
}

impl Kv for Fake {
    async fn range(&self, _: Pass, request: RangeRequest) -> Result<RangeReply, Code> {
        let header = self.header();
        let text = String::from_utf8_lossy(&request.key).into_owned();
        if let Some(name) = text.strip_prefix("code:") {
            let code = Code::ALL.iter().find(|code| format!("{code:?}") == name);
            return Err(*code.expect("a code of this name"));
        }
        for (prefix, breaks) in [("rows:", false), ("short:", true)] {
            if let Some(size) = text.strip_prefix(prefix) {
                let kvs_bytes: u64 = size.parse().expect("a number");
                let alive = Arc::clone(&self.alive);
                let kvs = Kvs::Chunks(Box::new(MadeUp { left: kvs_bytes, breaks, alive }));
                return Ok(RangeReply { header, count: 7, more: true, kvs_bytes, kvs });
            }
        }
        let rows = self.store.lock().expect("not poisoned").range(&request);
        let count = rows.len() as i64;
        let kvs = RangeResponse { kvs: rows, ..Default::default() }.encode_to_vec();
        let kvs_bytes = kvs.len() as u64;
        Ok(RangeReply { header, count, more: false, kvs_bytes, kvs: Kvs::Whole(kvs.into()) })
    }

    async fn put(&self, _: Pass, request: PutRequest) -> Result<PutResponse, Code> {
        if request.key == HELD {
            let _held = Held::new(&self.held);
            std::future::pending::<()>().await;
        }
        let change = |store: &mut Store| {
            store.revision += 1;
            store.put(&request)
        };
        self.write(change)?;
        bare!(self, PutResponse)
    }

    async fn delete_range(
        &self,
        _: Pass,
        request: DeleteRangeRequest,
    ) -> Result<DeleteRangeResponse, Code> {
        let range = KeyRange::new(request.key, request.range_end);
        let deleted = self.write(|store| {
            store.revision += 1;
            Ok(store.delete(&range))
        })?;
        Ok(DeleteRangeResponse { header: Some(self.header()), deleted, prev_kvs: Vec::new() })
    }

    async fn txn(&self, _: Pass, request: TxnRequest) -> Result<TxnResponse, Code> {
        self.write(|store| {
            let succeeded = request.compare.iter().all(|compare| store.holds(compare));
            let ops = if succeeded { &request.success } else { &request.failure };
            let reads = |op: &RequestOp| matches!(op.request, Some(Op::RequestRange(_)));
            store.revision += i64::from(!ops.iter().all(reads));
            let did = |op| Ok(ResponseOp { response: Some(store.perform(op)?) });
            let responses = ops.iter().map(did).collect::<Result<_, Code>>()?;
            Ok(TxnResponse { header: Some(store.header()), succeeded, responses })
        })
    }

    async fn compact(&self, _: Pass, _: CompactionRequest) -> Result<CompactionResponse, Code> {
        Ok(CompactionResponse { header: Some(self.header()) })
    }
}

/// Rows on demand, counted while they live.
struct MadeUp {
    left: u64,
    breaks: bool,
    alive: Arc<Alive>,
}

impl Chunks for MadeUp {
    fn poll_next(
        &mut self,
        _: &mut Context<'_>,
        bytes_max: usize,
    ) -> Poll<Result<Option<Bytes>, Code>> {
        if self.breaks && self.alive.peak.load(Ordering::SeqCst) > 0 {
            return Poll::Ready(Err(Code::Corrupt));
        }
        let size = (bytes_max / ROW_BYTES * ROW_BYTES).min(self.left as usize);
        self.left -= size as u64;
        let rows = row().repeat(size / ROW_BYTES);
        let now = self.alive.now.fetch_add(size, Ordering::SeqCst) + size;
        self.alive.peak.fetch_max(now, Ordering::SeqCst);
        let counted = Counted { rows, alive: Arc::clone(&self.alive) };
        Poll::Ready(Ok((size > 0).then(|| Bytes::from_owner(counted))))
    }
}

/// One `kvs` field of `ROW_BYTES`.
fn row() -> Vec<u8> {
    let value = vec![b'v'; ROW_BYTES - 9];
    let kv = KeyValue { key: "k".into(), value: value.into(), ..Default::default() };
    let field = RangeResponse { kvs: vec![kv], ..Default::default() }.encode_to_vec();
    assert_eq!(field.len(), ROW_BYTES);
    field
}

struct Counted {
    rows: Vec<u8>,
    alive: Arc<Alive>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.rows
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.now.fetch_sub(self.rows.len(), Ordering::SeqCst);
    }
}

impl Watch for Fake {
    type Link = FakeLink;

    async fn watch(&self) -> Result<FakeLink, Code> {
        Ok(FakeLink::new(
            Arc::clone(&self.store),
            self.changed.subscribe(),
            Arc::clone(&self.flooded),
        ))
    }
}
