//! What locks and elections share: a queue of keys under a prefix, oldest creation first, each
//! held by a lease. The same recipe etcd's clients use, so both kinds queue together.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use ketch_base::{Code, KeyRange};
use ketch_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use ketch_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use ketch_proto::etcdserverpb::request_op::Request as Op;
use ketch_proto::etcdserverpb::response_op::Response as Did;
use ketch_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, LeaseGrantRequest, PutRequest, RangeRequest, RangeResponse,
    RequestOp, ResponseHeader, TxnRequest, TxnResponse,
};
use ketch_proto::mvccpb::{Event, KeyValue};
use prost::Message;

use super::inner::Inner;
use crate::limits::{RANGE_PIECE_BYTES, SESSION_TTL_SECONDS};
use crate::ports::{Kvs, Ports, WatchCommand, WatchCreate, WatchLink, WatchOutput};
use crate::status::Status;

/// etcd runs these recipes through an inner client that keeps the text of a refusal and loses
/// its number: everything arrives as UNKNOWN.
pub(super) fn unknown(code: Code) -> Status {
    Status::new(ketch_base::GrpcCode::Unknown, code.text())
}

/// The lease to hold on to: the one given, or a new one of a minute.
pub(super) async fn session<P: Ports>(ports: &Inner<P>, lease: i64) -> Result<i64, Code> {
    if lease != 0 {
        return Ok(lease);
    }
    let request = LeaseGrantRequest { ttl: SESSION_TTL_SECONDS, id: 0 };
    Ok(ports.lease_grant(request).await?.id)
}

/// The prefix of a queue and the key of one lease in it.
pub(super) fn keys(name: &[u8], lease: i64) -> (Bytes, Bytes) {
    let prefix = [name, b"/"].concat();
    let key = [prefix.as_slice(), format!("{lease:x}").as_bytes()].concat();
    (prefix.into(), key.into())
}

/// One's place in the queue.
pub(super) struct Place {
    /// Of the transaction that made or found it.
    pub(super) header: ResponseHeader,
    /// Creation revision of the key.
    pub(super) revision: i64,
    /// The key as found, when it was there before.
    pub(super) found: Option<KeyValue>,
}

/// Makes one's key, or finds it there.
pub(super) async fn enqueue<P: Ports>(
    ports: &Inner<P>,
    key: &Bytes,
    value: Bytes,
    lease: i64,
) -> Result<Place, Code> {
    let put = PutRequest { key: key.clone(), value, lease, ..Default::default() };
    let get = RangeRequest { key: key.clone(), ..Default::default() };
    let request = TxnRequest {
        compare: vec![created_at(key, 0)],
        success: vec![RequestOp { request: Some(Op::RequestPut(put)) }],
        failure: vec![RequestOp { request: Some(Op::RequestRange(get)) }],
    };
    let response = ports.txn(request).await?;
    let header = response.header.unwrap_or_default();
    if response.succeeded {
        return Ok(Place { header, revision: header.revision, found: None });
    }
    let found = first_found(response);
    let revision = found.as_ref().map_or(header.revision, |kv| kv.create_revision);
    Ok(Place { header, revision, found })
}

fn first_found(response: TxnResponse) -> Option<KeyValue> {
    match response.responses.into_iter().next()?.response? {
        Did::ResponseRange(range) => range.kvs.into_iter().next(),
        _ => None,
    }
}

/// The comparison "this key was created at".
pub(super) fn created_at(key: &Bytes, revision: i64) -> Compare {
    Compare {
        result: CompareResult::Equal as i32,
        target: CompareTarget::Create as i32,
        key: key.clone(),
        range_end: Bytes::new(),
        target_union: Some(TargetUnion::CreateRevision(revision)),
    }
}

/// Removes one's key, if it is still the same one.
pub(super) async fn leave<P: Ports>(
    ports: &Inner<P>,
    key: &Bytes,
    revision: i64,
) -> Result<TxnResponse, Code> {
    let delete = DeleteRangeRequest { key: key.clone(), ..Default::default() };
    let request = TxnRequest {
        compare: vec![created_at(key, revision)],
        success: vec![RequestOp { request: Some(Op::RequestDeleteRange(delete)) }],
        failure: Vec::new(),
    };
    ports.txn(request).await
}

/// Waits until everyone in the queue created before `revision` is gone.
pub(super) async fn wait_turn<P: Ports>(
    ports: &Inner<P>,
    prefix: &Bytes,
    revision: i64,
) -> Result<(), Code> {
    loop {
        let mut request = prefix_range(prefix);
        request.sort_order = SortOrder::Descend as i32;
        request.max_create_revision = revision - 1;
        let response = first(ports, request).await?;
        let Some(before) = response.kvs.into_iter().next() else { return Ok(()) };
        wait_deleted(ports, before.key, response.header.unwrap_or_default().revision).await?;
    }
}

