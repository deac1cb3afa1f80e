//! Requests about users and roles.

use bytes::Bytes;
use ketch_auth::gate::{self, Leases};
use ketch_auth::{Status, Tokens as _};
use ketch_backend::Batch;
use ketch_base::planted::{self, Bug};
use ketch_base::{Code, LeaseId};
use ketch_lease::Lessor;
use ketch_proto::etcdserverpb as pb;

use crate::answer::Answer;
use crate::kv::header;
use crate::machine::Machine;
use crate::request::OP_UNKNOWN;

/// The keys of leases, for the gate.
#[derive(Clone)]
pub struct LeaseKeys(pub Lessor);

impl Leases for LeaseKeys {
    fn keys(&self, lease: i64) -> Vec<Bytes> {
        if planted::is(Bug::JudgedLeaseBegins) {
            self.0.time_to_live(LeaseId(lease), 0, false);
        }
        self.0.keys(LeaseId(lease))
    }

    fn all_keys(&self) -> Vec<Bytes> {
        self.0.leases().into_iter().flat_map(|LeaseId(lease)| self.keys(lease)).collect()
    }
}

/// One of them.
#[derive(Debug)]
pub(crate) enum Request {
    Enable,
    Disable,
    Status,
    Authenticate(pb::InternalAuthenticateRequest),
    UserGet(pb::AuthUserGetRequest),
    UserList,
    RoleGet(pb::AuthRoleGetRequest),
    RoleList,
    Change(Change),
}

/// What changes users and roles.
#[derive(Debug)]
pub(crate) enum Change {
    UserAdd(pb::AuthUserAddRequest),
    UserDelete(pb::AuthUserDeleteRequest),
    UserChangePassword(pb::AuthUserChangePasswordRequest),
    UserGrantRole(pb::AuthUserGrantRoleRequest),
    UserRevokeRole(pb::AuthUserRevokeRoleRequest),
    RoleAdd(pb::AuthRoleAddRequest),
    RoleDelete(pb::AuthRoleDeleteRequest),
    RoleGrantPermission(pb::AuthRoleGrantPermissionRequest),
    RoleRevokePermission(pb::AuthRoleRevokePermissionRequest),
}

impl Request {
    /// Takes the one that the envelope holds, if any.
    pub(crate) fn take(from: &mut pb::InternalRaftRequest) -> Option<Self> {
        let whole = from.auth_enable.take().map(|_| Self::Enable);
        whole
            .or_else(|| from.auth_disable.take().map(|_| Self::Disable))
            .or_else(|| from.auth_status.take().map(|_| Self::Status))
            .or_else(|| from.authenticate.take().map(Self::Authenticate))
            .or_else(|| from.auth_user_get.take().map(Self::UserGet))
            .or_else(|| from.auth_user_list.take().map(|_| Self::UserList))
            .or_else(|| from.auth_role_get.take().map(Self::RoleGet))
            .or_else(|| from.auth_role_list.take().map(|_| Self::RoleList))
            .or_else(|| Change::take(from).map(Self::Change))
    }

    /// Its name in etcd's metrics.
    pub(crate) fn op(&self) -> &'static str {
        match self {
            Self::Enable => "AuthEnable",
            Self::Disable => "AuthDisable",
            Self::Status => OP_UNKNOWN,
            Self::Authenticate(_) => "Authenticate",
            Self::UserGet(_) => "AuthUserGet",
            Self::UserList => "AuthUserList",
            Self::RoleGet(_) => "AuthRoleGet",
            Self::RoleList => "AuthRoleList",
            Self::Change(change) => change.op(),
        }
    }

    /// As the gate knows it.
    pub(crate) fn judged(&self) -> gate::Request<'_> {
        match self {
            Self::Enable => gate::Request::AuthEnable,
            Self::Disable => gate::Request::AuthDisable,
            Self::Status => gate::Request::AuthStatus,
            Self::Authenticate(_) => gate::Request::Authenticate,
            Self::UserGet(asked) => gate::Request::UserGet(asked),
            Self::UserList => gate::Request::UserList,
            Self::RoleGet(asked) => gate::Request::RoleGet(asked),
            Self::RoleList => gate::Request::RoleList,
            Self::Change(change) => change.judged(),
        }
    }
}

impl Change {
    fn take(from: &mut pb::InternalRaftRequest) -> Option<Self> {
        let user_add = from.auth_user_add.take().map(Self::UserAdd);
        user_add
            .or_else(|| from.auth_user_delete.take().map(Self::UserDelete))
            .or_else(|| from.auth_user_change_password.take().map(Self::UserChangePassword))
            .or_else(|| from.auth_user_grant_role.take().map(Self::UserGrantRole))
            .or_else(|| from.auth_user_revoke_role.take().map(Self::UserRevokeRole))
            .or_else(|| from.auth_role_add.take().map(Self::RoleAdd))
            .or_else(|| from.auth_role_delete.take().map(Self::RoleDelete))
            .or_else(|| from.auth_role_grant_permission.take().map(Self::RoleGrantPermission))
            .or_else(|| from.auth_role_revoke_permission.take().map(Self::RoleRevokePermission))
    }

