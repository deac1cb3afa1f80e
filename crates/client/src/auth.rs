//! Authentication: who may do what.

mod login;

use bytes::Bytes;
use ketch_proto::authpb::{Permission, UserAddOptions};
use ketch_proto::etcdserverpb::{
    AuthDisableRequest, AuthDisableResponse, AuthEnableRequest, AuthEnableResponse,
    AuthRoleAddRequest, AuthRoleAddResponse, AuthRoleDeleteRequest, AuthRoleDeleteResponse,
    AuthRoleGetRequest, AuthRoleGetResponse, AuthRoleGrantPermissionRequest,
    AuthRoleGrantPermissionResponse, AuthRoleListRequest, AuthRoleListResponse,
    AuthRoleRevokePermissionRequest, AuthRoleRevokePermissionResponse, AuthStatusRequest,
    AuthStatusResponse, AuthUserAddRequest, AuthUserAddResponse, AuthUserChangePasswordRequest,
    AuthUserChangePasswordResponse, AuthUserDeleteRequest, AuthUserDeleteResponse,
    AuthUserGetRequest, AuthUserGetResponse, AuthUserGrantRoleRequest, AuthUserGrantRoleResponse,
    AuthUserListRequest, AuthUserListResponse, AuthUserRevokeRoleRequest,
    AuthUserRevokeRoleResponse, AuthenticateRequest, AuthenticateResponse,
};

use crate::call::Repeat;
use crate::{Client, Error};

pub(crate) use login::{Login, Token};

const AUTHENTICATE: &str = "/etcdserverpb.Auth/Authenticate";

/// The calls on users and roles. Errors are the server's refusal, the limit, or no server.
#[derive(Clone)]
pub struct Auth {
    pub(crate) client: Client,
}

/// The switch, and the way in.
impl Auth {
    /// Switches authentication on; wants a user `root` that has the role `root`.
    pub async fn enable(&self) -> Result<AuthEnableResponse, Error> {
        let request = AuthEnableRequest {};
        self.client.unary("/etcdserverpb.Auth/AuthEnable", Repeat::Never, request).await
    }

    /// Switches authentication off; users and roles stay.
    pub async fn disable(&self) -> Result<AuthDisableResponse, Error> {
        let request = AuthDisableRequest {};
        self.client.unary("/etcdserverpb.Auth/AuthDisable", Repeat::Never, request).await
    }

    /// Whether authentication is on, and how often users and roles have changed.
    pub async fn status(&self) -> Result<AuthStatusResponse, Error> {
        let request = AuthStatusRequest {};
        self.client.unary("/etcdserverpb.Auth/AuthStatus", Repeat::Never, request).await
    }

    /// A token for this user. The client's own calls need none of this: see
    /// [`crate::Config::username`].
    pub async fn authenticate(
        &self,
        name: &str,
        password: &str,
    ) -> Result<AuthenticateResponse, Error> {
        let request = AuthenticateRequest { name: name.to_owned(), password: password.to_owned() };
        self.client.unary(AUTHENTICATE, Repeat::Never, request).await
    }
}

/// Users.
impl Auth {
    /// Makes a user. Without a password only a certificate can identify it.
    pub async fn user_add(
        &self,
        name: &str,
        password: Option<&str>,
    ) -> Result<AuthUserAddResponse, Error> {
        let request = AuthUserAddRequest {
            name: name.to_owned(),
            password: password.unwrap_or_default().to_owned(),
            options: Some(UserAddOptions { no_password: password.is_none() }),
            hashed_password: String::new(),
        };
        self.client.unary("/etcdserverpb.Auth/UserAdd", Repeat::Never, request).await
    }

    /// The roles of a user.
    pub async fn user_get(&self, name: &str) -> Result<AuthUserGetResponse, Error> {
        let request = AuthUserGetRequest { name: name.to_owned() };
        self.client.unary("/etcdserverpb.Auth/UserGet", Repeat::Safe, request).await
    }

