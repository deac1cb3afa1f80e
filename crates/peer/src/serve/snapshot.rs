//! A snapshot comes: the message, then the database.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use ketch_base::MemberId;
use ketch_raft_proto::raftpb::{Message, MessageType};
use tracing::{info, warn};

use super::{Port, answer, post};
use crate::client::{Outbound, next_chunk};
use crate::link::Link;
use crate::ports::{Ports, SnapshotRefused};
use crate::status::Counters;
use crate::{frame, limits};

/// The database of a snapshot as it comes.
pub struct SnapshotBody {
    first: Option<Bytes>,
    body: Incoming,
    patience: Duration,
    link: Option<Arc<Link>>,
}

impl SnapshotBody {
    /// The next bytes; `None` at the end. After an error the database is not whole and nothing
    /// more comes.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        let chunk = next_chunk(&mut self.body, self.patience).await.transpose()?;
        if let (Some(link), Ok(bytes)) = (&self.link, &chunk) {
            Counters::add(&link.counters.received_bytes, bytes.len());
        }
        Some(chunk)
    }
}

/// `POST /raft/snapshot`.
pub(super) async fn receive<P: Ports>(
    port: &Port<P>,
    request: Request<Incoming>,
) -> Response<Outbound> {
    port.taken(take(port, request).await)
}

async fn take<P: Ports>(
    port: &Port<P>,
    request: Request<Incoming>,
) -> Result<(), Response<Outbound>> {
    let bad = |text: &str| answer::refusal(StatusCode::BAD_REQUEST, text);
    let mut body = port.posted(request).map_err(answer::refused)?;
    let (message, first) = envelope(&mut body, port.patience()).await.map_err(|why| {
        warn!(%why, "a snapshot came whose message cannot be read");
        bad(&format!("failed to decode raft message ({why})"))
    })?;
    if message.r#type != Some(MessageType::MsgSnap as i32) {
        return Err(bad("wrong raft message type"));
    }
    let from = MemberId(message.from());
    if port.ports.is_removed(from) {
        return Err(post::removed());
    }
    let (ports, link) = (port.ports.clone(), port.shared.link(from));
    let patience = Duration::from_millis(limits::SNAPSHOT_STALL_MS);
    let body = SnapshotBody { first, body, patience, link };
    let is_ours = message.to() == port.config().local.0;
    // In a task of its own: the connection's is dropped where it stands when the sender breaks
    // off, and the receiver would have no chance to clean up.
    let taken = tokio::spawn(async move {
        if !is_ours {
            return Err(SnapshotRefused::Process("message is for another member".into()));
        }
        save(&*ports, message, body).await
    });
    let outcome = taken.await.unwrap_or_else(|e| Err(SnapshotRefused::Process(e.to_string())));
    outcome
        .map_err(|refused| answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, &refused.to_string()))
}

async fn save<P: Ports>(
    ports: &P,
    message: Message,
    body: SnapshotBody,
) -> Result<(), SnapshotRefused> {
    let (from, link) = (MemberId(message.from()), body.link.clone());
    info!(peer = %from, "receiving a snapshot");
    let begun = link.as_ref().map(|link| link.counters.receiving.begin());
    let outcome = ports.receive_snapshot(message, body).await;
    if let (Some(link), Some(begun)) = (&link, begun) {
        link.counters.receiving.end(begun, outcome.is_ok());
    }
    match &outcome {
        Ok(()) => info!(peer = %from, "snapshot received"),
        Err(refused) => warn!(peer = %from, %refused, "snapshot was not taken"),
    }
    outcome
}

/// Reads the message and what came behind it in the same piece.
async fn envelope(
    body: &mut Incoming,
    patience: Duration,
) -> Result<(Message, Option<Bytes>), String> {
    let mut bytes = BytesMut::new();
    loop {
        if bytes.len() >= 8 {
            let claimed = (&bytes[..8]).get_u64();
            let length = usize::try_from(claimed).unwrap_or(usize::MAX);
            if length > limits::SNAPSHOT_ENVELOPE_BYTES {
                return Err("rafthttp: error limit exceeded".into());
            }
            if bytes.len() >= 8 + length {
                bytes.advance(8);
                let message = frame::decode(&bytes[..length]).map_err(|e| e.to_string())?;
                bytes.advance(length);
                return Ok((message, (!bytes.is_empty()).then(|| bytes.freeze())));
            }
        }
        match next_chunk(body, patience).await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) if bytes.is_empty() => return Err("EOF".into()),
            Ok(None) => return Err("unexpected EOF".into()),
            Err(error) => return Err(error.to_string()),
        }
    }
}
