//! Sends one snapshot: the message, then the database, in one long post.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Method};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use ketch_raft_proto::raftpb::Message;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tracing::{info, warn};

use super::Link;
use super::pipeline::{PostError, check};
use crate::frame::message;
use crate::headers;
use crate::limits;
use crate::ports::Chunks;
use crate::status::Counters;

impl Link {
    /// Sends in a task of its own; one to a member at a time.
    pub(crate) fn send_snapshot(self: &Arc<Self>, message: Box<Message>, chunks: Chunks) {
        let slot = self.shared.snapshot_slots.clone().try_acquire_owned().ok();
        let Some(slot) = slot.filter(|_| !self.sends_snapshot.swap(true, Ordering::SeqCst)) else {
            warn!(peer = %self.id, "too many snapshots are being sent");
            self.shared.inward.snapshot_sent(self.id, false);
            return;
        };
        let report = Report { link: self.clone(), arrived: false };
        let task = self.shared.runtime.spawn(async move {
            let _slot = slot;
            send(report, message, chunks).await;
        });
        self.keep(vec![task.abort_handle()]);
    }
}

/// Reports the outcome, also if the task is ended early.
struct Report {
    link: Arc<Link>,
    arrived: bool,
}

impl Drop for Report {
    fn drop(&mut self) {
        self.link.sends_snapshot.store(false, Ordering::SeqCst);
        self.link.shared.inward.snapshot_sent(self.link.id, self.arrived);
    }
}

async fn send(mut report: Report, message: Box<Message>, chunks: Chunks) {
    let link = report.link.clone();
    let begun = link.counters.sending.begin();
    let index = message.snapshot.as_ref().and_then(|s| s.metadata.as_ref()).map(|m| m.index());
    info!(peer = %link.id, index, "sending a snapshot");
    let outcome = post(&link, &message, chunks).await;
    report.arrived = outcome.is_ok();
    link.counters.sending.end(begun, report.arrived);
    match outcome {
        Ok(()) => {
            info!(peer = %link.id, index, took = ?begun.elapsed(), "snapshot sent");
            link.up("snapshot");
        }
        Err(error) => {
            warn!(peer = %link.id, index, %error, "snapshot was not sent");
            link.down("snapshot", &error);
            link.lost(1);
            if matches!(error, PostError::Removed) {
                link.shared.inward.removed_self();
            }
        }
    }
}

async fn post(link: &Arc<Link>, message: &Message, chunks: Chunks) -> Result<(), PostError> {
    let config = &link.shared.config;
    let stall = Duration::from_millis(limits::SNAPSHOT_STALL_MS);
    let mut client = link.connect(stall).await?;
    let mut fields = HeaderMap::new();
    headers::put(config, &mut fields);
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let mut envelope = BytesMut::new();
    message::encode(message, &mut envelope);
    let (ended, end) = oneshot::channel();
    let body = Database {
        link: link.clone(),
        envelope: Some(envelope.freeze()),
        chunks: read_ahead(chunks),
        begun: Instant::now(),
        bytes: 0,
        pause: Box::pin(sleep(Duration::ZERO)),
        _ended: ended,
    };
    let answer = client.request(Method::POST, "/raft/snapshot", fields, body.boxed_unsync());
    tokio::select! {
        answer = answer => check(link, answer?).await,
        () = late(end) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

/// Ends when the receiver has had all of the body for too long.
async fn late(end: oneshot::Receiver<()>) {
    // The sender is only ever dropped, together with the body.
    let _ = end.await;
    sleep(Duration::from_millis(limits::SNAPSHOT_ANSWER_MS)).await;
}

/// Pulls the chunks on a blocking thread, a few ahead of the socket.
fn read_ahead(chunks: Chunks) -> mpsc::Receiver<io::Result<Bytes>> {
    let (ahead, behind) = mpsc::channel(limits::SNAPSHOT_CHUNKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        for chunk in chunks {
            let failed = chunk.is_err();
            if ahead.blocking_send(chunk).is_err() || failed {
                return;
            }
        }
    });
    behind
}

/// The body of the post, not faster than [`limits::SNAPSHOT_BYTES_PER_SECOND`].
struct Database {
    link: Arc<Link>,
    envelope: Option<Bytes>,
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    begun: Instant,
    bytes: u64,
    pause: Pin<Box<Sleep>>,
    _ended: oneshot::Sender<()>,
}

impl Body for Database {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        ready!(this.pause.as_mut().poll(cx));
        let bytes = match this.envelope.take() {
            Some(envelope) => envelope,
            None => match ready!(this.chunks.poll_recv(cx)) {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            },
        };
        Counters::add(&this.link.counters.sent_bytes, bytes.len());
        this.bytes += bytes.len() as u64;
        let due_ms = this.bytes * 1_000 / limits::SNAPSHOT_BYTES_PER_SECOND;
        this.pause = Box::pin(sleep_until(this.begun + Duration::from_millis(due_ms)));
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}
