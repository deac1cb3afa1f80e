//! Takes the frames of refused calls out of what a client sends.

use super::frame::{self, HEAD_BYTES, Head, PAYLOAD_BYTES_MAX};
use super::hpack::{Said, Tracker};
use super::replies::{Replies, TABLE_BYTES};
use super::streams::Streams;
use crate::limits::HEADER_LIST_BYTES;
use crate::method::Method;

/// A client may put its connection's preface in front of its frames.
const PREFACE_BYTES: usize = 24;
/// Largest header block that is followed, in bytes as they are sent.
const BLOCK_BYTES_MAX: usize = HEADER_LIST_BYTES as usize;

/// Follows one client's frames from the begin of the connection.
pub(super) struct Filter {
    /// Bytes of the payload under way that are still to come.
    left: usize,
    /// And whether the library sees them.
    fate: Fate,
    streams: Streams,
    /// `None` once the client's header compression cannot be followed any more: from then on no
    /// call is refused here.
    tracker: Option<Tracker>,
    /// The stream and the begin of a header block that goes on in the next frame.
    unended: Option<(u32, Vec<u8>)>,
    /// Size of the client's table for the headers of our answers; `None` before the first settings.
    table_size: Option<u32>,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    Drop,
}

/// What came of a look at some bytes. They were moved together: first those that the library sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    /// So many are for the library.
    pub(super) passed: usize,
    /// From here on begins a frame that cannot be judged before more of it is there.
    pub(super) unjudged: usize,
}

impl Filter {
    pub(super) fn new() -> Self {
        Self {
            left: PREFACE_BYTES,
            fate: Fate::Pass,
            streams: Streams::default(),
            tracker: Some(Tracker::default()),
            unended: None,
            table_size: None,
        }
    }

    /// Looks at the next bytes. `refuse` is asked for each call that could be refused, and means
    /// it. What is to be answered goes to `replies`.
    pub(super) fn look(
        &mut self,
        bytes: &mut [u8],
        replies: &mut Replies,
        refuse: &mut impl FnMut(Method) -> bool,
    ) -> Looked {
        let (mut at, mut passed) = (0, 0);
        loop {
            let length = self.left.min(bytes.len() - at);
            if self.fate == Fate::Pass {
                if at != passed {
                    bytes.copy_within(at..at + length, passed);
                }
                passed += length;
            }
            at += length;
            self.left -= length;
            if self.left > 0 {
                return Looked { passed, unjudged: at };
            }
            let Some((head, rest)) = bytes[at..].split_first_chunk::<HEAD_BYTES>() else {
                return Looked { passed, unjudged: at };
            };
            let head = Head::read(head);
            let Some(fate) = self.judge(head, rest.get(..head.bytes), replies, refuse) else {
                return Looked { passed, unjudged: at };
            };
            self.left = HEAD_BYTES + head.bytes;
            self.fate = fate;
        }
    }

    /// What becomes of a frame; `None` if that cannot be told before all of its payload is there.
    fn judge(
        &mut self,
        head: Head,
        payload: Option<&[u8]>,
        replies: &mut Replies,
        refuse: &mut impl FnMut(Method) -> bool,
    ) -> Option<Fate> {
        if head.bytes > PAYLOAD_BYTES_MAX {
            // The library ends the connection for it.
            return Some(Fate::Pass);
        }
        if self.unended.is_some() && head.kind != frame::CONTINUATION {
            self.lose_track();
        }
        Some(match head.kind {
            frame::HEADERS => self.headers(head, payload?, replies, refuse),
            frame::CONTINUATION => self.continuation(head, payload?),
            frame::SETTINGS => self.settings(head, payload?),
            frame::DATA | frame::RST_STREAM | frame::WINDOW_UPDATE | frame::PRIORITY
                if self.streams.is_refused(head.stream) =>
            {
                if head.kind == frame::DATA {
                    replies.give_back(head.bytes);
                }
                if head.kind == frame::RST_STREAM || head.ends_stream() {
                    self.streams.finish(head.stream);
                }
                Fate::Drop
            }
            _ => Fate::Pass,
        })
    }

    fn headers(
        &mut self,
        head: Head,
        payload: &[u8],
        replies: &mut Replies,
        refuse: &mut impl FnMut(Method) -> bool,
    ) -> Fate {
        let stream = head.stream;
        let said = self.read(head, payload);
        if self.streams.is_refused(stream) {
            // Trailers; no gRPC client sends any.
            if head.ends_stream() || !said.is_passing {
                self.streams.finish(stream);
            }
            if said.is_passing {
                return Fate::Drop;
            }
        } else if self.streams.is_new(stream)
            && said.is_passing
            && let (Some(method), Some(table_size)) = (said.call, self.table_size)
            && (head.ends_stream() || self.streams.has_room())
            && replies.has_room()
            && refuse(method)
        {
            self.streams.refuse(stream, head.ends_stream());
            replies.refuse(stream, table_size);
            return Fate::Drop;
        }
        self.streams.pass(stream);
        Fate::Pass
    }

    /// Reads the header block; says nothing if that cannot be done now.
    fn read(&mut self, head: Head, payload: &[u8]) -> Said {
        let Some(tracker) = &mut self.tracker else { return Said::default() };
        let Some(block) = head.block(payload) else {
            self.lose_track();
            return Said::default();
        };
        if !head.ends_headers() {
            self.unended = Some((head.stream, block.to_vec()));
            return Said::default();
        }
        tracker.read(block).unwrap_or_else(|_| {
            self.lose_track();
            Said::default()
        })
    }

    fn continuation(&mut self, head: Head, payload: &[u8]) -> Fate {
        let Some(tracker) = &mut self.tracker else { return Fate::Pass };
        let is_followed = match self.unended.take() {
            Some((stream, mut block))
                if stream == head.stream && block.len() + payload.len() <= BLOCK_BYTES_MAX =>
            {
                block.extend_from_slice(payload);
                if head.ends_headers() {
                    tracker.read(&block).is_ok()
                } else {
                    self.unended = Some((stream, block));
                    true
                }
            }
            _ => false,
        };
        if !is_followed {
            self.lose_track();
        }
        Fate::Pass
    }

    /// Where a client has a smaller table than usual, the next block must begin with saying so,
    /// and that may be one of ours: so each of ours does. Later changes could cross with what the
    /// library sends at the time.
    fn settings(&mut self, head: Head, payload: &[u8]) -> Fate {
        let mut sizes = frame::table_sizes(payload);
        let size = sizes.next();
        if sizes.next().is_some() || (size.is_some() && self.table_size.is_some()) {
            self.lose_track();
        }
        if !head.is_ack() && self.table_size.is_none() {
            self.table_size = Some(size.unwrap_or(TABLE_BYTES));
        }
        Fate::Pass
    }

    /// From now on nothing is refused here.
    fn lose_track(&mut self) {
        self.tracker = None;
        self.unended = None;
    }
}

#[cfg(test)]
mod tests;
