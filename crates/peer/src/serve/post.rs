//! A message posted by itself.

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use ketch_base::MemberId;
use ketch_raft_proto::raftpb::Message;

use super::{Port, answer};
use crate::client::{Outbound, read_all};
use crate::ports::Ports;
use crate::status::Counters;
use crate::{frame, limits};

/// `POST /raft`.
pub(super) async fn message<P: Ports>(
    port: &Port<P>,
    request: Request<Incoming>,
) -> Response<Outbound> {
    port.taken(take(port, request).await)
}

async fn take<P: Ports>(
    port: &Port<P>,
    request: Request<Incoming>,
) -> Result<(), Response<Outbound>> {
    let bad = |text| answer::refusal(StatusCode::BAD_REQUEST, text);
    let body = port.posted(request).map_err(answer::refused)?;
    let body = read_all(body, limits::MESSAGE_BYTES, port.patience())
        .await
        .map_err(|_| bad("error reading raft message"))?;
    let message = frame::decode(&body).map_err(|_| bad("error unmarshalling raft message"))?;
    let link = port.shared.link(MemberId(message.from()));
    let refusal = deliver(port, message);
    if let Some(link) = link {
        Counters::add(&link.counters.received_bytes, body.len());
        if refusal.is_some() {
            Counters::add(&link.counters.receive_failures, 1);
        }
    }
    refusal.map_or(Ok(()), Err)
}

/// Gives the message to the member, unless it comes from one that is gone or is for another;
/// returns the refusal.
fn deliver<P: Ports>(port: &Port<P>, message: Message) -> Option<Response<Outbound>> {
    if port.ports.is_removed(MemberId(message.from())) {
        return Some(removed());
    }
    if message.to() != port.config().local.0 || !port.ports.deliver(message) {
        let mut refusal =
            answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, "error processing raft message");
        refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return Some(refusal);
    }
    None
}

/// What a removed member is told: it stops when it reads the status.
pub(super) fn removed() -> Response<Outbound> {
    let mut response =
        answer::body(answer::JSON, r#"{"message":"cannot process message from removed member"}"#);
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}
