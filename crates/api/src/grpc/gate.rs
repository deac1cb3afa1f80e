//! What each call asks of the gate. No list here has a default arm: a method without an entry
//! does not compile.

use ketch_auth::gate::Request as Asked;
use ketch_base::Code;
use ketch_proto::etcdserverpb as pb;

use super::told::Told;
use crate::method::Method;
use crate::ports::{Auth, Credentials, Pass};

/// What decides about a call.
enum Entry {
    /// The method alone.
    Always(Asked<'static>),
    /// What is in its message, or in each of its messages.
    Content,
    /// It is made of other requests, each of which comes through the gate by itself; or it tells
    /// nothing of anybody's.
    Parts,
}

fn entry(method: Method) -> Entry {
    match method {
        Method::Range | Method::RangeStream | Method::Put | Method::DeleteRange => Entry::Content,
        Method::Txn | Method::Watch => Entry::Content,
        Method::Compact => Entry::Always(Asked::Compact),
        Method::LeaseGrant => Entry::Always(Asked::LeaseGrant),
        Method::LeaseRevoke | Method::LeaseKeepAlive => Entry::Content,
        Method::LeaseTimeToLive => Entry::Content,
        Method::LeaseLeases => Entry::Always(Asked::LeaseLeases),
        Method::MemberAdd => Entry::Always(Asked::MemberAdd),
        Method::MemberRemove => Entry::Always(Asked::MemberRemove),
        Method::MemberUpdate => Entry::Always(Asked::MemberUpdate),
        Method::MemberList => Entry::Always(Asked::MemberList),
        Method::MemberPromote => Entry::Always(Asked::MemberPromote),
        Method::Alarm => Entry::Content,
        Method::Status => Entry::Always(Asked::Status),
        Method::Defragment => Entry::Always(Asked::Defragment),
        Method::Hash => Entry::Always(Asked::Hash),
        Method::HashKv => Entry::Always(Asked::HashKv),
        Method::Snapshot => Entry::Always(Asked::Snapshot),
        Method::MoveLeader => Entry::Always(Asked::MoveLeader),
        Method::Downgrade => Entry::Always(Asked::Downgrade),
        Method::AuthEnable => Entry::Always(Asked::AuthEnable),
        Method::AuthDisable => Entry::Always(Asked::AuthDisable),
        Method::AuthStatus => Entry::Always(Asked::AuthStatus),
        Method::Authenticate => Entry::Always(Asked::Authenticate),
        Method::UserAdd => Entry::Always(Asked::UserAdd),
        Method::UserGet => Entry::Content,
        Method::UserList => Entry::Always(Asked::UserList),
        Method::UserDelete => Entry::Always(Asked::UserDelete),
        Method::UserChangePassword => Entry::Always(Asked::UserChangePassword),
        Method::UserGrantRole => Entry::Always(Asked::UserGrantRole),
        Method::UserRevokeRole => Entry::Always(Asked::UserRevokeRole),
        Method::RoleAdd => Entry::Always(Asked::RoleAdd),
        Method::RoleGet => Entry::Content,
        Method::RoleList => Entry::Always(Asked::RoleList),
        Method::RoleDelete => Entry::Always(Asked::RoleDelete),
        Method::RoleGrantPermission => Entry::Always(Asked::RoleGrantPermission),
        Method::RoleRevokePermission => Entry::Always(Asked::RoleRevokePermission),
        Method::Lock | Method::Unlock => Entry::Parts,
        Method::Campaign | Method::Proclaim | Method::Leader => Entry::Parts,
        Method::Observe | Method::Resign => Entry::Parts,
        Method::HealthCheck | Method::HealthList | Method::HealthWatch => Entry::Parts,
    }
}

/// A message as the gate sees it. Each is told of in the audit log too.
pub(super) trait Content: Told {
    /// `None` where the method says all there is to say.
    fn content(&self) -> Option<Asked<'_>> {
        None
    }
}

macro_rules! content {
    ($($message:ident $(=> $asked:ident)?,)*) => {
        $(impl Content for pb::$message {
            $(fn content(&self) -> Option<Asked<'_>> {
                Some(Asked::$asked(self))
            })?
        })*
    };
}

content! {
    RangeRequest => Range,
    PutRequest => Put,
    DeleteRangeRequest => DeleteRange,
    TxnRequest => Txn,
    CompactionRequest,
    WatchCreateRequest => WatchCreate,
    LeaseGrantRequest,
    LeaseRevokeRequest => LeaseRevoke,
    LeaseKeepAliveRequest => LeaseKeepAlive,
    LeaseTimeToLiveRequest => LeaseTimeToLive,
    LeaseLeasesRequest,
    MemberAddRequest,
    MemberRemoveRequest,
    MemberUpdateRequest,
    MemberListRequest,
    MemberPromoteRequest,
    AlarmRequest => Alarm,
    StatusRequest,
    DefragmentRequest,
    HashRequest,
    HashKvRequest,
    SnapshotRequest,
    MoveLeaderRequest,
    DowngradeRequest,
    AuthEnableRequest,
    AuthDisableRequest,
    AuthStatusRequest,
    AuthenticateRequest,
    AuthUserAddRequest,
    AuthUserGetRequest => UserGet,
    AuthUserListRequest,
    AuthUserDeleteRequest,
    AuthUserChangePasswordRequest,
    AuthUserGrantRoleRequest,
    AuthUserRevokeRoleRequest,
    AuthRoleAddRequest,
    AuthRoleGetRequest => RoleGet,
    AuthRoleListRequest,
    AuthRoleDeleteRequest,
    AuthRoleGrantPermissionRequest,
    AuthRoleRevokePermissionRequest,
}

/// Puts a message before the gate; while authentication is off that costs one look.
pub(super) async fn pass<P: Auth, Q: Content>(
    ports: &P,
    credentials: &Credentials,
    method: Method,
    message: &Q,
) -> Result<Pass, Code> {
    if !ports.is_auth_enabled() {
        return Ok(Pass::FREE);
    }
    let asked = match entry(method) {
        Entry::Always(asked) => asked,
        // A message that says nothing where it should decides for no.
        Entry::Content => match (method, message.content()) {
            (Method::RangeStream, Some(Asked::Range(range))) => Asked::RangeStream(range),
            (_, asked) => asked.ok_or(Code::PermissionDenied)?,
        },
        Entry::Parts => return Ok(Pass::FREE),
    };
    Box::pin(ports.pass(credentials, asked)).await
}
