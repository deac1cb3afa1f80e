//! `etcdserverpb.Lease`.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Response;
use ketch_base::{Code, LeaseId};
use ketch_proto::etcdserverpb::{
    LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest,
    LeaseLeasesResponse, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};

use super::call::{Call, Messages, Outlet, learning, unary};
use super::frames::Inbound;
use super::gate;
use super::trail::{Asked, Scribe};
use super::watch::Ends;
use crate::body::Body;
use crate::edge::Edge;
use crate::limits::AUDIT_LEASES_SEEN;
use crate::method::Method;
use crate::ports::{About, Credentials, Fact, Part, Pass, Ports};
use crate::status::{self, Status};

pub(super) async fn serve<P: Ports, B: Inbound>(edge: &Edge<P>, call: Call<B>) -> Response<Body> {
    let ports = &*edge.ports;
    match call.record.meter.method {
        Method::LeaseGrant => {
            let serve = |pass, request| ports.lease_grant(pass, request);
            learning(edge, call, |_| Ok(()), serve, granted).await
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

/// Which lease it became, where the request left that to the server.
fn granted(answer: &LeaseGrantResponse, about: &mut About) {
    if about.facts().next().is_none() {
        about.push(Fact::Lease(answer.id));
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

fn keep_alive<P: Ports, B: Inbound>(edge: &Edge<P>, mut call: Call<B>) -> Response<Body> {
    if let Err(status) = call.admit(edge) {
        return call.refuse(&status);
    }
    let needs_leader = call.metadata.needs_leader;
    let ends = Ends { ports: Arc::clone(&edge.ports), needs_leader, phase: edge.phase() };
    let credentials = call.metadata.credentials.clone();
    let notes = call.record.scribe().map(Notes::new);
    call.drive(|messages, outlet| keep_all_alive(messages, outlet, credentials, ends, notes))
}

/// One answer per message, in order, until the client closes its side.
async fn keep_all_alive<P: Ports, B: Inbound>(
    mut messages: Messages<B>,
    outlet: Outlet,
    credentials: Credentials,
    mut ends: Ends<P>,
    mut notes: Option<Notes>,
) -> Result<(), Status> {
    let ports = Arc::clone(&ends.ports);
    let end = ends.reached();
    tokio::pin!(end);
    loop {
        let message = tokio::select! {
            message = messages.next::<LeaseKeepAliveRequest>() => message,
            status = &mut end => Err(status),
        };
        if let (Some(notes), Err(status)) = (&notes, &message) {
            notes.scribe.broke(status);
        }
        let Some(request) = message? else { return Ok(()) };
        let asked = notes.as_ref().map(|_| Asked::now(&request));
        // Each time anew: the stream may be older than a rule.
        let verdict = gate::pass(&*ports, &credentials, Method::LeaseKeepAlive, &request).await;
        let answer = match &verdict {
            Ok(_) => renewed(&*ports, request.id).await,
            Err(code) => Err(*code),
        };
        if let (Some(notes), Some(asked)) = (&mut notes, asked) {
            let verdict = verdict.as_ref().map_err(|code| *code);
            let asked = notes.scribe.judged(asked, verdict, &*ports, &credentials);
            notes.tell(request.id, &asked, answer.as_ref().err().copied());
        }
        outlet.send(&answer?).await;
    }
}

/// Which leases of a stream the audit log was told of.
struct Notes {
    scribe: Scribe,
    seen: BTreeSet<i64>,
}

impl Notes {
    fn new(scribe: Scribe) -> Self {
        Self { scribe, seen: BTreeSet::new() }
    }

    /// Tells of a lease that is new on the stream, and of each refusal.
    fn tell(&mut self, id: i64, asked: &Asked, refusal: Option<Code>) {
        if self.seen.len() >= AUDIT_LEASES_SEEN {
            self.seen.clear();
        }
        if self.seen.insert(id) || refusal.is_some() {
            let (status, text) =
                refusal.map_or((status::OK, ""), |code| (code.grpc() as u8, code.text()));
            self.scribe.tell(asked, Part::Call, status, text);
        }
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
