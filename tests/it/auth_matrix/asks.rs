//! The calls of the matrix, made by code: each operation alone and in every place of a
//! transaction.

use bytes::Bytes;
use ketch_proto::authpb::{Permission, UserAddOptions, permission};
use ketch_proto::etcdserverpb as pb;
use ketch_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use ketch_proto::etcdserverpb::request_op::Request as Op;
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::{v3electionpb, v3lockpb};
use prost::Message;

/// How a call is made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Unary,
    /// A server stream, to its end.
    Stream,
    /// A server stream without an end: its first message.
    First,
    Duplex,
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) name: String,
    pub(super) method: String,
    pub(super) way: Way,
    pub(super) bytes: Bytes,
    /// Sent behind the first, which is not answered.
    pub(super) then: Option<Bytes>,
}

/// Key and end of every kind of range there is.
const RANGES: [(&str, &str); 12] = [
    ("a", ""),
    ("b", ""),
    ("z", ""),
    ("", ""),
    ("a", "b"),
    ("a", "c"),
    ("a", "d"),
    ("p/1", ""),
    ("p/", "p0"),
    ("b", "\0"),
    ("\0", "\0"),
    ("c", "a"),
];

fn ask(way: Way, method: &str, message: &impl Message, name: &str) -> Ask {
    let method = match method.contains('.') {
        true => format!("/{method}"),
        false => format!("/etcdserverpb.{method}"),
    };
    let name = format!("{method} {name}");
    Ask { name, method, way, bytes: message.encode_to_vec().into(), then: None }
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Every call that may be made again and again.
pub(super) fn asks() -> Vec<Ask> {
    let mut all = Vec::new();
    keys(&mut all);
    nested(&mut all);
    leases(&mut all);
    watches(&mut all);
    maintenance(&mut all);
    members(&mut all);
    users(&mut all);
    roles(&mut all);
    recipes(&mut all);
    health(&mut all);
    all
}

/// What root would get through with, and so ends the run for all others.
pub(super) fn root_only_asks() -> Vec<Ask> {
    vec![ask(Way::Unary, "Auth/AuthDisable", &pb::AuthDisableRequest {}, "")]
}

fn range(key: &str, end: &str, serializable: bool) -> pb::RangeRequest {
    pb::RangeRequest { key: text(key), range_end: text(end), serializable, ..Default::default() }
}

fn puts() -> Vec<(String, pb::PutRequest)> {
    let mut all = Vec::new();
    for key in ["a", "b", "p/1", "z", ""] {
        for (prev_kv, lease, ignore_value) in [
            (false, 0, false),
            (true, 0, false),
            (false, 0, true),
            (false, 1, false),
            (false, 2, false),
            (false, 3, false),
            (true, 4, false),
            (false, 99, false),
        ] {
            let name = format!("{key:?} prev {prev_kv} lease {lease} ignore {ignore_value}");
            let key = text(key);
            let put = pb::PutRequest { key, prev_kv, lease, ignore_value, ..Default::default() };
            all.push((name, put));
        }
    }
    all
}

fn deletes() -> Vec<(String, pb::DeleteRangeRequest)> {
    let mut all = Vec::new();
    // Keys that are not there: what is deleted would be missed by the calls that follow.
    for (key, end) in [("a!", ""), ("a", "a!"), ("b!", ""), ("p/!", ""), ("y", "\0"), ("", "")] {
        let end = if key == "a" { "a" } else { end };
        for prev_kv in [false, true] {
            let request = pb::DeleteRangeRequest { key: text(key), range_end: text(end), prev_kv };
            all.push((format!("{key:?} {end:?} prev {prev_kv}"), request));
        }
    }
    all
}

fn keys(all: &mut Vec<Ask>) {
    for (key, end) in RANGES {
        for serializable in [false, true] {
            let request = range(key, end, serializable);
            let name = format!("{key:?} {end:?} serializable {serializable}");
            all.push(ask(Way::Unary, "KV/Range", &request, &name));
            all.push(ask(Way::Stream, "KV/RangeStream", &request, &name));
        }
    }
    for (name, put) in puts() {
        all.push(ask(Way::Unary, "KV/Put", &put, &name));
    }
    for (name, delete) in deletes() {
        all.push(ask(Way::Unary, "KV/DeleteRange", &delete, &name));
    }
    let compact = pb::CompactionRequest { revision: 0, physical: false };
    all.push(ask(Way::Unary, "KV/Compact", &compact, "0"));
}

fn nested(all: &mut Vec<Ask>) {
    let mut ops: Vec<(String, Option<Op>)> = vec![("empty".to_owned(), None)];
    for (key, end) in RANGES {
        for serializable in [false, true] {
            let op = Op::RequestRange(range(key, end, serializable));
            ops.push((format!("range {key:?} {end:?} {serializable}"), Some(op)));
        }
    }
    let puts = puts().into_iter();
    ops.extend(puts.map(|(name, put)| (format!("put {name}"), Some(Op::RequestPut(put)))));
    let deletes = deletes().into_iter();
    ops.extend(
        deletes.map(|(name, op)| (format!("delete {name}"), Some(Op::RequestDeleteRange(op)))),
    );
    for (name, request) in ops {
        let op = pb::RequestOp { request };
        let plain = pb::TxnRequest { success: vec![op.clone()], ..Default::default() };
        let other = pb::TxnRequest { failure: vec![op], ..Default::default() };
        let inner = |txn: &pb::TxnRequest| {
            vec![pb::RequestOp { request: Some(Op::RequestTxn(txn.clone())) }]
        };
        let deep = pb::TxnRequest { success: inner(&plain), ..Default::default() };
        let deeper = pb::TxnRequest { failure: inner(&other), ..Default::default() };
        let deepest = pb::TxnRequest { success: inner(&deeper), ..Default::default() };
        for (place, txn) in [
            ("success", plain),
            ("failure", other),
            ("success of success", deep),
            ("failure of failure", deeper),
            ("third", deepest),
        ] {
            all.push(ask(Way::Unary, "KV/Txn", &txn, &format!("{place}: {name}")));
        }
    }
    for (key, end) in RANGES {
        let compare = pb::Compare {
            result: CompareResult::Equal as i32,
            target: CompareTarget::Version as i32,
            key: text(key),
            range_end: text(end),
            target_union: Some(TargetUnion::Version(77)),
        };
        let txn = pb::TxnRequest { compare: vec![compare], ..Default::default() };
        let request = Some(Op::RequestTxn(txn.clone()));
        let deep =
            pb::TxnRequest { success: vec![pb::RequestOp { request }], ..Default::default() };
        all.push(ask(Way::Unary, "KV/Txn", &txn, &format!("compare {key:?} {end:?}")));
        all.push(ask(Way::Unary, "KV/Txn", &deep, &format!("nested compare {key:?} {end:?}")));
    }
}

fn leases(all: &mut Vec<Ask>) {
    let grant = pb::LeaseGrantRequest { id: 1, ttl: 60 };
    all.push(ask(Way::Unary, "Lease/LeaseGrant", &grant, "there already"));
    all.push(ask(Way::Unary, "Lease/LeaseLeases", &pb::LeaseLeasesRequest {}, ""));
    for id in [1, 2, 3, 4, 99] {
        for keys in [false, true] {
            let request = pb::LeaseTimeToLiveRequest { id, keys };
            let name = format!("{id} keys {keys}");
            all.push(ask(Way::Unary, "Lease/LeaseTimeToLive", &request, &name));
        }
        let request = pb::LeaseKeepAliveRequest { id };
        all.push(ask(Way::Duplex, "Lease/LeaseKeepAlive", &request, &id.to_string()));
    }
    for id in [99, 1, 2, 3, 4] {
        let request = pb::LeaseRevokeRequest { id };
        all.push(ask(Way::Unary, "Lease/LeaseRevoke", &request, &id.to_string()));
    }
}

fn watches(all: &mut Vec<Ask>) {
    for (key, end) in RANGES {
        let (key_bytes, range_end) = (text(key), text(end));
        let create = pb::WatchCreateRequest { key: key_bytes, range_end, ..Default::default() };
        let request = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        all.push(ask(Way::Duplex, "Watch/Watch", &request, &format!("create {key:?} {end:?}")));
    }
    // What is not answered by itself: that the stream goes on shows in what comes next.
    let next = pb::WatchCreateRequest { key: text("a"), ..Default::default() };
    let next = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(next)) };
    for (name, request) in [
        ("progress", RequestUnion::ProgressRequest(pb::WatchProgressRequest {})),
        ("cancel", RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: 7 })),
    ] {
        let request = pb::WatchRequest { request_union: Some(request) };
        let mut both = ask(Way::Duplex, "Watch/Watch", &request, &format!("{name}, create"));
        both.then = Some(next.encode_to_vec().into());
        all.push(both);
    }
}

