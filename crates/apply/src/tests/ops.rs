//! From the words of a transcript to requests.

use bytes::Bytes;
use ketch_proto::authpb::Permission;
use ketch_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::{self as pb, InternalRaftRequest, RequestOp, TxnRequest};
use ketch_proto::membershippb as mb;

pub(super) fn request(name: &str, rest: &str) -> InternalRaftRequest {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let number = |place: usize| words[place].parse::<i64>().expect("a number");
    let mut request = InternalRaftRequest { id: 1, ..Default::default() };
    match name {
        "put" => request.put = Some(put(&words)),
        "del" => request.delete_range = Some(delete(&words)),
        "get" => request.range = Some(range(&words)),
        "txn" => request.txn = Some(txn(rest)),
        "compact" => {
            let physical = false;
            request.compaction = Some(pb::CompactionRequest { revision: number(0), physical });
        }
        "grant" => {
            request.lease_grant = Some(pb::LeaseGrantRequest { id: number(0), ttl: number(1) });
        }
        "revoke" => request.lease_revoke = Some(pb::LeaseRevokeRequest { id: number(0) }),
        "checkpoint" => {
            let checkpoint = pb::LeaseCheckpoint { id: number(0), remaining_ttl: number(1) };
            let checkpoints = vec![checkpoint];
            request.lease_checkpoint = Some(pb::LeaseCheckpointRequest { checkpoints });
        }
        "name" => {
            let client_urls = vec![words[2].into()];
            let attributes = mb::Attributes { name: words[1].into(), client_urls };
            request.cluster_member_attr_set = Some(mb::ClusterMemberAttrSetRequest {
                member_id: number(0).unsigned_abs(),
                member_attributes: Some(attributes),
            });
        }
        "version" => {
            let ver = words[0].into();
            request.cluster_version_set = Some(mb::ClusterVersionSetRequest { ver });
        }
        "alarm" => request.alarm = Some(alarm(&words)),
        "nothing" => {}
        other => auth(other, &words, &mut request),
    }
    request
}

fn auth(name: &str, words: &[&str], to: &mut InternalRaftRequest) {
    let word = |place: usize| words[place].to_owned();
    let bytes =
        |place: usize| words.get(place).map_or(Bytes::new(), |w| Bytes::from(w.to_string()));
    let hashed_password = || "aGFzaA==".to_owned();
    match name {
        "auth-enable" => to.auth_enable = Some(pb::AuthEnableRequest {}),
        "auth-disable" => to.auth_disable = Some(pb::AuthDisableRequest {}),
        "auth-status" => to.auth_status = Some(pb::AuthStatusRequest {}),
        "login" => {
            let (name, simple_token) = (word(0), "prefix".into());
            let password = String::new();
            to.authenticate =
                Some(pb::InternalAuthenticateRequest { name, password, simple_token });
        }
        "user-add" => {
            let (name, hashed_password) = (word(0), hashed_password());
            let request = pb::AuthUserAddRequest { name, hashed_password, ..Default::default() };
            to.auth_user_add = Some(request);
        }
        "user-pass" => {
            let (name, hashed_password) = (word(0), "bmV3".to_owned());
            let password = String::new();
            let request = pb::AuthUserChangePasswordRequest { name, password, hashed_password };
            to.auth_user_change_password = Some(request);
        }
        "user-del" => to.auth_user_delete = Some(pb::AuthUserDeleteRequest { name: word(0) }),
        "user-get" => to.auth_user_get = Some(pb::AuthUserGetRequest { name: word(0) }),
        "user-list" => to.auth_user_list = Some(pb::AuthUserListRequest {}),
        "user-grant" => {
            let (user, role) = (word(0), word(1));
            to.auth_user_grant_role = Some(pb::AuthUserGrantRoleRequest { user, role });
        }
        "user-revoke" => {
            let (name, role) = (word(0), word(1));
            to.auth_user_revoke_role = Some(pb::AuthUserRevokeRoleRequest { name, role });
        }
        "role-add" => to.auth_role_add = Some(pb::AuthRoleAddRequest { name: word(0) }),
        "role-del" => to.auth_role_delete = Some(pb::AuthRoleDeleteRequest { role: word(0) }),
        "role-get" => to.auth_role_get = Some(pb::AuthRoleGetRequest { role: word(0) }),
        "role-list" => to.auth_role_list = Some(pb::AuthRoleListRequest {}),
        "role-grant" => {
            let perm_type = words[1].parse().expect("a number");
            let perm = Some(Permission { perm_type, key: bytes(2), range_end: bytes(3) });
            let name = word(0);
            to.auth_role_grant_permission = Some(pb::AuthRoleGrantPermissionRequest { name, perm });
        }
        "role-revoke" => {
            let (role, key, range_end) = (word(0), bytes(1), bytes(2));
            let request = pb::AuthRoleRevokePermissionRequest { role, key, range_end };
            to.auth_role_revoke_permission = Some(request);
        }
        other => panic!("no such entry: {other}"),
    }
}

