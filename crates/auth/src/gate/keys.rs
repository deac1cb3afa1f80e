//! Which keys a request touches, and how: through transactions, leases and previous values.

use bytes::Bytes;
use ketch_base::planted::{self, Bug};
use ketch_base::{Code, KeyRange};
use ketch_proto::etcdserverpb::request_op::Request as Op;
use ketch_proto::etcdserverpb::{DeleteRangeRequest, PutRequest, RequestOp, TxnRequest};

use super::{Request, root};
use crate::Caller;
use crate::permissions::Access;
use crate::state::State;

/// What the gate must know of leases.
pub trait Leases {
    /// The keys attached to a lease; none for a lease that does not exist.
    fn keys(&self, lease: i64) -> Vec<Bytes>;
    /// The keys attached to any lease.
    fn all_keys(&self) -> Vec<Bytes>;
}

/// For where there are no leases.
#[derive(Clone, Copy, Debug)]
pub struct NoLeases;

impl Leases for NoLeases {
    fn keys(&self, _lease: i64) -> Vec<Bytes> {
        Vec::new()
    }

    fn all_keys(&self) -> Vec<Bytes> {
        Vec::new()
    }
}

/// One caller before one state.
pub(super) struct Keys<'a> {
    pub(super) state: &'a State,
    pub(super) caller: &'a Caller,
    pub(super) leases: &'a dyn Leases,
}

impl Keys<'_> {
    pub(super) fn of(&self, request: &Request<'_>) -> Result<(), Code> {
        match *request {
            Request::Range(range) | Request::RangeStream(range) => {
                self.may(Access::Read, &range.key, &range.range_end)
            }
            Request::Put(put) => self.put(put),
            Request::DeleteRange(delete) => self.delete_range(delete),
            Request::Txn(txn) => self.txn(txn),
            // An empty key is the first key there can be.
            Request::WatchCreate(watch) if watch.key.is_empty() => {
                self.may(Access::Read, &Bytes::from_static(&[0]), &watch.range_end)
            }
            Request::WatchCreate(watch) => self.may(Access::Read, &watch.key, &watch.range_end),
            Request::LeaseRevoke(revoke) => {
                self.attached(Access::Write, || self.leases.keys(revoke.id))
            }
            Request::LeaseKeepAlive(keep) => {
                self.attached(Access::Write, || self.leases.keys(keep.id))
            }
            Request::LeaseTimeToLive(asked) if asked.keys => {
                self.attached(Access::Read, || self.leases.keys(asked.id))
            }
            Request::LeaseLeases => self.attached(Access::Read, || self.leases.all_keys()),
            Request::LeaseTimeToLive(_) | Request::LeaseGrant => Ok(()),
            Request::Compact | Request::WatchCancel | Request::WatchProgress => Ok(()),
            Request::MemberAdd | Request::MemberRemove | Request::MemberUpdate => Ok(()),
            Request::MemberPromote | Request::MemberList | Request::Alarm(_) => Ok(()),
            Request::Status | Request::Defragment | Request::Hash | Request::HashKv => Ok(()),
            Request::Snapshot | Request::MoveLeader | Request::Downgrade => Ok(()),
            Request::AuthEnable | Request::AuthDisable | Request::AuthStatus => Ok(()),
            Request::Authenticate | Request::UserAdd | Request::UserGet(_) => Ok(()),
            Request::UserList | Request::UserDelete | Request::UserChangePassword => Ok(()),
            Request::UserGrantRole | Request::UserRevokeRole | Request::RoleAdd => Ok(()),
            Request::RoleGet(_) | Request::RoleList | Request::RoleDelete => Ok(()),
            Request::RoleGrantPermission | Request::RoleRevokePermission => Ok(()),
            Request::Lock | Request::Unlock | Request::Campaign | Request::Proclaim => Ok(()),
            Request::Leader | Request::Observe | Request::Resign => Ok(()),
            Request::HealthCheck | Request::HealthList | Request::HealthWatch => Ok(()),
            Request::Reflection | Request::Internal => Ok(()),
        }
    }

    /// Both branches count, taken or not.
    fn txn(&self, txn: &TxnRequest) -> Result<(), Code> {
        for compare in &txn.compare {
            self.may(Access::Read, &compare.key, &compare.range_end)?;
        }
        txn.success.iter().chain(&txn.failure).try_for_each(|op| self.op(op))
    }

    fn op(&self, op: &RequestOp) -> Result<(), Code> {
        match &op.request {
            Some(Op::RequestRange(range)) => self.of(&Request::Range(range)),
            Some(Op::RequestPut(put)) => self.of(&Request::Put(put)),
            Some(Op::RequestDeleteRange(delete)) => self.of(&Request::DeleteRange(delete)),
            Some(Op::RequestTxn(_)) if planted::is(Bug::NestedUnjudged) => Ok(()),
            Some(Op::RequestTxn(nested)) => self.of(&Request::Txn(nested)),
            None => Ok(()),
        }
    }

    /// Who attaches a key to a lease can have all its keys deleted by letting it expire.
    fn put(&self, put: &PutRequest) -> Result<(), Code> {
        let none = Bytes::new();
        self.may(Access::Write, &put.key, &none)?;
        if put.lease != 0 {
            self.attached(Access::Write, || self.leases.keys(put.lease))?;
        }
        if put.prev_kv { self.may(Access::Read, &put.key, &none) } else { Ok(()) }
    }

    fn delete_range(&self, delete: &DeleteRangeRequest) -> Result<(), Code> {
        self.may(Access::Write, &delete.key, &delete.range_end)?;
        if delete.prev_kv { self.may(Access::Read, &delete.key, &delete.range_end) } else { Ok(()) }
    }

    /// Root need not be asked about keys, nor be of the newest revision.
    fn attached(&self, access: Access, keys: impl FnOnce() -> Vec<Bytes>) -> Result<(), Code> {
        if root(self.state, &self.caller.user).is_ok() {
            return Ok(());
        }
        let none = Bytes::new();
        keys().iter().try_for_each(|key| self.may(access, key, &none))
    }

    fn may(&self, access: Access, key: &Bytes, range_end: &Bytes) -> Result<(), Code> {
        if self.caller.revision == 0 {
            return Err(Code::UserEmpty);
        }
        if self.caller.revision < self.state.revision && !planted::is(Bug::OldAuthRevision) {
            return Err(Code::AuthOldRevision);
        }
        let user = self.state.user(&self.caller.user).ok_or(Code::PermissionDenied)?;
        let range = || KeyRange::new(key.clone(), range_end.clone());
        let allowed = user.is_root() || user.permissions.allow(access, &range());
        if allowed { Ok(()) } else { Err(Code::PermissionDenied) }
    }
}