fn maintenance(all: &mut Vec<Ask>) {
    for action in 0..3 {
        let request = pb::AlarmRequest { action, member_id: 1, alarm: 0 };
        all.push(ask(Way::Unary, "Maintenance/Alarm", &request, &action.to_string()));
    }
    all.push(ask(Way::Unary, "Maintenance/Status", &pb::StatusRequest {}, ""));
    all.push(ask(Way::Unary, "Maintenance/Defragment", &pb::DefragmentRequest {}, ""));
    all.push(ask(Way::Unary, "Maintenance/Hash", &pb::HashRequest {}, ""));
    all.push(ask(Way::Unary, "Maintenance/HashKV", &pb::HashKvRequest::default(), ""));
    all.push(ask(Way::Stream, "Maintenance/Snapshot", &pb::SnapshotRequest {}, ""));
    let move_leader = pb::MoveLeaderRequest { target_id: 99 };
    all.push(ask(Way::Unary, "Maintenance/MoveLeader", &move_leader, "99"));
    let downgrade = pb::DowngradeRequest { action: 0, version: "3.9".to_owned() };
    all.push(ask(Way::Unary, "Maintenance/Downgrade", &downgrade, "validate 3.9"));
}

fn members(all: &mut Vec<Ask>) {
    for linearizable in [false, true] {
        let request = pb::MemberListRequest { linearizable };
        all.push(ask(Way::Unary, "Cluster/MemberList", &request, &linearizable.to_string()));
    }
    let add = pb::MemberAddRequest { peer_ur_ls: vec!["nourl".to_owned()], is_learner: false };
    all.push(ask(Way::Unary, "Cluster/MemberAdd", &add, "bad URL"));
    all.push(ask(Way::Unary, "Cluster/MemberRemove", &pb::MemberRemoveRequest { id: 99 }, "99"));
    let peer_ur_ls = vec!["http://127.0.0.1:1".to_owned()];
    let update = pb::MemberUpdateRequest { id: 99, peer_ur_ls };
    all.push(ask(Way::Unary, "Cluster/MemberUpdate", &update, "99"));
    all.push(ask(Way::Unary, "Cluster/MemberPromote", &pb::MemberPromoteRequest { id: 99 }, "99"));
}

