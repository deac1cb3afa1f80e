//! Answers in, bytes out: `transcript.txt` holds what each format makes of each answer, as the
//! real etcdctl 3.7.1 printed the same shapes.
//!
//! A block begins with `== answer format`, with `+hex` or `+values` behind it where that flag makes
//! a difference. Protobuf is shown in hexadecimal, a refusal as `! code message`.

use std::collections::BTreeMap;

use ketch_proto::authpb::Permission;
use ketch_proto::etcdserverpb::{
    AlarmMember, AuthRoleGetResponse, AuthRoleListResponse, AuthStatusResponse,
    AuthUserGetResponse, AuthUserListResponse, DowngradeInfo, LeaseStatus, Member, ResponseHeader,
    ResponseOp, response_op::Response,
};
use ketch_proto::mvccpb::{Event, KeyValue};

use super::*;

const TRANSCRIPT: &str = include_str!("transcript.txt");

fn header(revision: i64) -> Option<ResponseHeader> {
    Some(ResponseHeader { cluster_id: 0xfeed, member_id: 0xbeef, revision, raft_term: 3 })
}

fn kv(key: &'static [u8], value: &'static [u8], lease: i64) -> KeyValue {
    KeyValue {
        key: key.into(),
        create_revision: 4,
        mod_revision: 6,
        version: 2,
        value: value.into(),
        lease,
    }
}

fn range() -> RangeResponse {
    let kvs = vec![kv(b"fox", b"red", 0x1234), kv(b"\xffx\n", b"<\"\xc3\xa9\">\0", 0)];
    RangeResponse { header: header(9), kvs, more: true, count: 5 }
}

fn put() -> PutResponse {
    PutResponse { header: header(9), prev_kv: Some(kv(b"fox", b"", 0)) }
}

fn del() -> DeleteRangeResponse {
    let prev_kvs = vec![kv(b"fox", b"red", 0)];
    DeleteRangeResponse { header: header(9), deleted: 1, prev_kvs }
}

fn txn() -> TxnResponse {
    let inner = TxnResponse { header: header(9), succeeded: false, responses: Vec::new() };
    let responses = [
        Response::ResponsePut(put()),
        Response::ResponseRange(range()),
        Response::ResponseDeleteRange(del()),
        Response::ResponseTxn(inner),
    ];
    let responses = responses.map(|response| ResponseOp { response: Some(response) }).into();
    TxnResponse { header: header(9), succeeded: true, responses }
}

