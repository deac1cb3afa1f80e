//! HTTP/2 frames (RFC 9113, sections 4 and 6), as much as is needed to follow where they begin.

pub(super) const HEAD_BYTES: usize = 9;
/// Largest payload a client may send: what HTTP/2 begins with, as we never announce another.
pub(super) const PAYLOAD_BYTES_MAX: usize = 16 * 1024;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;
const PRIORITY_BYTES: usize = 5;
const SETTING_BYTES: usize = 6;
const HEADER_TABLE_SIZE: [u8; 2] = [0, 1];

/// What stands before each payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) bytes: usize,
    pub(super) kind: u8,
    flags: u8,
    pub(super) stream: u32,
}

impl Head {
    pub(super) fn read(head: &[u8; HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = *head;
        let bytes = u32::from_be_bytes([0, a, b, c]) as usize;
        Self { bytes, kind, flags, stream: u32::from_be_bytes(stream) & 0x7fff_ffff }
    }

    pub(super) fn ends_stream(self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    pub(super) fn ends_headers(self) -> bool {
        self.flags & END_HEADERS != 0
    }

    pub(super) fn is_ack(self) -> bool {
        self.flags & ACK != 0
    }

    /// The part of a header block in the payload of HEADERS; `None` if it makes no sense.
    pub(super) fn block(self, payload: &[u8]) -> Option<&[u8]> {
        let (mut block, mut padding) = (payload, 0);
        if self.flags & PADDED != 0 {
            let (first, rest) = block.split_first()?;
            (block, padding) = (rest, usize::from(*first));
        }
        if self.flags & WITH_PRIORITY != 0 {
            block = block.get(PRIORITY_BYTES..)?;
        }
        block.get(..block.len().checked_sub(padding)?)
    }
}

/// The sizes of the header table that a client sets.
pub(super) fn table_sizes(payload: &[u8]) -> impl Iterator<Item = u32> {
    payload.chunks_exact(SETTING_BYTES).filter_map(|setting| {
        let value = setting.strip_prefix(&HEADER_TABLE_SIZE)?;
        value.first_chunk().map(|value| u32::from_be_bytes(*value))
    })
}

/// Appends the head of a frame that is the whole answer of a stream; its length is set later.
pub(super) fn put_answer_head(out: &mut Vec<u8>, stream: u32) {
    out.extend_from_slice(&[0, 0, 0, HEADERS, END_STREAM | END_HEADERS]);
    out.extend_from_slice(&stream.to_be_bytes());
}

/// Sets the length in the head of a frame that is whole.
pub(super) fn set_bytes(frame: &mut [u8]) {
    let [_, length @ ..] = ((frame.len() - HEAD_BYTES) as u32).to_be_bytes();
    frame[..length.len()].copy_from_slice(&length);
}

/// A frame by which the client may send so many bytes more on the connection.
pub(in crate::connection) fn window_update(bytes: u32) -> [u8; HEAD_BYTES + 4] {
    let [a, b, c, d] = bytes.to_be_bytes();
    [0, 0, 4, WINDOW_UPDATE, 0, 0, 0, 0, 0, a, b, c, d]
}