fn users(all: &mut Vec<Ask>) {
    let mut unary = |method: &str, name: &str, bytes: Bytes| {
        let method = format!("/etcdserverpb.Auth/{method}");
        let name = format!("{method} {name}");
        all.push(Ask { name, method, way: Way::Unary, bytes, then: None });
    };
    unary("AuthEnable", "", Bytes::new());
    unary("AuthStatus", "", Bytes::new());
    unary("UserList", "", Bytes::new());
    for (name, password) in [
        ("both", "both-password"),
        ("both", "wrong"),
        ("both", ""),
        ("certified", "x"),
        ("certified", ""),
        ("who", "x"),
        ("", ""),
    ] {
        let login =
            pb::AuthenticateRequest { name: name.to_owned(), password: password.to_owned() };
        unary("Authenticate", &format!("{name} {password:?}"), login.encode_to_vec().into());
    }
    for name in ["both", "root", "who", ""] {
        let named = name.to_owned();
        unary("UserGet", name, pb::AuthUserGetRequest { name: named }.encode_to_vec().into());
    }
    for (name, password, no_password) in
        [("both", "x", false), ("", "x", false), ("new", "x", false), ("newer", "", true)]
    {
        let (name, password) = (name.to_owned(), password.to_owned());
        let options = Some(UserAddOptions { no_password });
        let label = name.clone();
        let add = pb::AuthUserAddRequest { name, password, options, ..Default::default() };
        unary("UserAdd", &label, add.encode_to_vec().into());
    }
    for (name, password) in [("who", "x"), ("new", "y"), ("newer", "")] {
        let (name, password) = (name.to_owned(), password.to_owned());
        let label = name.clone();
        let change = pb::AuthUserChangePasswordRequest { name, password, ..Default::default() };
        unary("UserChangePassword", &label, change.encode_to_vec().into());
    }
    for (user, role) in [("who", "x"), ("new", "x"), ("new", "both-role"), ("root", "root")] {
        let (user, role) = (user.to_owned(), role.to_owned());
        let label = format!("{user} {role}");
        let grant = pb::AuthUserGrantRoleRequest { user: user.clone(), role: role.clone() };
        unary("UserGrantRole", &label, grant.encode_to_vec().into());
        let revoke = pb::AuthUserRevokeRoleRequest { name: user, role };
        unary("UserRevokeRole", &label, revoke.encode_to_vec().into());
    }
    for name in ["new", "newer", "who", "root"] {
        let named = name.to_owned();
        unary("UserDelete", name, pb::AuthUserDeleteRequest { name: named }.encode_to_vec().into());
    }
}

