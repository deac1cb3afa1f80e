//! `v3lockpb.Lock`: hold a name as long as a lease lives.

use std::sync::Arc;

use http::Response;
use ketch_base::{Code, GrpcCode};
use ketch_proto::etcdserverpb::{DeleteRangeRequest, RangeRequest};
use ketch_proto::v3lockpb::{LockRequest, LockResponse, UnlockRequest, UnlockResponse};

use super::call::{Call, composed};
use super::frames::Inbound;
use super::inner::Inner;
use super::recipe::{Withdraw, enqueue, first, keys, prefix_range, session, unknown, wait_turn};
use crate::body::Body;
use crate::edge::Edge;
use crate::method::Method;
use crate::ports::Ports;
use crate::status::Status;

pub(super) async fn serve<P: Ports, B: Inbound>(edge: &Edge<P>, call: Call<B>) -> Response<Body> {
    let ports = &Inner::new(&edge.ports, &call.metadata.credentials);
    match call.record.meter.method {
        Method::Lock => composed(edge, call, |request| lock(ports, request)).await,
        _ => {
            composed(edge, call, |request| async move {
                unlock(&**ports, request).await.map_err(unknown)
            })
            .await
        }
    }
}

async fn lock<P: Ports>(
    ports: &Arc<Inner<P>>,
    request: LockRequest,
) -> Result<LockResponse, Status> {
    let lease = session(&**ports, request.lease).await.map_err(unknown)?;
    let (prefix, key) = keys(&request.name, lease);
    let value = bytes::Bytes::new();
    let place = enqueue(&**ports, &key, value, lease).await.map_err(unknown)?;
    let mut withdraw = Withdraw::new(ports, &key, &place);
    let owner = first(&**ports, prefix_range(&prefix)).await.map_err(unknown)?;
    if owner.kvs.first().is_none_or(|kv| kv.create_revision == place.revision) {
        withdraw.disarm();
        return Ok(LockResponse { header: Some(place.header), key });
    }
    withdraw.arm();
    wait_turn(&**ports, &prefix, place.revision).await.map_err(unknown)?;
    // The lease may have expired while we waited.
    let request = RangeRequest { key: key.clone(), ..Default::default() };
    let mine = first(&**ports, request).await.map_err(unknown)?;
    if mine.kvs.is_empty() {
        return Err(Status::new(GrpcCode::Unknown, "mutex: session expired"));
    }
    withdraw.disarm();
    Ok(LockResponse { header: mine.header, key })
}

async fn unlock<P: Ports>(
    ports: &Inner<P>,
    request: UnlockRequest,
) -> Result<UnlockResponse, Code> {
    let request = DeleteRangeRequest { key: request.key, ..Default::default() };
    crate::checks::delete_range(&request)?;
    Ok(UnlockResponse { header: ports.delete_range(request).await?.header })
}
