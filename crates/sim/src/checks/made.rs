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

/// Users, as a run begins that has them.
pub(super) fn authentication() -> Fact {
    Fact::Authentication { token_ttl_ms: 300_000 }
}

/// A change that member 1 made at a revision of the store.
pub(super) fn changed(index: u64, revision: i64, change: pb::InternalRaftRequest) -> Fact {
    Fact::AuthApplied {
        member: MemberId(1),
        index: Index(index),
        revision,
        request: Box::new(change),
        done: Ok(()),
        token: None,
    }
}

/// A login that member 1 applied.
pub(super) fn logged_in(index: u64, user: &str, token: &str) -> Fact {
    let name = user.to_owned();
    let authenticate = Some(pb::InternalAuthenticateRequest { name, ..Default::default() });
    let request = Box::new(pb::InternalRaftRequest { authenticate, ..Default::default() });
    let (member, index, token) = (MemberId(1), Index(index), Some(token.to_owned()));
    Fact::AuthApplied { member, index, revision: 1, request, done: Ok(()), token }
}

pub(super) fn auth_enable() -> pb::InternalRaftRequest {
    let auth_enable = Some(pb::AuthEnableRequest {});
    pb::InternalRaftRequest { auth_enable, ..Default::default() }
}

pub(super) fn user_add(name: &str, password: &str) -> pb::InternalRaftRequest {
    let (name, hashed_password) = (name.to_owned(), password.to_owned());
    let add = pb::AuthUserAddRequest { name, hashed_password, ..Default::default() };
    pb::InternalRaftRequest { auth_user_add: Some(add), ..Default::default() }
}

pub(super) fn password(name: &str, password: &str) -> pb::InternalRaftRequest {
    let (name, hashed_password) = (name.to_owned(), password.to_owned());
    let password = String::new();
    let change = pb::AuthUserChangePasswordRequest { name, password, hashed_password };
    pb::InternalRaftRequest { auth_user_change_password: Some(change), ..Default::default() }
}

pub(super) fn grant_role(user: &str, role: &str) -> pb::InternalRaftRequest {
    let (user, role) = (user.to_owned(), role.to_owned());
    let grant = pb::AuthUserGrantRoleRequest { user, role };
    pb::InternalRaftRequest { auth_user_grant_role: Some(grant), ..Default::default() }
}

pub(super) fn revoke_role(user: &str, role: &str) -> pb::InternalRaftRequest {
    let (name, role) = (user.to_owned(), role.to_owned());
    let revoke = pb::AuthUserRevokeRoleRequest { name, role };
    pb::InternalRaftRequest { auth_user_revoke_role: Some(revoke), ..Default::default() }
}

/// Kind 0 reads, 1 writes, 2 does both.
pub(super) fn allow(role: &str, kind: i32, key: &str, range_end: &str) -> pb::InternalRaftRequest {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    let perm = Some(ketch_proto::authpb::Permission { perm_type: kind, key, range_end });
    let grant = pb::AuthRoleGrantPermissionRequest { name: role.to_owned(), perm };
    pb::InternalRaftRequest { auth_role_grant_permission: Some(grant), ..Default::default() }
}

/// A call at a member, by somebody.
pub(super) fn called_by(call: u64, member: u64, by: Badge, what: Call) -> Fact {
    Fact::Called { call: CallId(call), client: call, member: MemberId(member), by, what }
}
