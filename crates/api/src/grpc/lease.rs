//! `etcdserverpb.Lease`.

use std::sync::Arc;

use http::Response;
use ketch_base::{Code, LeaseId};
use ketch_proto::etcdserverpb::{
    LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest, LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
};

use super::call::{Call, Messages, Outlet, unary};
use super::frames::Inbound;
use super::watch::Ends;
use crate::body::Body;
use crate::edge::Edge;
use crate::method::Method;
use crate::ports::Ports;
use crate::status::Status;

pub(super) async fn serve<P: Ports, B: Inbound>(edge: &Edge<P>, call: Call<B>) -> Response<Body> {
    let ports = &*edge.ports;
    match call.record.meter.method {
        Method::LeaseGrant => unary(edge, call, |request| ports.lease_grant(request)).await,
        Method::LeaseRevoke => unary(edge, call, |request| ports.lease_revoke(request)).await,
        Method::LeaseTimeToLive => unary(edge, call, |request| time_to_live(ports, request)).await,
        Method::LeaseLeases => {
            unary(edge, call, |LeaseLeasesRequest {}| ports.lease_leases()).await
        }
        _ => keep_alive(edge, call),
    }
}

/// A lease that is gone has a TTL of -1, and no error.
async fn time_to_live<P: Ports>(
    ports: &P,
    request: LeaseTimeToLiveRequest,
) -> Result<LeaseTimeToLiveResponse, Code> {
    let id = request.id;
    match ports.lease_time_to_live(request).await {
        Err(Code::LeaseNotFound) => Ok(LeaseTimeToLiveResponse {
            header: Some(ports.header()),
            id,
            ttl: -1,
            ..Default::default()
        }),
        other => other,
    }
}

fn keep_alive<P: Ports, B: Inbound>(edge: &Edge<P>, call: Call<B>) -> Response<Body> {
    if let Err(status) = call.admit(edge) {
        return call.refuse(&status);
    }
    let needs_leader = call.metadata.needs_leader;
    let ends = Ends { ports: Arc::clone(&edge.ports), needs_leader, phase: edge.phase() };
    call.drive(|messages, outlet| keep_all_alive(messages, outlet, ends))
}

/// One answer per message, in order, until the client closes its side.
async fn keep_all_alive<P: Ports, B: Inbound>(
    mut messages: Messages<B>,
    outlet: Outlet,
    mut ends: Ends<P>,
) -> Result<(), Status> {
    let ports = Arc::clone(&ends.ports);
    let end = ends.reached();
    tokio::pin!(end);
    loop {
        let request: LeaseKeepAliveRequest = tokio::select! {
            message = messages.next() => match message? {
                Some(request) => request,
                None => return Ok(()),
            },
            status = &mut end => return Err(status),
        };
        outlet.send(&renewed(&*ports, request.id).await?).await;
    }
}

/// A lease that is gone has no TTL, and no error.
async fn renewed<P: Ports>(ports: &P, id: i64) -> Result<LeaseKeepAliveResponse, Code> {
    match ports.lease_renew(LeaseId(id)).await {
        Err(Code::LeaseNotFound) => {
            Ok(LeaseKeepAliveResponse { header: Some(ports.header()), id, ttl: 0 })
        }
        other => other,
    }
}
