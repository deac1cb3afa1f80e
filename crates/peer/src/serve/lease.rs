//! Lease questions of members that do not lead.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use ketch_base::Code;
use ketch_proto::etcdserverpb::LeaseKeepAliveRequest;
use ketch_proto::leasepb::LeaseInternalRequest;
use prost::Message as _;

use super::{Port, answer};
use crate::client::{BodyError, Outbound, read_all};
use crate::limits;
use crate::ports::Ports;

/// `POST /leases`.
pub(super) async fn renew<P: Ports>(
    port: &Port<P>,
    request: Request<Incoming>,
) -> Response<Outbound> {
    let body = match read(port, request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let Ok(request) = LeaseKeepAliveRequest::decode(body) else { return unreadable() };
    match port.ports.renew_lease(request.id).await {
        Ok(answer) => answer::body(answer::PROTOBUF, answer.encode_to_vec()),
        Err(code) => refusal(code, StatusCode::BAD_REQUEST),
    }
}

/// `POST /leases/internal`.
pub(super) async fn internal<P: Ports>(
    port: &Port<P>,
    request: Request<Incoming>,
) -> Response<Outbound> {
    let body = match read(port, request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let request = LeaseInternalRequest::decode(body).ok();
    let Some(request) = request.filter(|r| r.lease_time_to_live_request.is_some()) else {
        return unreadable();
    };
    match port.ports.lease_internal(request).await {
        Ok(answer) => answer::body(answer::PROTOBUF, answer.encode_to_vec()),
        Err(code) => refusal(code, StatusCode::INTERNAL_SERVER_ERROR),
    }
}

async fn read<P: Ports>(
    port: &Port<P>,
    request: Request<Incoming>,
) -> Result<Bytes, Response<Outbound>> {
    let body = request.into_body();
    read_all(body, limits::LEASE_QUESTION_BYTES, port.patience()).await.map_err(|error| match error
    {
        BodyError::TooLong(_) => {
            answer::refusal(StatusCode::PAYLOAD_TOO_LARGE, "request body too large")
        }
        BodyError::Broken(_) => answer::refusal(StatusCode::BAD_REQUEST, "error reading body"),
    })
}

fn unreadable() -> Response<Outbound> {
    answer::refusal(StatusCode::BAD_REQUEST, "error unmarshalling request")
}

/// `other` is the status of what has no status of its own; the two paths differ in it.
fn refusal(code: Code, other: StatusCode) -> Response<Outbound> {
    match code {
        Code::LeaseNotFound => answer::refusal(StatusCode::NOT_FOUND, "lease not found"),
        Code::Timeout | Code::TimeoutWaitAppliedIndex => {
            let text = "waiting for node to catch up its applied index has timed out";
            answer::refusal(StatusCode::REQUEST_TIMEOUT, text)
        }
        _ => answer::refusal(other, code.text()),
    }
}
