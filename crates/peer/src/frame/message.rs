//! The message stream: eight bytes of length, then one message; a snapshot begins the same way.
//!
//! ```
//! use bytes::BytesMut;
//! use ketch_peer::frame::message::{Decoder, encode};
//! use ketch_raft_proto::raftpb::{Message, MessageType};
//! let kind = Some(MessageType::MsgVote as i32);
//! let vote = Message { r#type: kind, to: Some(2), ..Message::default() };
//! let mut wire = BytesMut::new();
//! encode(&vote, &mut wire);
//! let mut decoder = Decoder::default();
//! decoder.push(&wire);
//! assert_eq!(decoder.next_message(), Ok(Some(vote)));
//! ```

use bytes::{BufMut, BytesMut};
use ketch_raft_proto::raftpb::{Message, MessageType};
use prost::Message as _;

use super::{FrameError, Received};

/// A link heartbeat: a message of type 8 (`MsgHeartbeat`) without sender and receiver.
const HEARTBEAT: [u8; 10] = [0, 0, 0, 0, 0, 0, 0, 2, 8, 8];

/// Appends one frame to `out`.
pub fn encode(message: &Message, out: &mut BytesMut) {
    let length = message.encoded_len();
    out.reserve(8 + length);
    out.put_u64(length as u64);
    message.encode_raw(out);
}

/// Appends a link heartbeat to `out`.
pub fn encode_heartbeat(out: &mut BytesMut) {
    out.put_slice(&HEARTBEAT);
}

/// Makes messages of bytes as they come. Entry data is copied once, each into its own allocation,
/// so that a key kept for long does not hold a network buffer.
#[derive(Debug, Default)]
pub struct Decoder {
    received: Received,
}

impl Decoder {
    /// Takes bytes that came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.push(bytes);
    }

    /// The next message; `None` until more bytes come. Link heartbeats are passed over.
    ///
    /// # Errors
    /// The stream is garbage from here on.
    pub fn next_message(&mut self) -> Result<Option<Message>, FrameError> {
        loop {
            let Some(body) = self.received.sized(0)? else { return Ok(None) };
            let length = body.len();
            let message = super::decode(body)?;
            self.received.consume(8 + length);
            if !is_link_heartbeat(&message) {
                return Ok(Some(message));
            }
        }
    }
}

/// No Raft heartbeat is without sender and receiver.
fn is_link_heartbeat(message: &Message) -> bool {
    message.r#type == Some(MessageType::MsgHeartbeat as i32)
        && message.from() == 0
        && message.to() == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    fn vote() -> Message {
        let kind = Some(MessageType::MsgVote as i32);
        Message { r#type: kind, to: Some(1), from: Some(2), term: Some(3), ..Message::default() }
    }

    #[test]
    fn the_link_heartbeat_is_ten_bytes_and_is_passed_over() {
        let mut wire = BytesMut::new();
        encode_heartbeat(&mut wire);
        let spelled =
            Message { r#type: Some(MessageType::MsgHeartbeat as i32), ..Message::default() };
        let mut long = BytesMut::new();
        encode(&spelled, &mut long);
        assert_eq!(wire, long);
        // Releases before 3.7 write the zeros out.
        wire.put_slice(&[0, 0, 0, 0, 0, 0, 0, 6, 8, 8, 16, 0, 24, 0]);
        encode(&vote(), &mut wire);
        let mut decoder = Decoder::default();
        decoder.push(&wire);
        assert_eq!(decoder.next_message(), Ok(Some(vote())));
        assert_eq!(decoder.next_message(), Ok(None));
    }

    #[test]
    fn a_frame_may_come_byte_by_byte() {
        let mut wire = BytesMut::new();
        encode(&vote(), &mut wire);
        assert_eq!(&wire[..], [0, 0, 0, 0, 0, 0, 0, 8, 8, 5, 16, 1, 24, 2, 32, 3]);
        let mut decoder = Decoder::default();
        for byte in &wire[..wire.len() - 1] {
            decoder.push(&[*byte]);
            assert_eq!(decoder.next_message(), Ok(None));
        }
        decoder.push(&wire[wire.len() - 1..]);
        assert_eq!(decoder.next_message(), Ok(Some(vote())));
    }

    #[test]
    fn garbage_is_refused() {
        let refused = |wire: &[u8]| {
            let mut decoder = Decoder::default();
            decoder.push(wire);
            decoder.next_message().expect_err("garbage")
        };
        let bytes = limits::MESSAGE_BYTES as u64 + 1;
        assert_eq!(refused(&bytes.to_be_bytes()), FrameError::TooLong { bytes });
        assert_eq!(refused(&[255; 8]), FrameError::TooLong { bytes: u64::MAX });
        let wire = [0, 0, 0, 0, 0, 0, 0, 1, 8];
        assert!(matches!(refused(&wire), FrameError::Malformed(_)));
    }
}
