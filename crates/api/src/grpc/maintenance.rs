//! `etcdserverpb.Maintenance`.

use http::Response;
use ketch_base::GrpcCode;
use ketch_proto::etcdserverpb::{
    DefragmentRequest, HashRequest, SnapshotRequest, SnapshotResponse, StatusRequest,
};

use super::call::{Call, Outlet, unary};
use super::frames::Inbound;
use crate::body::Body;
use crate::edge::Edge;
use crate::method::Method;
use crate::ports::{Ports, Snapshot};
use crate::status::Status;

pub(super) async fn serve<P: Ports, B: Inbound>(edge: &Edge<P>, call: Call<B>) -> Response<Body> {
    let ports = &*edge.ports;
    match call.record.meter.method {
        Method::Status => unary(edge, call, |_, StatusRequest {}| ports.status()).await,
        Method::Alarm => unary(edge, call, |_, request| ports.alarm(request)).await,
        Method::Defragment => unary(edge, call, |_, DefragmentRequest {}| ports.defragment()).await,
        Method::Hash => unary(edge, call, |_, HashRequest {}| ports.hash()).await,
        Method::HashKv => unary(edge, call, |_, request| ports.hash_kv(request)).await,
        Method::MoveLeader => unary(edge, call, |_, request| ports.move_leader(request)).await,
        Method::Downgrade => unary(edge, call, |_, request| ports.downgrade(request)).await,
        _ => snapshot(edge, call).await,
    }
}

async fn snapshot<P: Ports, B: Inbound>(edge: &Edge<P>, mut call: Call<B>) -> Response<Body> {
    match begin(edge, &mut call).await {
        Ok(snapshot) => call.drive(|_messages, outlet| send_blobs(snapshot, outlet)),
        Err(status) => call.refuse(&status),
    }
}

async fn begin<P: Ports, B: Inbound>(
    edge: &Edge<P>,
    call: &mut Call<B>,
) -> Result<Snapshot, Status> {
    let request: SnapshotRequest = call.stream_request(edge).await?;
    call.pass(edge, &request).await?;
    Ok(edge.ports.snapshot().await?)
}

async fn send_blobs(mut snapshot: Snapshot, outlet: Outlet) -> Result<(), Status> {
    let mut whole = false;
    while let Some(blob) = snapshot.blobs.recv().await {
        let blob = blob?;
        whole = blob.remaining_bytes == 0;
        let message = SnapshotResponse {
            // etcd sends none here.
            header: None,
            remaining_bytes: blob.remaining_bytes,
            blob: blob.bytes,
            version: snapshot.version.clone(),
        };
        outlet.send(&message).await;
    }
    if whole { Ok(()) } else { Err(Status::new(GrpcCode::Unknown, "snapshot ended early")) }
}
