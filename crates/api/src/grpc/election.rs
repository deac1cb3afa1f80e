//! `v3electionpb.Election`: one leader per name, chosen by the queue of `recipe`.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use ketch_base::{Code, GrpcCode, KeyRange};
use ketch_proto::etcdserverpb::request_op::Request as Op;
use ketch_proto::etcdserverpb::{PutRequest, RequestOp, ResponseHeader, TxnRequest};
use ketch_proto::mvccpb::KeyValue;
use ketch_proto::v3electionpb::{
    CampaignRequest, CampaignResponse, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest,
    ProclaimResponse, ResignRequest, ResignResponse,
};

use super::call::{Call, Outlet, composed};
use super::frames::Inbound;
use super::inner::Inner;
use super::recipe::{
    Follow, Followed, Withdraw, created_at, enqueue, first, is_delete, keys, leave, prefix_end,
    prefix_range, session, unknown, wait_turn,
};
use super::watch::Ends;
use crate::body::Body;
use crate::edge::Edge;
use crate::method::Method;
use crate::ports::Ports;
use crate::status::Status;

pub(super) async fn serve<P: Ports, B: Inbound>(
    edge: &Edge<P>,
    mut call: Call<B>,
) -> Response<Body> {
    let ports = &Inner::new(&edge.ports, &call.metadata.credentials);
    match call.record.meter.method {
        Method::Campaign => composed(edge, call, |request| campaign(ports, request)).await,
        Method::Proclaim => composed(edge, call, |request| proclaim(&**ports, request)).await,
        Method::Resign => {
            composed(edge, call, |request| async move {
                resign(&**ports, request).await.map_err(unknown)
            })
            .await
        }
        Method::Leader => {
            composed(edge, call, |request| async move {
                leader(&**ports, request).await.map_err(unknown)
            })
            .await
        }
        _ => match call.stream_request::<LeaderRequest, P>(edge).await {
            Ok(request) => {
                call.look(edge);
                let needs_leader = call.metadata.needs_leader;
                let ports = Arc::clone(&edge.ports);
                let ends = Ends { ports, needs_leader, phase: edge.phase() };
                let inner = Inner::new(&edge.ports, &call.metadata.credentials);
                call.drive(move |_messages, outlet| observe(inner, request, outlet, ends))
            }
            Err(status) => call.refuse(&status),
        },
    }
}

async fn campaign<P: Ports>(
    ports: &Arc<Inner<P>>,
    request: CampaignRequest,
) -> Result<CampaignResponse, Status> {
    let lease = session(&**ports, request.lease).await.map_err(unknown)?;
    let (prefix, key) = keys(&request.name, lease);
    let place = enqueue(&**ports, &key, request.value.clone(), lease).await.map_err(unknown)?;
    let withdraw = Withdraw::new(ports, &key, &place);
    let mine = LeaderKey { name: request.name, key, rev: place.revision, lease };
    if place.found.is_some_and(|found| found.value != request.value) {
        say(&**ports, &mine, request.value).await?;
    }
    wait_turn(&**ports, &prefix, place.revision).await.map_err(unknown)?;
    withdraw.disarm();
    Ok(CampaignResponse { header: Some(place.header), leader: Some(mine) })
}

async fn proclaim<P: Ports>(
    ports: &Inner<P>,
    request: ProclaimRequest,
) -> Result<ProclaimResponse, Status> {
    let leader = request.leader.ok_or(Code::ElectionLeaderMissing)?;
    let header = say(ports, &leader, request.value).await?;
    Ok(ProclaimResponse { header: Some(header) })
}

