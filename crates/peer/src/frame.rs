//! Frames on streams: pure functions between bytes and messages.
//!
//! Decoders take bytes as they come and hold no more than have come; what a header claims is
//! compared with its bound first and never allocated ahead.

pub mod append;
mod count;
pub mod message;

use bytes::{Buf, BytesMut};
use ketch_raft_proto::raftpb::Message;
use prost::Message as _;

use crate::limits;

/// Why a stream cannot be read on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length above [`limits::MESSAGE_BYTES`].
    #[error("frame of {bytes} bytes is too long")]
    TooLong {
        /// What the header said, or what came so far.
        bytes: u64,
    },
    /// A count above [`limits::APPEND_ENTRIES`].
    #[error("append of {entries} entries is too long")]
    TooManyEntries {
        /// What the header said.
        entries: u64,
    },
    /// A frame type that msgappv2 does not have.
    #[error("unknown frame type {0}")]
    UnknownType(u8),
    /// The position of the stream does not fit into 64 bits.
    #[error("entry index overflows")]
    IndexOverflow,
    /// The bytes are no message.
    #[error("malformed message: {0}")]
    Malformed(#[from] prost::DecodeError),
}

/// Bytes that have come and are not decoded yet.
#[derive(Debug, Default)]
struct Received {
    bytes: BytesMut,
}

impl Received {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The big-endian number at `offset`, if it is all there.
    fn number(&self, offset: usize) -> Option<u64> {
        let bytes = self.bytes.get(offset..offset + 8)?;
        Some(u64::from_be_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    /// The length at `offset` and the bytes after it; `None` until both are there.
    fn sized(&self, offset: usize) -> Result<Option<&[u8]>, FrameError> {
        let Some(claimed) = self.number(offset) else { return Ok(None) };
        let length = checked_length(claimed)?;
        Ok(self.bytes.get(offset + 8..offset + 8 + length))
    }

    fn consume(&mut self, bytes: usize) {
        self.bytes.advance(bytes);
        if self.bytes.is_empty() && self.bytes.capacity() > limits::RECEIVE_BUFFER_KEPT_BYTES {
            self.bytes = BytesMut::new();
        }
    }
}

/// Decodes one message, after a look at how much memory it would take.
pub(crate) fn decode(bytes: &[u8]) -> Result<Message, FrameError> {
    if bytes.len() > limits::UNCOUNTED_BYTES {
        count::check(bytes)?;
    }
    Ok(Message::decode(bytes)?)
}

fn checked_length(claimed: u64) -> Result<usize, FrameError> {
    usize::try_from(claimed)
        .ok()
        .filter(|length| *length <= limits::MESSAGE_BYTES)
        .ok_or(FrameError::TooLong { bytes: claimed })
}
