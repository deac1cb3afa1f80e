//! What applying one entry gives back.

use ketch_base::{Code, Index, RequestId, Term};
use ketch_mvcc::Committed;
use ketch_proto::etcdserverpb as pb;
use ketch_raft_proto::raftpb::{ConfChange, ConfState};

/// The outcome of one entry.
#[derive(Debug)]
pub struct Applied {
    /// Where the entry stood.
    pub index: Index,
    /// The term it was proposed in.
    pub term: Term,
    /// Who waits for the result, on the member that proposed it.
    pub request: Option<RequestId>,
    /// What was asked for, in the words of etcd's metrics; `unknown` for other entries.
    pub op: &'static str,
    /// The answer, or etcd's refusal. A refused entry changed nothing but the applied index, save
    /// [`Code::NoSpace`] with `over_quota`.
    pub result: Result<Answer, Code>,
    /// The revision made and its events; to be published before the answer leaves.
    pub committed: Option<Committed>,
    /// The configuration change to feed to Raft, refused or not.
    pub change: Option<Change>,
    /// The write was made though the quota is used up, as in etcd; the local member must now
    /// propose the no-space alarm.
    pub over_quota: bool,
}

/// A configuration change as Raft must see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The change; a refused one has node id 0, which changes nothing but must still be told.
    pub change: ConfChange,
    /// The configuration after it, as stored.
    pub conf_state: ConfState,
    /// This member was removed and must stop.
    pub removed_self: bool,
}

/// One answer. Headers carry only a revision, 0 where etcd leaves it to the edge; the edge adds
/// cluster, member and term, and the current revision for 0.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the responses")]
pub enum Answer {
    /// Nothing to say: an empty entry, or a setting of the cluster.
    Empty,
    /// The entry was applied before a restart.
    Skipped,
    Range(pb::RangeResponse),
    Put(pb::PutResponse),
    DeleteRange(pb::DeleteRangeResponse),
    Txn(pb::TxnResponse),
    Compaction(pb::CompactionResponse),
    LeaseGrant(pb::LeaseGrantResponse),
    LeaseRevoke(pb::LeaseRevokeResponse),
    LeaseCheckpoint(pb::LeaseCheckpointResponse),
    Alarm(pb::AlarmResponse),
    AuthEnable(pb::AuthEnableResponse),
    AuthDisable(pb::AuthDisableResponse),
    AuthStatus(pb::AuthStatusResponse),
    /// A login. The simple token is known to [`ketch_auth::AuthStore::tokens`] already; it is
    /// empty where the proposing member signs one, for this user at this auth revision.
    Authenticate {
        response: pb::AuthenticateResponse,
        user: String,
        revision: u64,
    },
    UserAdd(pb::AuthUserAddResponse),
    UserDelete(pb::AuthUserDeleteResponse),
    UserChangePassword(pb::AuthUserChangePasswordResponse),
    UserGrantRole(pb::AuthUserGrantRoleResponse),
    UserRevokeRole(pb::AuthUserRevokeRoleResponse),
    UserGet(pb::AuthUserGetResponse),
    UserList(pb::AuthUserListResponse),
    RoleAdd(pb::AuthRoleAddResponse),
    RoleDelete(pb::AuthRoleDeleteResponse),
    RoleGrantPermission(pb::AuthRoleGrantPermissionResponse),
    RoleRevokePermission(pb::AuthRoleRevokePermissionResponse),
    RoleGet(pb::AuthRoleGetResponse),
    RoleList(pb::AuthRoleListResponse),
    /// The members after a configuration change.
    Members(Vec<pb::Member>),
    /// A request that no release has made.
    Unimplemented,
}
