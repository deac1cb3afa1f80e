//! Made-up facts, for the tests of the checks.

use ketch_base::{Index, MemberId, Term};
use ketch_proto::etcdserverpb as pb;
use ketch_proto::mvccpb::{Event, KeyValue, event::EventType};

use crate::fact::{Badge, Call, CallId, EntryMark, Fact, Outcome};

pub(super) fn header(revision: i64) -> Option<pb::ResponseHeader> {
    Some(pb::ResponseHeader { revision, ..Default::default() })
}

pub(super) fn put(key: &str, value: &str) -> Call {
    let (key, value) = (key.to_owned().into(), value.to_owned().into());
    Call::Put(pb::PutRequest { key, value, ..Default::default() })
}

pub(super) fn put_ok(revision: i64) -> Outcome {
    Outcome::Put(pb::PutResponse { header: header(revision), prev_kv: None })
}

pub(super) fn get(key: &str) -> Call {
    Call::Range(pb::RangeRequest { key: key.to_owned().into(), ..Default::default() })
}

pub(super) fn get_local(key: &str) -> Call {
    let key = key.to_owned().into();
    Call::Range(pb::RangeRequest { key, serializable: true, ..Default::default() })
}

/// A key's value; created where it was last changed.
pub(super) fn kv(key: &str, value: &str, mod_revision: i64) -> KeyValue {
    KeyValue {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        create_revision: mod_revision,
        mod_revision,
        version: 1,
        lease: 0,
    }
}

pub(super) fn put_event(kv: KeyValue) -> Event {
    Event { r#type: EventType::Put.into(), kv: Some(kv), prev_kv: None }
}

pub(super) fn delete_event(key: &str, mod_revision: i64) -> Event {
    let kv = KeyValue { key: key.to_owned().into(), mod_revision, ..Default::default() };
    Event { r#type: EventType::Delete.into(), kv: Some(kv), prev_kv: None }
}

pub(super) fn range_ok(revision: i64, kvs: &[KeyValue]) -> Outcome {
    Outcome::Range(pb::RangeResponse {
        header: header(revision),
        kvs: kvs.to_vec(),
        more: false,
        count: kvs.len() as i64,
    })
}

/// A call at member 1.
pub(super) fn called(call: u64, client: u64, what: Call) -> Fact {
    let by = Badge::None;
    Fact::Called { call: CallId(call), client, member: MemberId(1), by, what }
}

pub(super) fn returned(call: u64, outcome: Outcome) -> Fact {
    Fact::Returned { call: CallId(call), outcome }
}

pub(super) fn applied(member: u64, index: u64, revision: i64) -> Fact {
    let entry = EntryMark { index: Index(index), term: Term(1), digest: 0 };
    Fact::Applied { member: MemberId(member), entry, revision }
}

pub(super) fn rest(member: u64, revision: i64) -> Fact {
    let member = MemberId(member);
    Fact::AtRest { member, applied: Index(9), revision, compacted: 0, hash: 0 }
}

pub(super) fn kept(member: u64, compacted: i64, events: &[Event]) -> Fact {
    Fact::Kept { member: MemberId(member), compacted, events: events.to_vec() }
}

pub(super) fn delete(key: &str, range_end: &str) -> Call {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    Call::DeleteRange(pb::DeleteRangeRequest { key, range_end, prev_kv: false })
}

pub(super) fn delete_ok(revision: i64, deleted: i64) -> Outcome {
    let prev_kvs = Vec::new();
    Outcome::DeleteRange(pb::DeleteRangeResponse { header: header(revision), deleted, prev_kvs })
}