    fn op(&self) -> &'static str {
        match self {
            Self::UserAdd(_) => "AuthUserAdd",
            Self::UserDelete(_) => "AuthUserDelete",
            Self::UserChangePassword(_) => "AuthUserChangePassword",
            Self::UserGrantRole(_) => "AuthUserGrantRole",
            Self::UserRevokeRole(_) => "AuthUserRevokeRole",
            Self::RoleAdd(_) => "AuthRoleAdd",
            Self::RoleDelete(_) => "AuthRoleDelete",
            Self::RoleGrantPermission(_) => "AuthRoleGrantPermission",
            Self::RoleRevokePermission(_) => "AuthRoleRevokePermission",
        }
    }

    fn judged(&self) -> gate::Request<'static> {
        match self {
            Self::UserAdd(_) => gate::Request::UserAdd,
            Self::UserDelete(_) => gate::Request::UserDelete,
            Self::UserChangePassword(_) => gate::Request::UserChangePassword,
            Self::UserGrantRole(_) => gate::Request::UserGrantRole,
            Self::UserRevokeRole(_) => gate::Request::UserRevokeRole,
            Self::RoleAdd(_) => gate::Request::RoleAdd,
            Self::RoleDelete(_) => gate::Request::RoleDelete,
            Self::RoleGrantPermission(_) => gate::Request::RoleGrantPermission,
            Self::RoleRevokePermission(_) => gate::Request::RoleRevokePermission,
        }
    }
}

impl Machine {
    /// Whatever the gate let pass.
    pub(crate) fn authenticate(
        &mut self,
        request: &Request,
        batch: &mut Batch,
    ) -> Result<Answer, Code> {
        let header = header(self.store.revision());
        let auth = &self.auth;
        Ok(match request {
            Request::Enable => {
                auth.enable(batch)?;
                Answer::AuthEnable(pb::AuthEnableResponse { header })
            }
            Request::Disable => {
                auth.disable(batch);
                Answer::AuthDisable(pb::AuthDisableResponse { header })
            }
            Request::Status => {
                let Status { enabled, revision: auth_revision } = auth.status();
                Answer::AuthStatus(pb::AuthStatusResponse { header, enabled, auth_revision })
            }
            Request::Authenticate(login) => {
                let (token, revision) = auth.authenticate(login, self.applied.0)?;
                if planted::is(Bug::TokenOnOne) && self.config.local.0 != 1 {
                    auth.tokens().invalidate_user(&login.name);
                }
                let response = pb::AuthenticateResponse { header, token };
                Answer::Authenticate { response, user: login.name.clone(), revision }
            }
            Request::UserGet(asked) => {
                Answer::UserGet(pb::AuthUserGetResponse { header, ..auth.user_get(asked)? })
            }
            Request::UserList => {
                Answer::UserList(pb::AuthUserListResponse { header, ..auth.user_list() })
            }
            Request::RoleGet(asked) => {
                Answer::RoleGet(pb::AuthRoleGetResponse { header, ..auth.role_get(asked)? })
            }
            Request::RoleList => {
                Answer::RoleList(pb::AuthRoleListResponse { header, ..auth.role_list() })
            }
            Request::Change(change) => self.change_auth(change, header, batch)?,
        })
    }

    fn change_auth(
        &self,
        change: &Change,
        header: Option<pb::ResponseHeader>,
        batch: &mut Batch,
    ) -> Result<Answer, Code> {
        let auth = &self.auth;
        Ok(match change {
            Change::UserAdd(request) => {
                auth.user_add(request, batch)?;
                Answer::UserAdd(pb::AuthUserAddResponse { header })
            }
            Change::UserDelete(request) => {
                auth.user_delete(request, batch)?;
                Answer::UserDelete(pb::AuthUserDeleteResponse { header })
            }
            Change::UserChangePassword(request) => {
                auth.user_change_password(request, batch)?;
                Answer::UserChangePassword(pb::AuthUserChangePasswordResponse { header })
            }
            Change::UserGrantRole(request) => {
                auth.user_grant_role(request, batch)?;
                Answer::UserGrantRole(pb::AuthUserGrantRoleResponse { header })
            }
            Change::UserRevokeRole(request) => {
                auth.user_revoke_role(request, batch)?;
                Answer::UserRevokeRole(pb::AuthUserRevokeRoleResponse { header })
            }
            Change::RoleAdd(request) => {
                auth.role_add(request, batch)?;
                Answer::RoleAdd(pb::AuthRoleAddResponse { header })
            }
            Change::RoleDelete(request) => {
                auth.role_delete(request, batch)?;
                Answer::RoleDelete(pb::AuthRoleDeleteResponse { header })
            }
            Change::RoleGrantPermission(request) => {
                auth.role_grant_permission(request, batch)?;
                Answer::RoleGrantPermission(pb::AuthRoleGrantPermissionResponse { header })
            }
            Change::RoleRevokePermission(request) => {
                auth.role_revoke_permission(request, batch)?;
                Answer::RoleRevokePermission(pb::AuthRoleRevokePermissionResponse { header })
            }
        })
    }
}
