//! The body of the answer to a dialed stream: what we have to say, as long as the stream stands.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use ketch_raft_proto::raftpb::Message;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Kind, Link};
use crate::frame::{append, message};
use crate::status::Counters;

/// Takes messages from the link whenever the socket has room; all that wait share one write.
pub(crate) struct Outgoing {
    link: Arc<Link>,
    kind: Kind,
    number: u64,
    beat: Interval,
    encoder: append::Encoder,
    taken: Vec<Message>,
    bytes: BytesMut,
}

impl Outgoing {
    pub(super) fn new(link: Arc<Link>, kind: Kind, number: u64) -> Self {
        let mut beat = interval(link.shared.config.heartbeat());
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (encoder, bytes) = (append::Encoder::default(), BytesMut::new());
        Self { link, kind, number, beat, encoder, taken: Vec::new(), bytes }
    }

    /// Encodes what was taken into one buffer of about `size` bytes.
    fn encode(&mut self, size: usize) {
        self.bytes.reserve(size);
        for taken in self.taken.drain(..) {
            match self.kind {
                Kind::Message => message::encode(&taken, &mut self.bytes),
                Kind::Append => self.encoder.encode(&taken, &mut self.bytes),
            }
        }
    }

    fn encode_heartbeat(&mut self) {
        match self.kind {
            Kind::Message => message::encode_heartbeat(&mut self.bytes),
            Kind::Append => append::Encoder::encode_heartbeat(&mut self.bytes),
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        match this.link.take(this.kind, this.number, cx, &mut this.taken) {
            Poll::Ready(_) if this.taken.is_empty() => return Poll::Ready(None),
            Poll::Ready(size) => this.encode(size),
            // A stream that is busy needs no heartbeat.
            Poll::Pending if this.beat.poll_tick(cx).is_ready() => this.encode_heartbeat(),
            Poll::Pending => return Poll::Pending,
        }
        let bytes = this.bytes.split().freeze();
        Counters::add(&this.link.counters.sent_bytes, bytes.len());
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.link.detach(self.kind, self.number);
    }
}