fn roles(all: &mut Vec<Ask>) {
    let unary = |method: &str, name: &str, message: &dyn Fn() -> Vec<u8>| {
        let method = format!("/etcdserverpb.Auth/{method}");
        let name = format!("{method} {name}");
        Ask { name, method, way: Way::Unary, bytes: message().into(), then: None }
    };
    all.push(unary("RoleList", "", &Vec::new));
    for name in ["both-role", "reader-role", "root", "who", ""] {
        let role = name.to_owned();
        let get = pb::AuthRoleGetRequest { role };
        all.push(unary("RoleGet", name, &|| get.encode_to_vec()));
    }
    for name in ["new-role", "new-role", ""] {
        let add = pb::AuthRoleAddRequest { name: name.to_owned() };
        all.push(unary("RoleAdd", name, &|| add.encode_to_vec()));
    }
    for (role, key, end) in
        [("new-role", "n", ""), ("new-role", "", ""), ("new-role", "n", "m"), ("who", "n", "")]
    {
        let perm = Permission {
            perm_type: permission::Type::Write as i32,
            key: text(key),
            range_end: text(end),
        };
        let grant = pb::AuthRoleGrantPermissionRequest { name: role.to_owned(), perm: Some(perm) };
        let label = format!("{role} {key:?} {end:?}");
        all.push(unary("RoleGrantPermission", &label, &|| grant.encode_to_vec()));
        let revoke = pb::AuthRoleRevokePermissionRequest {
            role: role.to_owned(),
            key: text(key),
            range_end: text(end),
        };
        all.push(unary("RoleRevokePermission", &label, &|| revoke.encode_to_vec()));
    }
    let none = pb::AuthRoleGrantPermissionRequest { name: "new-role".to_owned(), perm: None };
    all.push(unary("RoleGrantPermission", "none", &|| none.encode_to_vec()));
    for name in ["new-role", "who", "root"] {
        let delete = pb::AuthRoleDeleteRequest { role: name.to_owned() };
        all.push(unary("RoleDelete", name, &|| delete.encode_to_vec()));
    }
}

/// After the leases were revoked by whoever may: each takes a lease that is there or gone.
fn recipes(all: &mut Vec<Ask>) {
    for (name, lease) in [("a", 99), ("p", 99), ("q", 99)] {
        let lock = v3lockpb::LockRequest { name: text(name), lease };
        all.push(ask(Way::Unary, "v3lockpb.Lock/Lock", &lock, name));
        let campaign = v3electionpb::CampaignRequest { name: text(name), lease, value: text("v") };
        all.push(ask(Way::Unary, "v3electionpb.Election/Campaign", &campaign, name));
        let leader = v3electionpb::LeaderRequest { name: text(name) };
        all.push(ask(Way::Unary, "v3electionpb.Election/Leader", &leader, name));
        let unlock = v3lockpb::UnlockRequest { key: text(&format!("{name}/63")) };
        all.push(ask(Way::Unary, "v3lockpb.Lock/Unlock", &unlock, name));
    }
    // It has a key, which so leads.
    let observe = v3electionpb::LeaderRequest { name: text("a") };
    all.push(ask(Way::First, "v3electionpb.Election/Observe", &observe, "a"));
    for name in ["a", "p"] {
        let key = text(&format!("{name}/63"));
        let leader = Some(v3electionpb::LeaderKey { name: text(name), key, rev: 1, lease: 99 });
        let resign = v3electionpb::ResignRequest { leader: leader.clone() };
        all.push(ask(Way::Unary, "v3electionpb.Election/Resign", &resign, name));
        let proclaim = v3electionpb::ProclaimRequest { leader, value: text("v") };
        all.push(ask(Way::Unary, "v3electionpb.Election/Proclaim", &proclaim, name));
    }
}

fn health(all: &mut Vec<Ask>) {
    for (way, method) in [(Way::Unary, "Check"), (Way::Unary, "List"), (Way::First, "Watch")] {
        let method = format!("grpc.health.v1.Health/{method}");
        all.push(ask(way, &method, &pb::StatusRequest {}, ""));
    }
}
