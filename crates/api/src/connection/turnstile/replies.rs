//! What is said to the client in place of the HTTP/2 library.

use std::sync::LazyLock;

use ketch_base::Code;

use super::frame::{self, HEAD_BYTES};
use crate::status::Status;

/// A client's table for header fields, unless it says otherwise.
pub(super) const TABLE_BYTES: u32 = 4096;
/// No answer is longer.
const ANSWER_BYTES_MAX: usize = 128;
/// Longest number in a block.
const NUMBER_BYTES_MAX: usize = 6;

/// The header block of every refusal. Fields are told in full and not remembered: so it does not
/// matter what the library has its client remember.
static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let status = Status::from(Code::RequestTooManyRequests);
    // ":status: 200", by its number in the static table.
    let mut block = vec![0x88];
    let fields = [
        ("content-type", "application/grpc"),
        ("grpc-status", &status.number.to_string()),
        ("grpc-message", &status.text),
    ];
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            put_number(&mut block, 0, 7, text.len() as u32);
            block.extend_from_slice(text.as_bytes());
        }
    }
    debug_assert!(HEAD_BYTES + NUMBER_BYTES_MAX + block.len() <= ANSWER_BYTES_MAX);
    block
});

/// Whole frames for a client, gathered while its bytes are looked at.
#[derive(Default)]
pub(super) struct Replies {
    /// The frames.
    pub(super) frames: Vec<u8>,
    /// So many bytes they may have.
    room_bytes: usize,
    /// Bytes that the client may send anew.
    window_bytes: usize,
}

impl Replies {
    /// Begins anew.
    pub(super) fn begin(&mut self, room_bytes: usize) {
        self.frames.clear();
        (self.room_bytes, self.window_bytes) = (room_bytes, 0);
    }

    /// Whether one more answer may be given.
    pub(super) fn has_room(&self) -> bool {
        self.frames.len() + ANSWER_BYTES_MAX <= self.room_bytes
    }

    /// Refuses a call, to a client whose table for header fields has this size.
    pub(super) fn refuse(&mut self, stream: u32, table_bytes: u32) {
        let head_at = self.frames.len();
        frame::put_answer_head(&mut self.frames, stream);
        if table_bytes < TABLE_BYTES {
            put_number(&mut self.frames, 0x20, 5, table_bytes);
        }
        self.frames.extend_from_slice(&BLOCK);
        frame::set_bytes(&mut self.frames[head_at..]);
    }

    /// Gives bytes back that the library will not.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.window_bytes += bytes;
    }

    /// The bytes given back.
    pub(super) fn window_bytes(&self) -> usize {
        self.window_bytes
    }
}

/// Appends a number that begins in the lower bits of a byte (RFC 7541, section 5.1).
fn put_number(out: &mut Vec<u8>, upper: u8, bits: u32, number: u32) {
    let most = (1 << bits) - 1;
    if number < most {
        out.push(upper | number as u8);
        return;
    }
    out.push(upper | most as u8);
    let mut rest = number - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