    /// The names of all users.
    pub async fn user_list(&self) -> Result<AuthUserListResponse, Error> {
        let request = AuthUserListRequest {};
        self.client.unary("/etcdserverpb.Auth/UserList", Repeat::Safe, request).await
    }

    /// Removes a user.
    pub async fn user_delete(&self, name: &str) -> Result<AuthUserDeleteResponse, Error> {
        let request = AuthUserDeleteRequest { name: name.to_owned() };
        self.client.unary("/etcdserverpb.Auth/UserDelete", Repeat::Never, request).await
    }

    /// Gives a user another password.
    pub async fn user_change_password(
        &self,
        name: &str,
        password: &str,
    ) -> Result<AuthUserChangePasswordResponse, Error> {
        let request = AuthUserChangePasswordRequest {
            name: name.to_owned(),
            password: password.to_owned(),
            hashed_password: String::new(),
        };
        self.client.unary("/etcdserverpb.Auth/UserChangePassword", Repeat::Never, request).await
    }

    /// Gives a user a role.
    pub async fn user_grant_role(
        &self,
        user: &str,
        role: &str,
    ) -> Result<AuthUserGrantRoleResponse, Error> {
        let request = AuthUserGrantRoleRequest { user: user.to_owned(), role: role.to_owned() };
        self.client.unary("/etcdserverpb.Auth/UserGrantRole", Repeat::Never, request).await
    }

    /// Takes a role from a user.
    pub async fn user_revoke_role(
        &self,
        user: &str,
        role: &str,
    ) -> Result<AuthUserRevokeRoleResponse, Error> {
        let request = AuthUserRevokeRoleRequest { name: user.to_owned(), role: role.to_owned() };
        self.client.unary("/etcdserverpb.Auth/UserRevokeRole", Repeat::Never, request).await
    }
}

/// Roles.
impl Auth {
    /// Makes a role that may do nothing yet.
    pub async fn role_add(&self, role: &str) -> Result<AuthRoleAddResponse, Error> {
        let request = AuthRoleAddRequest { name: role.to_owned() };
        self.client.unary("/etcdserverpb.Auth/RoleAdd", Repeat::Never, request).await
    }

    /// What a role may do.
    pub async fn role_get(&self, role: &str) -> Result<AuthRoleGetResponse, Error> {
        let request = AuthRoleGetRequest { role: role.to_owned() };
        self.client.unary("/etcdserverpb.Auth/RoleGet", Repeat::Safe, request).await
    }

    /// The names of all roles.
    pub async fn role_list(&self) -> Result<AuthRoleListResponse, Error> {
        let request = AuthRoleListRequest {};
        self.client.unary("/etcdserverpb.Auth/RoleList", Repeat::Safe, request).await
    }

    /// Removes a role, also from the users that have it.
    pub async fn role_delete(&self, role: &str) -> Result<AuthRoleDeleteResponse, Error> {
        let request = AuthRoleDeleteRequest { role: role.to_owned() };
        self.client.unary("/etcdserverpb.Auth/RoleDelete", Repeat::Never, request).await
    }

    /// Lets a role use keys: one, or a range whose end may be the zero byte for no end.
    pub async fn role_grant_permission(
        &self,
        role: &str,
        permission: Permission,
    ) -> Result<AuthRoleGrantPermissionResponse, Error> {
        let request =
            AuthRoleGrantPermissionRequest { name: role.to_owned(), perm: Some(permission) };
        self.client.unary("/etcdserverpb.Auth/RoleGrantPermission", Repeat::Never, request).await
    }

    /// Takes a permission back; key and end must be those of the grant.
    pub async fn role_revoke_permission(
        &self,
        role: &str,
        key: Bytes,
        range_end: Bytes,
    ) -> Result<AuthRoleRevokePermissionResponse, Error> {
        let request = AuthRoleRevokePermissionRequest { role: role.to_owned(), key, range_end };
        self.client.unary("/etcdserverpb.Auth/RoleRevokePermission", Repeat::Never, request).await
    }
}
