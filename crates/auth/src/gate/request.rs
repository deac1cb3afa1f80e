//! Every request there is, and what it needs. No list here has a default arm.

use ketch_proto::etcdserverpb::alarm_request::AlarmAction;
use ketch_proto::etcdserverpb::{
    AlarmRequest, AuthRoleGetRequest, AuthUserGetRequest, DeleteRangeRequest,
    LeaseKeepAliveRequest, LeaseRevokeRequest, LeaseTimeToLiveRequest, PutRequest, RangeRequest,
    TxnRequest, WatchCreateRequest,
};

use super::Need;

/// A request as the gate sees it: with its content where the rule depends on it.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are those of the calls")]
pub enum Request<'a> {
    Range(&'a RangeRequest),
    RangeStream(&'a RangeRequest),
    Put(&'a PutRequest),
    DeleteRange(&'a DeleteRangeRequest),
    Txn(&'a TxnRequest),
    Compact,
    WatchCreate(&'a WatchCreateRequest),
    /// Of a watch that this stream has.
    WatchCancel,
    WatchProgress,
    LeaseGrant,
    LeaseRevoke(&'a LeaseRevokeRequest),
    LeaseKeepAlive(&'a LeaseKeepAliveRequest),
    LeaseTimeToLive(&'a LeaseTimeToLiveRequest),
    LeaseLeases,
    MemberAdd,
    MemberRemove,
    MemberUpdate,
    MemberPromote,
    MemberList,
    Alarm(&'a AlarmRequest),
    Status,
    Defragment,
    Hash,
    HashKv,
    Snapshot,
    MoveLeader,
    Downgrade,
    AuthEnable,
    AuthDisable,
    AuthStatus,
    Authenticate,
    UserAdd,
    UserGet(&'a AuthUserGetRequest),
    UserList,
    UserDelete,
    UserChangePassword,
    UserGrantRole,
    UserRevokeRole,
    RoleAdd,
    RoleGet(&'a AuthRoleGetRequest),
    RoleList,
    RoleDelete,
    RoleGrantPermission,
    RoleRevokePermission,
    /// Locks and elections, and whatever else is made of other requests: each of those has to
    /// come through the gate.
    Lock,
    Unlock,
    Campaign,
    Proclaim,
    Leader,
    Observe,
    Resign,
    HealthCheck,
    HealthList,
    HealthWatch,
    Reflection,
    /// What members tell each other through the log: versions, attributes, lease checkpoints.
    Internal,
}

impl<'a> Request<'a> {
    pub(super) fn need(&self) -> Need<'a> {
        match *self {
            // Keys decide, and they know nobody too.
            Self::Range(_) | Self::RangeStream(_) | Self::Put(_) | Self::DeleteRange(_) => {
                Need::Nothing
            }
            Self::Txn(_) | Self::WatchCreate(_) => Need::Nothing,
            Self::WatchCancel | Self::WatchProgress => Need::Nothing,
            Self::LeaseGrant | Self::LeaseRevoke(_) | Self::LeaseKeepAlive(_) => Need::Login,
            Self::LeaseTimeToLive(_) | Self::LeaseLeases => Need::Login,
            Self::MemberAdd | Self::MemberRemove | Self::MemberUpdate => Need::Root,
            Self::MemberPromote => Need::Root,
            Self::MemberList | Self::Status => Need::Login,
            Self::Alarm(alarm) if alarm.action == AlarmAction::Get as i32 => Need::Login,
            Self::Alarm(_) | Self::Compact | Self::Defragment => Need::Root,
            Self::Hash | Self::HashKv | Self::Snapshot => Need::Root,
            Self::MoveLeader | Self::Downgrade => Need::Root,
            Self::AuthStatus | Self::Authenticate => Need::Nothing,
            Self::AuthEnable | Self::AuthDisable => Need::Root,
            Self::UserGet(user) => Need::RootOrUser(&user.name),
            Self::RoleGet(role) => Need::RootOrRole(&role.role),
            Self::UserAdd | Self::UserList | Self::UserDelete => Need::Root,
            Self::UserChangePassword | Self::UserGrantRole | Self::UserRevokeRole => Need::Root,
            Self::RoleAdd | Self::RoleList | Self::RoleDelete => Need::Root,
            Self::RoleGrantPermission | Self::RoleRevokePermission => Need::Root,
            Self::Lock | Self::Unlock => Need::Nothing,
            Self::Campaign | Self::Proclaim | Self::Leader => Need::Nothing,
            Self::Observe | Self::Resign => Need::Nothing,
            Self::HealthCheck | Self::HealthList | Self::HealthWatch => Need::Nothing,
            Self::Reflection | Self::Internal => Need::Nothing,
        }
    }

    /// Whether its need is judged at apply too, and for most only there: etcd does so for users
    /// and roles. The others are made by members as well, who are nobody.
    pub(super) fn is_of_auth(&self) -> bool {
        match self {
            Self::AuthEnable | Self::AuthDisable | Self::AuthStatus | Self::Authenticate => true,
            Self::UserAdd | Self::UserGet(_) | Self::UserList | Self::UserDelete => true,
            Self::UserChangePassword | Self::UserGrantRole | Self::UserRevokeRole => true,
            Self::RoleAdd | Self::RoleGet(_) | Self::RoleList | Self::RoleDelete => true,
            Self::RoleGrantPermission | Self::RoleRevokePermission => true,
            Self::Range(_) | Self::RangeStream(_) | Self::Put(_) | Self::DeleteRange(_) => false,
            Self::Txn(_) | Self::Compact => false,
            Self::WatchCreate(_) | Self::WatchCancel | Self::WatchProgress => false,
            Self::LeaseGrant | Self::LeaseRevoke(_) | Self::LeaseKeepAlive(_) => false,
            Self::LeaseTimeToLive(_) | Self::LeaseLeases => false,
            Self::MemberAdd | Self::MemberRemove | Self::MemberUpdate => false,
            Self::MemberPromote | Self::MemberList | Self::Alarm(_) => false,
            Self::Status | Self::Defragment | Self::Hash | Self::HashKv => false,
            Self::Snapshot | Self::MoveLeader | Self::Downgrade => false,
            Self::Lock | Self::Unlock | Self::Campaign | Self::Proclaim => false,
            Self::Leader | Self::Observe | Self::Resign => false,
            Self::HealthCheck | Self::HealthList | Self::HealthWatch => false,
            Self::Reflection | Self::Internal => false,
        }
    }
}
