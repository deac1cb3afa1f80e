//! What the audit log is told of each request. A request without an entry does not compile; what
//! is secret (values, passwords, hashes) is in none.

use ketch_proto::authpb::permission::Type;
use ketch_proto::etcdserverpb as pb;
use ketch_proto::etcdserverpb::alarm_request::AlarmAction;
use ketch_proto::etcdserverpb::downgrade_request::DowngradeAction;
use ketch_proto::etcdserverpb::request_op::Request as Operation;
use ketch_proto::{v3electionpb, v3lockpb};

use crate::ports::{About, Fact, Op};

/// A request as the audit log tells it.
pub(super) trait Told: Sync {
    /// What it is about.
    fn about(&self) -> About;
}

macro_rules! told {
    ($($message:path $(=> |$request:ident| $about:expr)?,)*) => {
        $(impl Told for $message {
            fn about(&self) -> About {
                told!(@ self $($request, $about)?)
            }
        })*
    };
    (@ $this:ident) => { About::default() };
    (@ $this:ident $request:ident, $about:expr) => {{ let $request = $this; $about }};
}

told! {
    pb::RangeRequest => |asked| keys(&asked.key, &asked.range_end),
    pb::PutRequest => |asked| About::one(put(Op::Call, asked)),
    pb::DeleteRangeRequest => |asked| keys(&asked.key, &asked.range_end),
    pb::TxnRequest => |asked| txn(asked),
    pb::CompactionRequest => |asked| About::one(Fact::Revision(asked.revision)),
    pb::WatchCreateRequest => |asked| watch(asked),
    pb::LeaseGrantRequest => |asked| lease(asked.id),
    pb::LeaseRevokeRequest => |asked| lease(asked.id),
    pb::LeaseKeepAliveRequest => |asked| lease(asked.id),
    pb::LeaseTimeToLiveRequest => |asked| lease(asked.id),
    pb::LeaseLeasesRequest,
    pb::MemberAddRequest => |asked| member_add(asked),
    pb::MemberRemoveRequest => |asked| About::one(Fact::Member(asked.id)),
    pb::MemberUpdateRequest => |asked| urls(About::one(Fact::Member(asked.id)), &asked.peer_ur_ls),
    pb::MemberListRequest,
    pb::MemberPromoteRequest => |asked| About::one(Fact::Member(asked.id)),
    pb::AlarmRequest => |asked| alarm(asked),
    pb::StatusRequest,
    pb::DefragmentRequest,
    pb::HashRequest,
    pb::HashKvRequest => |asked| About::one(Fact::Revision(asked.revision)),
    pb::SnapshotRequest,
    pb::MoveLeaderRequest => |asked| About::one(Fact::Member(asked.target_id)),
    pb::DowngradeRequest => |asked| downgrade(asked),
    pb::AuthEnableRequest,
    pb::AuthDisableRequest,
    pb::AuthStatusRequest,
    pb::AuthenticateRequest => |asked| user(&asked.name),
    pb::AuthUserAddRequest => |asked| user(&asked.name),
    pb::AuthUserGetRequest => |asked| user(&asked.name),
    pb::AuthUserListRequest,
    pb::AuthUserDeleteRequest => |asked| user(&asked.name),
    pb::AuthUserChangePasswordRequest => |asked| user(&asked.name),
    pb::AuthUserGrantRoleRequest => |asked| user(&asked.user).and(Fact::Role(asked.role.clone())),
    pb::AuthUserRevokeRoleRequest => |asked| user(&asked.name).and(Fact::Role(asked.role.clone())),
    pb::AuthRoleAddRequest => |asked| role(&asked.name),
    pb::AuthRoleGetRequest => |asked| role(&asked.role),
    pb::AuthRoleListRequest,
    pb::AuthRoleDeleteRequest => |asked| role(&asked.role),
    pb::AuthRoleGrantPermissionRequest => |asked| permission(asked),
    pb::AuthRoleRevokePermissionRequest => |asked| {
        role(&asked.role).and(range(Op::Call, &asked.key, &asked.range_end))
    },
    v3lockpb::LockRequest => |asked| About::one(held(&asked.name, asked.lease)),
    v3lockpb::UnlockRequest => |asked| About::one(held(&asked.key, 0)),
    v3electionpb::CampaignRequest => |asked| About::one(held(&asked.name, asked.lease)),
    v3electionpb::ProclaimRequest => |asked| leader(asked.leader.as_ref()),
    v3electionpb::ResignRequest => |asked| leader(asked.leader.as_ref()),
    v3electionpb::LeaderRequest => |asked| About::one(held(&asked.name, 0)),
}