fn watch() -> WatchResponse {
    let put = Event { r#type: 0, kv: Some(kv(b"fox", b"red", 0)), prev_kv: None };
    let gone = KeyValue { key: "fox".into(), mod_revision: 9, ..Default::default() };
    let delete = Event { r#type: 1, kv: Some(gone), prev_kv: Some(kv(b"fox", b"red", 0)) };
    WatchResponse {
        header: header(9),
        watch_id: 7,
        events: vec![put, delete],
        ..Default::default()
    }
}

fn compacted() -> WatchResponse {
    WatchResponse {
        header: header(0),
        canceled: true,
        compact_revision: 5,
        cancel_reason: "gone".into(),
        ..Default::default()
    }
}

fn time_to_live(ttl: i64, granted_ttl: i64, keys: &[&'static str]) -> LeaseTimeToLiveResponse {
    let keys = keys.iter().map(|key| (*key).into()).collect();
    LeaseTimeToLiveResponse { header: header(9), id: 0x1234, ttl, granted_ttl, keys }
}

fn members() -> MemberListResponse {
    let named = Member {
        id: 0xbeef,
        name: "one".into(),
        peer_ur_ls: vec!["http://h:2380".into(), "http://g:2380".into()],
        client_ur_ls: vec!["http://h:2379".into()],
        is_learner: false,
    };
    let unstarted = Member {
        id: 0xabc,
        peer_ur_ls: vec!["http://i:2380".into()],
        is_learner: true,
        ..Default::default()
    };
    MemberListResponse { header: header(0), members: vec![named, unstarted] }
}

fn status() -> Vec<(String, StatusResponse)> {
    let healthy = StatusResponse {
        header: header(9),
        version: "3.7.1".into(),
        db_size: 24_576,
        leader: 0xbeef,
        raft_index: 14,
        raft_term: 3,
        raft_applied_index: 13,
        db_size_in_use: 20_480,
        storage_version: "3.7.0".into(),
        db_size_quota: 2_147_483_648,
        downgrade_info: Some(DowngradeInfo::default()),
        ..Default::default()
    };
    let downgrade = DowngradeInfo { enabled: true, target_version: "3.6.0".into() };
    let sick = StatusResponse {
        leader: 1,
        errors: vec!["memberID:1 alarm:NOSPACE".into(), "etcdserver: no leader".into()],
        is_learner: true,
        downgrade_info: Some(downgrade),
        ..healthy.clone()
    };
    vec![("h:2379".into(), healthy), ("i:2379".into(), sick)]
}

fn hashes() -> Vec<(String, HashKvResponse)> {
    let hash = HashKvResponse {
        header: header(9),
        hash: 4_033_104_100,
        compact_revision: -1,
        hash_revision: 9,
    };
    vec![("h:2379".into(), hash)]
}

fn health() -> Vec<Health> {
    let healthy = Health {
        endpoint: "h:2379".into(),
        healthy: true,
        took: "1.5ms".into(),
        error: String::new(),
    };
    let sick = Health {
        endpoint: "i:2379".into(),
        healthy: false,
        took: "5s".into(),
        error: "context deadline exceeded".into(),
    };
    vec![healthy, sick]
}

fn alarms() -> AlarmResponse {
    let member = |member_id, alarm| AlarmMember { member_id, alarm };
    AlarmResponse { header: header(9), alarms: vec![member(7, 1), member(0, 2)] }
}

/// Shows one answer in every format, and with the flags that make a difference to it.
fn show(out: &mut BTreeMap<String, String>, name: &str, answer: &Answer<'_>) {
    for format in ["simple", "json", "fields", "table", "protobuf"] {
        let plain = Printer::new(format, false).unwrap();
        let shown = text(&plain, answer);
        for (suffix, hex, value_only) in [(" +hex", true, false), (" +values", false, true)] {
            let other = text(&Printer { hex, value_only, ..plain }, answer);
            if other != shown {
                out.insert(format!("{name} {format}{suffix}"), other);
            }
        }
        out.insert(format!("{name} {format}"), shown);
    }
}

fn text(printer: &Printer, answer: &Answer<'_>) -> String {
    let bytes = match printer.render(answer) {
        Ok(bytes) => bytes,
        Err(Failure { code, message, .. }) => {
            return format!("! {code} {}\n", message.unwrap_or_default());
        }
    };
    if printer.format == Format::Protobuf {
        return bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    }
    let show = |chunk: std::str::Utf8Chunk<'_>| {
        chunk.valid().replace('\0', "\\0") + &chunk.invalid().escape_ascii().to_string()
    };
    bytes.utf8_chunks().map(show).collect()
}

fn all() -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut add = |name: &str, answer: &Answer<'_>| show(&mut out, name, answer);
    add("get", &Answer::Get(&range()));
    add("get nothing", &Answer::Get(&RangeResponse { header: header(9), ..Default::default() }));
    add("put", &Answer::Put(&put()));
    add("put anew", &Answer::Put(&PutResponse { header: header(9), prev_kv: None }));
    add("del", &Answer::Del(&del()));
    add("txn", &Answer::Txn(&txn()));
    add("watch", &Answer::Watch(&watch()));
    add("watch compacted", &Answer::Watch(&compacted()));
    let granted =
        LeaseGrantResponse { header: header(9), id: 0x1234, ttl: 60, error: String::new() };
    add("grant", &Answer::Grant(&granted));
    add("revoke", &Answer::Revoke(0x1234, &LeaseRevokeResponse { header: header(9) }));
    let renewed = LeaseKeepAliveResponse { header: header(9), id: 0x1234, ttl: 60 };
    add("keep-alive", &Answer::KeepAlive(&renewed));
    add("timetolive", &Answer::TimeToLive(&time_to_live(59, 60, &[]), false));
    add("timetolive keys", &Answer::TimeToLive(&time_to_live(59, 60, &["a", "b"]), true));
    add("timetolive expired", &Answer::TimeToLive(&time_to_live(-1, 0, &[]), false));
    let leases = [0x1234, -1].map(|id| LeaseStatus { id }).into();
    add("leases", &Answer::Leases(&LeaseLeasesResponse { header: header(9), leases }));
    add("members", &Answer::Members(&members()));
    let MemberListResponse { header: cluster, members: both } = members();
    let new = both.last().cloned();
    let added = MemberAddResponse { header: cluster, member: new, members: both.clone() };
    add("member add", &Answer::MemberAdd(&added));
    let removed = MemberRemoveResponse { header: cluster, members: both[..1].into() };
    add("member remove", &Answer::MemberRemove(0x394573a3bcc9aa8b, &removed));
    let updated = MemberUpdateResponse { header: cluster, members: both.clone() };
    add("member update", &Answer::MemberUpdate(0xabc, &updated));
    let promoted = MemberPromoteResponse { header: cluster, members: both };
    add("member promote", &Answer::MemberPromote(0xabc, &promoted));
    add("move-leader", &Answer::MoveLeader(0xbeef, 0xabc, &MoveLeaderResponse::default()));
    add("alarms", &Answer::Alarms(&alarms()));
    add("alarms none", &Answer::Alarms(&AlarmResponse::default()));
    add("health", &Answer::Health(&health()));
    add("status", &Answer::Status(&status()));
    add("status none", &Answer::Status(&[]));
    add("hashkv", &Answer::HashKv(&hashes()));
    access(&mut add);
    out
}

fn role(permissions: &[(i32, &'static [u8], &'static [u8])]) -> AuthRoleGetResponse {
    let permission = |(perm_type, key, end): &(i32, &'static [u8], &'static [u8])| Permission {
        perm_type: *perm_type,
        key: (*key).into(),
        range_end: (*end).into(),
    };
    let perm = permissions.iter().map(permission).collect();
    AuthRoleGetResponse { header: header(1), perm }
}

fn access(add: &mut impl FnMut(&str, &Answer<'_>)) {
    let mut add = |name: &str, answer: Access<'_>| add(name, &Answer::Access(answer));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    add("user changed", Access::Changed(b"User a created\n", header(1)));
    let granted = role(&[
        (0, b"\0", b"\0"),
        (0, b"a", b"b"),
        (0, b"a", b"c\"d"),
        (2, b"fk", b"\0"),
        (2, b"k\xff", b""),
        (1, b"p/", b"p0"),
        (1, b"\xff", b"\0"),
    ]);
    add("role", Access::Role("r", &granted));
    add("role empty", Access::Role("r", &role(&[])));
    add("role root", Access::Role("root", &role(&[])));
    add("role root granted", Access::Role("root", &role(&[(2, b"", b"\0")])));
    let roles = names(&["r", "s \"t\""]);
    let list = AuthRoleListResponse { header: header(1), roles: roles.clone() };
    add("roles", Access::Roles(&list));
    add("roles none", Access::Roles(&AuthRoleListResponse { header: header(1), roles: vec![] }));
    add("user", Access::User("a", &AuthUserGetResponse { header: header(1), roles }));
    let none = AuthUserGetResponse { header: header(1), roles: vec![] };
    add("user without roles", Access::User("a", &none));
    let users = names(&["a", "b"]);
    add("users", Access::Users(&AuthUserListResponse { header: header(1), users }));
    let on = AuthStatusResponse { header: header(1), enabled: true, auth_revision: 47 };
    add("auth on", Access::Status(&on));
    let off = AuthStatusResponse { header: header(1), enabled: false, auth_revision: 1 };
    add("auth off", Access::Status(&off));
}

#[test]
fn transcript() {
    let mut expected: BTreeMap<String, String> = BTreeMap::new();
    let mut block = String::new();
    for line in TRANSCRIPT.lines() {
        match line.strip_prefix("== ") {
            Some(name) => {
                block = name.to_owned();
                expected.insert(block.clone(), String::new());
            }
            None => expected.entry(block.clone()).or_default().extend([line, "\n"]),
        }
    }
    let shown = all();
    for (name, text) in &shown {
        assert_eq!(expected.get(name), Some(text), "{name}");
    }
    assert_eq!(expected.len(), shown.len(), "the transcript has blocks of no answer");
}
