//! Users, roles, and who a call comes from.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use ketch_auth::Caller;
use ketch_auth::gate::Request;
use ketch_base::Code;
use ketch_proto::etcdserverpb as pb;

const TOKEN: HeaderName = HeaderName::from_static("token");
const GATEWAY_ACCEPT: HeaderName = HeaderName::from_static("grpcgateway-accept");

/// The subject's common name of the client certificate of a connection; empty for a certificate
/// without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientName(pub Arc<str>);

/// What a call says of who makes it. Secret: never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    token: Option<HeaderValue>,
    name: Option<ClientName>,
}

impl Credentials {
    /// Of a call: `token`, or else `authorization` (what gateways send).
    pub fn read(fields: &HeaderMap, name: Option<&ClientName>) -> Self {
        let token = fields.get(TOKEN).or_else(|| fields.get(AUTHORIZATION)).cloned();
        let name = match fields.contains_key(GATEWAY_ACCEPT) {
            // A gateway's certificate says nothing of the user behind it.
            true => None,
            false => name.cloned(),
        };
        Self { token, name }
    }

    /// Of a call that another member passed on; what can be no token is as good as a wrong one.
    pub fn of_token(token: Bytes) -> Self {
        let token = HeaderValue::from_maybe_shared(token);
        Self { token: Some(token.unwrap_or(HeaderValue::from_static(""))), ..Self::default() }
    }

    /// The token as it came.
    pub fn token(&self) -> Option<&[u8]> {
        self.token.as_ref().map(HeaderValue::as_bytes)
    }

    /// The name in the client's certificate.
    pub fn common_name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| &*name.0)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// That the gate let a request pass; goes with it to where it is carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Who asks, where that was asked.
    pub caller: Option<Arc<Caller>>,
    /// The gate judged; else authentication was off then.
    pub is_judged: bool,
    /// The gate has seen to it that all is applied here that was committed when the call came.
    pub is_linearized: bool,
}

impl Pass {
    /// While authentication is off.
    pub const FREE: Self = Self { caller: None, is_judged: false, is_linearized: false };
    /// For what the member asks of itself.
    pub const MEMBER: Self = Self { caller: None, is_judged: true, is_linearized: false };
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($request:ident) -> $response:ident;)*) => {
        /// Users and roles, tokens, and the gate.
        pub trait Auth: Send + Sync + 'static {
            /// Whether calls are judged now. For every call: must be a look at a number.
            fn is_auth_enabled(&self) -> bool;

            /// Finds out who calls and puts the request before the gate.
            ///
            /// # Errors
            /// `InvalidAuthToken`, and what the gate refuses with.
            fn pass(
                &self,
                credentials: &Credentials,
                request: Request<'_>,
            ) -> impl Future<Output = Result<Pass, Code>> + Send;

            /// Whom the credentials name, as far as is known here now; for the audit log.
            fn known(&self, _credentials: &Credentials) -> Option<Arc<Caller>> {
                None
            }

            /// Whether what was read under a pass may be answered.
            ///
            /// # Errors
            /// `AuthOldRevision` when users or roles have changed since.
            fn still_holds(&self, pass: &Pass) -> Result<(), Code>;

            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// As a proposal, and what the rules of users and roles refuse.
                fn $name(
                    &self,
                    pass: Pass,
                    request: pb::$request,
                ) -> impl Future<Output = Result<pb::$response, Code>> + Send;
            )*
        }
    };
}

calls! {
    /// Turns authentication on.
    auth_enable(AuthEnableRequest) -> AuthEnableResponse;
    /// Turns authentication off.
    auth_disable(AuthDisableRequest) -> AuthDisableResponse;
    /// Whether it is on, and its revision.
    auth_status(AuthStatusRequest) -> AuthStatusResponse;
    /// Gives a token for a password.
    authenticate(AuthenticateRequest) -> AuthenticateResponse;
    /// Adds a user.
    user_add(AuthUserAddRequest) -> AuthUserAddResponse;
    /// Tells the roles of a user.
    user_get(AuthUserGetRequest) -> AuthUserGetResponse;
    /// Tells the users.
    user_list(AuthUserListRequest) -> AuthUserListResponse;
    /// Removes a user.
    user_delete(AuthUserDeleteRequest) -> AuthUserDeleteResponse;
    /// Sets a password.
    user_change_password(AuthUserChangePasswordRequest) -> AuthUserChangePasswordResponse;
    /// Gives a user a role.
    user_grant_role(AuthUserGrantRoleRequest) -> AuthUserGrantRoleResponse;
    /// Takes a role from a user.
    user_revoke_role(AuthUserRevokeRoleRequest) -> AuthUserRevokeRoleResponse;
    /// Adds a role.
    role_add(AuthRoleAddRequest) -> AuthRoleAddResponse;
    /// Tells the permissions of a role.
    role_get(AuthRoleGetRequest) -> AuthRoleGetResponse;
    /// Tells the roles.
    role_list(AuthRoleListRequest) -> AuthRoleListResponse;
    /// Removes a role.
    role_delete(AuthRoleDeleteRequest) -> AuthRoleDeleteResponse;
    /// Gives a role a permission.
    role_grant_permission(AuthRoleGrantPermissionRequest) -> AuthRoleGrantPermissionResponse;
    /// Takes a permission from a role.
    role_revoke_permission(AuthRoleRevokePermissionRequest) -> AuthRoleRevokePermissionResponse;
}
