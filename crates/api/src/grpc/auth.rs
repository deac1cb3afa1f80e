//! `etcdserverpb.Auth`.

use http::Response;

use super::call::{Call, unary};
use super::frames::Inbound;
use crate::body::Body;
use crate::edge::Edge;
use crate::method::Method;
use crate::ports::Ports;

pub(super) async fn serve<P: Ports, B: Inbound>(edge: &Edge<P>, call: Call<B>) -> Response<Body> {
    let ports = &*edge.ports;
    macro_rules! ask {
        ($port:ident) => {
            unary(edge, call, |pass, request| ports.$port(pass, request)).await
        };
    }
    match call.record.meter.method {
        Method::AuthEnable => ask!(auth_enable),
        Method::AuthDisable => ask!(auth_disable),
        Method::AuthStatus => ask!(auth_status),
        Method::Authenticate => ask!(authenticate),
        Method::UserAdd => ask!(user_add),
        Method::UserGet => ask!(user_get),
        Method::UserList => ask!(user_list),
        Method::UserDelete => ask!(user_delete),
        Method::UserChangePassword => ask!(user_change_password),
        Method::UserGrantRole => ask!(user_grant_role),
        Method::UserRevokeRole => ask!(user_revoke_role),
        Method::RoleAdd => ask!(role_add),
        Method::RoleGet => ask!(role_get),
        Method::RoleList => ask!(role_list),
        Method::RoleDelete => ask!(role_delete),
        Method::RoleGrantPermission => ask!(role_grant_permission),
        _ => ask!(role_revoke_permission),
    }
}