/// `COMPARE .. ? OP ; OP : OP ; OP`
pub(super) fn txn(text: &str) -> TxnRequest {
    let mut words = text.split_whitespace().peekable();
    parse_txn(&mut words)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn parse_txn(words: &mut Words<'_>) -> TxnRequest {
    let mut txn = TxnRequest::default();
    while let Some(word) = words.next_if(|word| *word != "?") {
        txn.compare.push(compare(word));
    }
    assert_eq!(words.next(), Some("?"));
    txn.success = parse_ops(words);
    if words.next_if_eq(&":").is_some() {
        txn.failure = parse_ops(words);
    }
    txn
}

fn parse_ops(words: &mut Words<'_>) -> Vec<RequestOp> {
    let mut ops = Vec::new();
    while words.peek().is_some_and(|word| ![":", ")"].contains(word)) {
        ops.push(RequestOp { request: Some(parse_op(words)) });
        words.next_if_eq(&";");
    }
    ops
}

fn parse_op(words: &mut Words<'_>) -> Request {
    let name = words.next().expect("an operation");
    if name == "(" {
        let nested = parse_txn(words);
        assert_eq!(words.next(), Some(")"));
        return Request::RequestTxn(nested);
    }
    let mut of_op = Vec::new();
    while let Some(word) = words.next_if(|word| ![";", ":", ")"].contains(word)) {
        of_op.push(word);
    }
    match name {
        "put" => Request::RequestPut(put(&of_op)),
        "del" => Request::RequestDeleteRange(delete(&of_op)),
        "get" => Request::RequestRange(range(&of_op)),
        other => panic!("no such operation: {other}"),
    }
}

/// `target(key[,end])OPERANDvalue`
fn compare(word: &str) -> pb::Compare {
    let (target, rest) = word.split_once('(').expect("target(key)");
    let (keys, rest) = rest.split_once(')').expect("target(key)");
    let (key, end) = keys.split_once(',').unwrap_or((keys, ""));
    let results = [
        ("!=", CompareResult::NotEqual),
        ("=", CompareResult::Equal),
        ("<", CompareResult::Less),
        (">", CompareResult::Greater),
    ];
    let (result, operand) = results
        .iter()
        .find_map(|(sign, result)| Some((*result, rest.strip_prefix(sign)?)))
        .expect("a sign");
    let number = || operand.parse().expect("a number");
    let (target, union) = match target {
        "version" => (CompareTarget::Version, TargetUnion::Version(number())),
        "create" => (CompareTarget::Create, TargetUnion::CreateRevision(number())),
        "mod" => (CompareTarget::Mod, TargetUnion::ModRevision(number())),
        "lease" => (CompareTarget::Lease, TargetUnion::Lease(number())),
        "value" => (CompareTarget::Value, TargetUnion::Value(bytes(operand))),
        other => panic!("no such target: {other}"),
    };
    pb::Compare {
        result: result as i32,
        target: target as i32,
        key: bytes(key),
        range_end: bytes(end),
        target_union: Some(union),
    }
}

fn put(words: &[&str]) -> pb::PutRequest {
    let is_option = |word: &str| word.contains('=') || word.starts_with("ignore") || word == "prev";
    let value = words.get(1).filter(|word| !is_option(word)).copied().unwrap_or_default();
    pb::PutRequest {
        key: bytes(words[0]),
        value: bytes(value),
        lease: option(words, "lease").map_or(0, |text| text.parse().expect("a number")),
        prev_kv: words.contains(&"prev"),
        ignore_value: words.contains(&"ignore-value"),
        ignore_lease: words.contains(&"ignore-lease"),
    }
}

fn delete(words: &[&str]) -> pb::DeleteRangeRequest {
    let range_end = bytes(option(words, "end").unwrap_or_default());
    pb::DeleteRangeRequest { key: bytes(words[0]), range_end, prev_kv: words.contains(&"prev") }
}

fn range(words: &[&str]) -> pb::RangeRequest {
    pb::RangeRequest {
        key: bytes(words[0]),
        range_end: bytes(option(words, "end").unwrap_or_default()),
        revision: option(words, "rev").map_or(0, |text| text.parse().expect("a number")),
        ..Default::default()
    }
}

fn alarm(words: &[&str]) -> pb::AlarmRequest {
    let place = |names: &[&str], word: &str| {
        names.iter().position(|name| *name == word).expect("a name") as i32
    };
    pb::AlarmRequest {
        action: place(&["get", "on", "off"], words[0]),
        alarm: place(&["all", "nospace", "corrupt"], words[1]),
        member_id: words.get(2).map_or(0, |id| id.parse().expect("a number")),
    }
}

fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// `\0` is the byte.
fn bytes(text: &str) -> Bytes {
    Bytes::from(text.replace("\\0", "\0"))
}
