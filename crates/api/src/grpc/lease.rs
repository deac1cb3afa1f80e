//! `etcdserverpb.Lease`.

use std::sync::Arc;

use http::Response;
use ketch_base::{Code, LeaseId};
use ketch_proto::etcdserverpb::{
    LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest, LeaseLeasesResponse,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};

use super::call::{Call, Messages, Outlet, unary};
use super::frames::Inbound;
use super::gate;
use super::watch::Ends;
use crate::body::Body;
use crate::edge::Edge;
use crate::method::Method;
use crate::ports::{Credentials, Pass, Ports};
use crate::status::Status;

pub(super) async fn serve<P: Ports, B: Inbound>(edge: &Edge<P>, call: Call<B>) -> Response<Body> {
    let ports = &*edge.ports;
    match call.record.meter.method {
        Method::LeaseGrant => {
            unary(edge, call, |pass, request| ports.lease_grant(pass, request)).await
        }
        Method::LeaseRevoke => {
            unary(edge, call, |pass, request| ports.lease_revoke(pass, request)).await
        }
        Method::LeaseTimeToLive => {
            unary(edge, call, |pass, request| time_to_live(ports, pass, request)).await
        }
        Method::LeaseLeases => {
            unary(edge, call, |pass, LeaseLeasesRequest {}| leases(ports, pass)).await
        }
        _ => keep_alive(edge, call),
    }
}

/// A lease that is gone has a TTL of -1, and no error.
async fn time_to_live<P: Ports>(
    ports: &P,
    pass: Pass,
    request: LeaseTimeToLiveRequest,
) -> Result<LeaseTimeToLiveResponse, Code> {
    let (id, tells_keys) = (request.id, request.keys);
    match ports.lease_time_to_live(request).await {
        Err(Code::LeaseNotFound) => Ok(LeaseTimeToLiveResponse {
            header: Some(ports.header()),
            id,
            ttl: -1,
            ..Default::default()
        }),
        Ok(answer) if tells_keys => ports.still_holds(&pass).map(|()| answer),
        other => other,
    }
}

async fn leases<P: Ports>(ports: &P, pass: Pass) -> Result<LeaseLeasesResponse, Code> {
    let answer = ports.lease_leases().await?;
    ports.still_holds(&pass).map(|()| answer)
}

fn keep_alive<P: Ports, B: Inbound>(edge: &Edge<P>, call: Call<B>) -> Response<Body> {
    if let Err(status) = call.admit(edge) {
        return call.refuse(&status);
    }
    let needs_leader = call.metadata.needs_leader;
    let ends = Ends { ports: Arc::clone(&edge.ports), needs_leader, phase: edge.phase() };
    let credentials = call.metadata.credentials.clone();
    call.drive(|messages, outlet| keep_all_alive(messages, outlet, credentials, ends))
}

/// One answer per message, in order, until the client closes its side.
async fn keep_all_alive<P: Ports, B: Inbound>(
    mut messages: Messages<B>,
    outlet: Outlet,
    credentials: Credentials,
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
        // Each time anew: the stream may be older than a rule.
        gate::pass(&*ports, &credentials, Method::LeaseKeepAlive, &request).await?;
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
