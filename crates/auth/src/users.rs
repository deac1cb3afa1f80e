//! Users: what is asked of them and what changes them.

use bytes::Bytes;
use ketch_backend::Batch;
use ketch_base::Code;
use ketch_base::planted::{self, Bug};
use ketch_proto::{authpb, etcdserverpb as pb};

use crate::token::Tokens;
use crate::{AuthStore, ROOT, hash};

impl AuthStore {
    /// Adds a user without roles.
    ///
    /// # Errors
    /// [`Code::UserEmpty`], [`Code::UserAlreadyExist`], [`Code::NoPasswordUser`] for a hash that
    /// is not base64.
    pub fn user_add(
        &self,
        request: &pb::AuthUserAddRequest,
        batch: &mut Batch,
    ) -> Result<pb::AuthUserAddResponse, Code> {
        if request.name.is_empty() {
            return Err(Code::UserEmpty);
        }
        if self.state().user(&request.name).is_some() {
            return Err(Code::UserAlreadyExist);
        }
        let options = request.options.unwrap_or_default();
        let password = if options.no_password {
            Bytes::new()
        } else {
            hash::decode(&request.hashed_password)?
        };
        let name = Bytes::copy_from_slice(request.name.as_bytes());
        let record = authpb::User { name, password, roles: Vec::new(), options: Some(options) };
        self.change(|state| {
            state.put_user(record, batch);
            state.raise_revision(batch);
        });
        Ok(pb::AuthUserAddResponse::default())
    }

    /// Deletes a user, whose tokens lose their worth.
    ///
    /// # Errors
    /// [`Code::InvalidAuthMgmt`] for root while authentication is on; [`Code::UserNotFound`].
    pub fn user_delete(
        &self,
        request: &pb::AuthUserDeleteRequest,
        batch: &mut Batch,
    ) -> Result<pb::AuthUserDeleteResponse, Code> {
        let state = self.state();
        if state.enabled && request.name == ROOT {
            return Err(Code::InvalidAuthMgmt);
        }
        state.user(&request.name).ok_or(Code::UserNotFound)?;
        drop(state);
        self.change(|state| {
            state.delete_user(&request.name, batch);
            state.raise_revision(batch);
        });
        self.tokens().invalidate_user(&request.name);
        Ok(pb::AuthUserDeleteResponse::default())
    }

    /// Sets the password, or nothing for a user without one; tokens lose their worth either way.
    ///
    /// # Errors
    /// [`Code::UserNotFound`], [`Code::NoPasswordUser`] for a hash that is not base64.
    pub fn user_change_password(
        &self,
        request: &pb::AuthUserChangePasswordRequest,
        batch: &mut Batch,
    ) -> Result<pb::AuthUserChangePasswordResponse, Code> {
        let mut record = self.user_record(&request.name)?;
        let no_password = record.options.is_some_and(|options| options.no_password);
        record.password =
            if no_password { Bytes::new() } else { hash::decode(&request.hashed_password)? };
        self.change(|state| {
            state.put_user(record, batch);
            state.raise_revision(batch);
        });
        if !planted::is(Bug::PasswordKeepsTokens) {
            self.tokens().invalidate_user(&request.name);
        }
        Ok(pb::AuthUserChangePasswordResponse::default())
    }

    /// Gives a role to a user. One that the user has already changes nothing, not even the
    /// revision; the role root need not exist.
    ///
    /// # Errors
    /// [`Code::UserNotFound`], [`Code::RoleNotFound`].
    pub fn user_grant_role(
        &self,
        request: &pb::AuthUserGrantRoleRequest,
        batch: &mut Batch,
    ) -> Result<pb::AuthUserGrantRoleResponse, Code> {
        let mut record = self.user_record(&request.user)?;
        if request.role != ROOT {
            self.state().role(&request.role).ok_or(Code::RoleNotFound)?;
        }
        if !record.roles.contains(&request.role) {
            record.roles.push(request.role.clone());
            record.roles.sort_unstable();
            self.change(|state| {
                state.put_user(record, batch);
                state.raise_revision(batch);
            });
        }
        Ok(pb::AuthUserGrantRoleResponse::default())
    }

    /// Takes a role from a user.
    ///
    /// # Errors
    /// [`Code::InvalidAuthMgmt`] for root's role root while authentication is on;
    /// [`Code::UserNotFound`], [`Code::RoleNotGranted`].
    pub fn user_revoke_role(
        &self,
        request: &pb::AuthUserRevokeRoleRequest,
        batch: &mut Batch,
    ) -> Result<pb::AuthUserRevokeRoleResponse, Code> {
        if self.is_enabled() && request.name == ROOT && request.role == ROOT {
            return Err(Code::InvalidAuthMgmt);
        }
        let mut record = self.user_record(&request.name)?;
        let held = record.roles.len();
        record.roles.retain(|role| *role != request.role);
        if record.roles.len() == held {
            return Err(Code::RoleNotGranted);
        }
        self.change(|state| {
            let mut lost = Batch::new();
            let stored = if planted::is(Bug::UnstoredRevoke) { &mut lost } else { &mut *batch };
            state.put_user(record, stored);
            state.raise_revision(batch);
        });
        Ok(pb::AuthUserRevokeRoleResponse::default())
    }

    /// The roles of a user, sorted.
    ///
    /// # Errors
    /// [`Code::UserNotFound`].
    pub fn user_get(
        &self,
        request: &pb::AuthUserGetRequest,
    ) -> Result<pb::AuthUserGetResponse, Code> {
        let roles = self.user_record(&request.name)?.roles;
        Ok(pb::AuthUserGetResponse { header: None, roles })
    }

    /// The names of all users, sorted.
    pub fn user_list(&self) -> pb::AuthUserListResponse {
        let state = self.state();
        let name = |name: &Bytes| String::from_utf8_lossy(name).into_owned();
        pb::AuthUserListResponse { header: None, users: state.users.keys().map(name).collect() }
    }

    fn user_record(&self, name: &str) -> Result<authpb::User, Code> {
        Ok(self.state().user(name).ok_or(Code::UserNotFound)?.record.clone())
    }
}