/// The oldest of the queue, or by another order the youngest; `limit` 1.
pub(super) fn prefix_range(prefix: &Bytes) -> RangeRequest {
    RangeRequest {
        key: prefix.clone(),
        range_end: prefix_end(prefix),
        limit: 1,
        sort_order: SortOrder::Ascend as i32,
        sort_target: SortTarget::Create as i32,
        ..Default::default()
    }
}

/// The end of all keys with this prefix; it ends in a slash, so the last byte can grow.
pub(super) fn prefix_end(prefix: &Bytes) -> Bytes {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

/// A small range with its rows decoded.
pub(super) async fn first<P: Ports>(
    ports: &Inner<P>,
    request: RangeRequest,
) -> Result<RangeResponse, Code> {
    let reply = ports.range(request).await?;
    let rows = match reply.kvs {
        Kvs::Whole(rows) => rows,
        Kvs::Chunks(mut chunks) => {
            poll_fn(|cx| chunks.poll_next(cx, RANGE_PIECE_BYTES)).await?.unwrap_or_default()
        }
    };
    let mut response = RangeResponse::decode(rows).map_err(|_| Code::Corrupt)?;
    response.header = Some(reply.header);
    Ok(response)
}

async fn wait_deleted<P: Ports>(ports: &Inner<P>, key: Bytes, revision: i64) -> Result<(), Code> {
    let mut follow = Follow::begin(ports, KeyRange::Key(key), revision + 1).await?;
    loop {
        match follow.next().await? {
            Followed::Lost => return Ok(()),
            Followed::Events(_, events) if events.iter().any(is_delete) => return Ok(()),
            Followed::Events(..) => {}
        }
    }
}

pub(super) fn is_delete(event: &Event) -> bool {
    event.r#type == ketch_proto::mvccpb::event::EventType::Delete as i32
}

/// A watch of our own.
pub(super) struct Follow<L>(L);

/// What a watch of our own brings.
pub(super) enum Followed {
    /// Changes, and the revision they have come to.
    Events(i64, Vec<Event>),
    /// The start of the watch was compacted meanwhile: look again.
    Lost,
}

impl<L: WatchLink> Follow<L> {
    pub(super) async fn begin<P: Ports<Link = L>>(
        ports: &Inner<P>,
        range: KeyRange,
        start_revision: i64,
    ) -> Result<Self, Code> {
        let mut link = ports.watch(&range).await?;
        let create = WatchCreate {
            watch_id: 0,
            range,
            start_revision,
            progress_notify: false,
            no_put: false,
            no_delete: false,
            prev_kv: false,
            fragment: false,
        };
        link.command(WatchCommand::Create(create)).await?;
        Ok(Self(link))
    }

    /// Everything of the next batch, or the loss of the watch.
    pub(super) async fn next(&mut self) -> Result<Followed, Code> {
        let (mut at, mut events) = (0, Vec::new());
        for output in self.0.next().await? {
            match output {
                WatchOutput::Canceled { compact_revision: 0, .. } => {
                    return Err(Code::WatchCanceled);
                }
                WatchOutput::Canceled { .. } => return Ok(Followed::Lost),
                WatchOutput::Events { revision, events: encoded, .. } => {
                    at = revision;
                    for event in encoded {
                        events.push(Event::decode(event).map_err(|_| Code::Corrupt)?);
                    }
                }
                WatchOutput::Created { .. } | WatchOutput::Progress { .. } => {}
            }
        }
        Ok(Followed::Events(at, events))
    }
}

/// Leaves the queue when the caller goes away or fails before it was its turn.
pub(super) struct Withdraw<P: Ports> {
    ports: Arc<Inner<P>>,
    key: Bytes,
    revision: i64,
    armed: bool,
}

impl<P: Ports> Withdraw<P> {
    /// Armed if the place is new; one found may be a turn that has come already.
    pub(super) fn new(ports: &Arc<Inner<P>>, key: &Bytes, place: &Place) -> Self {
        let (revision, armed) = (place.revision, place.found.is_none());
        Self { ports: Arc::clone(ports), key: key.clone(), revision, armed }
    }

    /// The turn has not come yet.
    pub(super) fn arm(&mut self) {
        self.armed = true;
    }

    /// The turn has come: stay.
    pub(super) fn disarm(mut self) {
        self.armed = false;
    }
}

impl<P: Ports> Drop for Withdraw<P> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let (ports, key, revision) = (Arc::clone(&self.ports), self.key.clone(), self.revision);
        // Without a runtime the process is ending, and the lease will expire.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Best effort: the lease is the one who must not fail.
                let _ = leave(&*ports, &key, revision).await;
            });
        }
    }
}
