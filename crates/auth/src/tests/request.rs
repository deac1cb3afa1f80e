//! Requests as words.

use bytes::Bytes;
use ketch_proto::etcdserverpb as pb;
use ketch_proto::etcdserverpb::request_op::Request as Op;

use crate::gate::Request;

/// A parsed request, which owns what the gate borrows.
pub(super) enum Call {
    Op(Op),
    Stream(pb::RangeRequest),
    Watch(pb::WatchCreateRequest),
    Revoke(pb::LeaseRevokeRequest),
    KeepAlive(pb::LeaseKeepAliveRequest),
    TimeToLive(pb::LeaseTimeToLiveRequest),
    Alarm(pb::AlarmRequest),
    UserGet(pb::AuthUserGetRequest),
    RoleGet(pb::AuthRoleGetRequest),
    Plain(Request<'static>),
}

/// `KEY` or `KEY..END`; a star is byte 0, a dash the empty key.
pub(super) fn keys(word: &str) -> (Bytes, Bytes) {
    let bytes = |text: &str| -> Bytes { text.replace('-', "").replace('*', "\0").into() };
    let (key, end) = word.split_once("..").unwrap_or((word, ""));
    (bytes(key), bytes(end))
}

impl Call {
    pub(super) fn parse(words: &[&str]) -> Self {
        let number = |word: &str| word.parse().expect("a number");
        match *words {
            ["txn", ref rest @ ..] => {
                let mut rest = rest.iter().copied();
                Self::Op(Op::RequestTxn(txn(&mut rest)))
            }
            ["stream", range] => {
                let (key, range_end) = keys(range);
                Self::Stream(pb::RangeRequest { key, range_end, ..Default::default() })
            }
            ["watch", range] => {
                let (key, range_end) = keys(range);
                Self::Watch(pb::WatchCreateRequest { key, range_end, ..Default::default() })
            }
            ["revoke", id] => Self::Revoke(pb::LeaseRevokeRequest { id: number(id) }),
            ["keepalive", id] => Self::KeepAlive(pb::LeaseKeepAliveRequest { id: number(id) }),
            ["ttl", id, ref rest @ ..] => {
                let keys = rest == ["keys"];
                Self::TimeToLive(pb::LeaseTimeToLiveRequest { id: number(id), keys })
            }
            ["alarm", action] => {
                let action = ["get", "on", "off"].iter().position(|name| *name == action);
                let action = i32::try_from(action.expect("an action")).expect("small");
                Self::Alarm(pb::AlarmRequest { action, alarm: 1, member_id: 1 })
            }
            ["user-get", name] => {
                let name = name.trim_matches('"').to_owned();
                Self::UserGet(pb::AuthUserGetRequest { name })
            }
            ["role-get", role] => Self::RoleGet(pb::AuthRoleGetRequest { role: role.to_owned() }),
            [word] => plain(word).map_or_else(|| Self::Op(op(word)), Self::Plain),
            _ => panic!("{words:?}"),
        }
    }

    pub(super) fn request(&self) -> Request<'_> {
        match self {
            Self::Op(Op::RequestRange(range)) => Request::Range(range),
            Self::Op(Op::RequestPut(put)) => Request::Put(put),
            Self::Op(Op::RequestDeleteRange(delete)) => Request::DeleteRange(delete),
            Self::Op(Op::RequestTxn(txn)) => Request::Txn(txn),
            Self::Stream(range) => Request::RangeStream(range),
            Self::Watch(watch) => Request::WatchCreate(watch),
            Self::Revoke(revoke) => Request::LeaseRevoke(revoke),
            Self::KeepAlive(keep) => Request::LeaseKeepAlive(keep),
            Self::TimeToLive(asked) => Request::LeaseTimeToLive(asked),
            Self::Alarm(alarm) => Request::Alarm(alarm),
            Self::UserGet(user) => Request::UserGet(user),
            Self::RoleGet(role) => Request::RoleGet(role),
            Self::Plain(request) => *request,
        }
    }
}

fn plain(word: &str) -> Option<Request<'static>> {
    Some(match word {
        "compact" => Request::Compact,
        "grant" => Request::LeaseGrant,
        "leases" => Request::LeaseLeases,
        "member-add" => Request::MemberAdd,
        "member-remove" => Request::MemberRemove,
        "member-update" => Request::MemberUpdate,
        "member-promote" => Request::MemberPromote,
        "member-list" => Request::MemberList,
        "status" => Request::Status,
        "defragment" => Request::Defragment,
        "hash" => Request::Hash,
        "hash-kv" => Request::HashKv,
        "snapshot" => Request::Snapshot,
        "move-leader" => Request::MoveLeader,
        "downgrade" => Request::Downgrade,
        "auth-enable" => Request::AuthEnable,
        "auth-status" => Request::AuthStatus,
        "user-list" => Request::UserList,
        "user-add" => Request::UserAdd,
        "role-list" => Request::RoleList,
        "role-add" => Request::RoleAdd,
        "internal" => Request::Internal,
        _ => return None,
    })
}

/// Up to the closing bracket or the end.
fn txn<'a>(words: &mut impl Iterator<Item = &'a str>) -> pb::TxnRequest {
    let mut request = pb::TxnRequest::default();
    let mut success = true;
    while let Some(word) = words.next() {
        let op = match word {
            ")" => break,
            "|" => {
                success = false;
                continue;
            }
            "(" => Op::RequestTxn(txn(words)),
            word => match word.strip_prefix("if:") {
                Some(range) => {
                    let (key, range_end) = keys(range);
                    request.compare.push(pb::Compare { key, range_end, ..Default::default() });
                    continue;
                }
                None => op(word),
            },
        };
        let branch = if success { &mut request.success } else { &mut request.failure };
        branch.push(pb::RequestOp { request: Some(op) });
    }
    request
}

fn op(word: &str) -> Op {
    let (name, rest) = word.split_once(':').expect("an operation");
    let mut rest = rest.split('+');
    let (key, range_end) = keys(rest.next().expect("keys"));
    let (mut prev_kv, mut lease) = (false, 0);
    for option in rest {
        match option.split_once('=') {
            Some(("lease", id)) => lease = id.parse().expect("a lease"),
            _ => prev_kv = option == "prev",
        }
    }
    match name {
        "get" => Op::RequestRange(pb::RangeRequest { key, range_end, ..Default::default() }),
        "put" => Op::RequestPut(pb::PutRequest { key, lease, prev_kv, ..Default::default() }),
        "del" => Op::RequestDeleteRange(pb::DeleteRangeRequest { key, range_end, prev_kv }),
        _ => panic!("{word}"),
    }
}