type Key = bytes::Bytes;

fn range(op: Op, key: &Key, end: &Key) -> Fact {
    Fact::Range { op, key: key.clone(), end: end.clone(), lease: 0 }
}

fn keys(key: &Key, end: &Key) -> About {
    About::one(range(Op::Call, key, end))
}

fn put(op: Op, asked: &pb::PutRequest) -> Fact {
    Fact::Range { op, key: asked.key.clone(), end: Key::new(), lease: asked.lease }
}

/// A name that is held as long as a lease lives.
fn held(name: &Key, lease: i64) -> Fact {
    Fact::Range { op: Op::Call, key: name.clone(), end: Key::new(), lease }
}

fn leader(key: Option<&v3electionpb::LeaderKey>) -> About {
    key.map_or_else(About::default, |leader| About::one(held(&leader.key, leader.lease)))
}

fn txn(asked: &pb::TxnRequest) -> About {
    let mut about = About::default();
    all_of(asked, &mut about);
    about
}

/// Both branches: which one is taken is known to nobody yet. As deep as messages may nest;
/// what would not be kept is not looked at.
fn all_of(asked: &pb::TxnRequest, about: &mut About) {
    for compare in &asked.compare {
        if about.is_cut() {
            return;
        }
        about.push(range(Op::Compare, &compare.key, &compare.range_end));
    }
    for operation in asked.success.iter().chain(&asked.failure) {
        if about.is_cut() {
            return;
        }
        match &operation.request {
            Some(Operation::RequestRange(asked)) => {
                about.push(range(Op::Range, &asked.key, &asked.range_end));
            }
            Some(Operation::RequestPut(asked)) => about.push(put(Op::Put, asked)),
            Some(Operation::RequestDeleteRange(asked)) => {
                about.push(range(Op::Delete, &asked.key, &asked.range_end));
            }
            Some(Operation::RequestTxn(asked)) => all_of(asked, about),
            None => {}
        }
    }
}

fn watch(asked: &pb::WatchCreateRequest) -> About {
    let about = About::one(range(Op::Call, &asked.key, &asked.range_end));
    match asked.start_revision {
        0 => about,
        revision => about.and(Fact::Revision(revision)),
    }
}

/// Id 0 lets the server choose: see [`super::lease`].
fn lease(id: i64) -> About {
    if id == 0 { About::default() } else { About::one(Fact::Lease(id)) }
}

fn member_add(asked: &pb::MemberAddRequest) -> About {
    let about = urls(About::default(), &asked.peer_ur_ls);
    if asked.is_learner { about.and(Fact::Action("learner")) } else { about }
}

fn urls(mut about: About, urls: &[String]) -> About {
    for url in urls {
        about.push(Fact::Url(without_user(url)));
    }
    about
}

/// A URL may carry a password before its host.
fn without_user(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    match (scheme, rest.rsplit_once('@')) {
        (_, None) => url.to_owned(),
        ("", Some((_, host))) => host.to_owned(),
        (scheme, Some((_, host))) => format!("{scheme}://{host}"),
    }
}

fn alarm(asked: &pb::AlarmRequest) -> About {
    let action = match asked.action() {
        AlarmAction::Get => "get",
        AlarmAction::Activate => "activate",
        AlarmAction::Deactivate => "deactivate",
    };
    let alarm = match asked.alarm() {
        pb::AlarmType::None => "NONE",
        pb::AlarmType::Nospace => "NOSPACE",
        pb::AlarmType::Corrupt => "CORRUPT",
    };
    let about = About::one(Fact::Action(action)).and(Fact::Alarm(alarm));
    if asked.member_id == 0 { about } else { about.and(Fact::Member(asked.member_id)) }
}

fn downgrade(asked: &pb::DowngradeRequest) -> About {
    let action = match asked.action() {
        DowngradeAction::Validate => "validate",
        DowngradeAction::Enable => "enable",
        DowngradeAction::Cancel => "cancel",
    };
    About::one(Fact::Action(action)).and(Fact::Version(asked.version.clone()))
}

fn user(name: &str) -> About {
    About::one(Fact::User(name.to_owned()))
}

fn role(name: &str) -> About {
    About::one(Fact::Role(name.to_owned()))
}

fn permission(asked: &pb::AuthRoleGrantPermissionRequest) -> About {
    let about = role(&asked.name);
    let Some(permission) = &asked.perm else { return about };
    let op = match permission.perm_type() {
        Type::Read => Op::Read,
        Type::Write => Op::Write,
        Type::Readwrite => Op::ReadWrite,
    };
    about.and(range(op, &permission.key, &permission.range_end))
}