/// Writes a new value, if one is still the same leader.
async fn say<P: Ports>(
    ports: &Inner<P>,
    leader: &LeaderKey,
    value: Bytes,
) -> Result<ResponseHeader, Status> {
    let lease = session(ports, leader.lease).await.map_err(unknown)?;
    let put = PutRequest { key: leader.key.clone(), value, lease, ..Default::default() };
    let request = TxnRequest {
        compare: vec![created_at(&leader.key, leader.rev)],
        success: vec![RequestOp { request: Some(Op::RequestPut(put)) }],
        failure: Vec::new(),
    };
    crate::checks::txn(&request, usize::MAX).map_err(unknown)?;
    let response = ports.txn(request).await.map_err(unknown)?;
    if !response.succeeded {
        return Err(Status::new(GrpcCode::Unknown, "election: not leader"));
    }
    Ok(response.header.unwrap_or_default())
}

async fn resign<P: Ports>(
    ports: &Inner<P>,
    request: ResignRequest,
) -> Result<ResignResponse, Code> {
    let leader = request.leader.ok_or(Code::ElectionLeaderMissing)?;
    if leader.key.is_empty() {
        return Err(Code::EmptyKey);
    }
    let response = leave(ports, &leader.key, leader.rev).await?;
    Ok(ResignResponse { header: response.header })
}

async fn leader<P: Ports>(
    ports: &Inner<P>,
    request: LeaderRequest,
) -> Result<LeaderResponse, Code> {
    let (prefix, _) = keys(&request.name, 0);
    let response = first(ports, prefix_range(&prefix)).await?;
    let kv = response.kvs.into_iter().next().ok_or(Code::ElectionNoLeader)?;
    Ok(LeaderResponse { header: response.header, kv: Some(kv) })
}

/// Tells the leader now, and every value and leader after it, until the client goes.
async fn observe<P: Ports>(
    ports: Arc<Inner<P>>,
    request: LeaderRequest,
    outlet: Outlet,
    mut ends: Ends<P>,
) -> Result<(), Status> {
    tokio::select! {
        // etcd ends the stream in good order even where the caller may not read the election.
        _refusal = tell_leaders(&*ports, &request.name, &outlet) => Ok(()),
        status = ends.reached() => Err(status),
    }
}

async fn tell_leaders<P: Ports>(
    ports: &Inner<P>,
    name: &[u8],
    outlet: &Outlet,
) -> Result<(), Code> {
    let (prefix, _) = keys(name, 0);
    loop {
        let response = first(ports, prefix_range(&prefix)).await?;
        let header = response.header.unwrap_or_default();
        let (header, kv) = match response.kvs.into_iter().next() {
            Some(kv) => (header, kv),
            None => match wait_leader(ports, &prefix, header).await? {
                Some(kv) => (ResponseHeader { revision: kv.mod_revision, ..header }, kv),
                None => continue,
            },
        };
        let key = kv.key.clone();
        outlet.send(&LeaderResponse { header: Some(header), kv: Some(kv) }).await;
        tell_values(ports, key, header, outlet).await?;
    }
}

/// The first key put under the prefix.
async fn wait_leader<P: Ports>(
    ports: &Inner<P>,
    prefix: &Bytes,
    header: ResponseHeader,
) -> Result<Option<KeyValue>, Code> {
    let range = KeyRange::new(prefix.clone(), prefix_end(prefix));
    let mut follow = Follow::begin(ports, range, header.revision + 1).await?;
    loop {
        match follow.next().await? {
            Followed::Lost => return Ok(None),
            Followed::Events(_, events) => {
                let put = events.into_iter().find(|event| !is_delete(event));
                if let Some(kv) = put.and_then(|event| event.kv) {
                    return Ok(Some(kv));
                }
            }
        }
    }
}

/// Every value of one leader, until its key is gone.
async fn tell_values<P: Ports>(
    ports: &Inner<P>,
    key: Bytes,
    header: ResponseHeader,
    outlet: &Outlet,
) -> Result<(), Code> {
    let mut follow = Follow::begin(ports, KeyRange::Key(key), header.revision + 1).await?;
    loop {
        let Followed::Events(revision, events) = follow.next().await? else { return Ok(()) };
        for event in events {
            if is_delete(&event) {
                return Ok(());
            }
            let header = Some(ResponseHeader { revision, ..header });
            outlet.send(&LeaderResponse { header, kv: event.kv }).await;
        }
    }
}
