//! `etcdserverpb.Cluster`.

use http::Response;

use super::call::{Call, checked, unary};
use super::frames::Inbound;
use crate::body::Body;
use crate::edge::Edge;
use crate::method::Method;
use crate::ports::Ports;

pub(super) async fn serve<P: Ports, B: Inbound>(edge: &Edge<P>, call: Call<B>) -> Response<Body> {
    let ports = &*edge.ports;
    match call.record.meter.method {
        Method::MemberAdd => {
            let check = |request: &_| ports.check_member_add(request);
            checked(edge, call, check, |_, request| ports.member_add(request)).await
        }
        Method::MemberRemove => unary(edge, call, |_, request| ports.member_remove(request)).await,
        Method::MemberUpdate => unary(edge, call, |_, request| ports.member_update(request)).await,
        Method::MemberPromote => {
            let credentials = call.metadata.credentials.clone();
            unary(edge, call, |_, request| ports.member_promote(credentials, request)).await
        }
        _ => unary(edge, call, |_, request| ports.member_list(request)).await,
    }
}
