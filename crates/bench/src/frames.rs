//! HTTP/2 frames, as much as a load generator needs (RFC 9113): fixed bytes out, lengths in.

/// The client's preface, SETTINGS and a large connection window.
///
/// The header table is set to 0, so that blocks need no state on either side.
pub(crate) fn opening(stream_window: u32) -> Vec<u8> {
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let settings: [(u16, u32); 3] = [(0x1, 0), (0x2, 0), (0x4, stream_window)];
    head(&mut out, settings.len() * 6, SETTINGS, 0, 0);
    for (id, value) in settings {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
    window_update(&mut out, 0, WINDOW_BYTES - WINDOW_BYTES_DEFAULT);
    out
}

/// Window for each stream and for the connection.
pub(crate) const WINDOW_BYTES: u32 = 1 << 30;
/// What windows are before anybody says otherwise.
pub(crate) const WINDOW_BYTES_DEFAULT: u32 = 65_535;

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const WINDOW_UPDATE: u8 = 0x8;

/// END_STREAM on DATA and HEADERS, ACK on SETTINGS and PING.
pub(crate) const FLAG_END: u8 = 0x1;
const FLAG_END_HEADERS: u8 = 0x4;

/// A frame as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) body: &'a [u8],
}

/// Splits the first whole frame off `bytes`; `None` until it is there. Gives its length too.
pub(crate) fn split(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let head = bytes.get(..9)?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let body = bytes.get(9..9 + length)?;
    let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
    Some((Frame { kind: head[3], flags: head[4], stream, body }, 9 + length))
}

/// Appends a frame head.
pub(crate) fn head(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    out.extend_from_slice(&[(length >> 16) as u8, (length >> 8) as u8, length as u8, kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
}

/// Appends a window update.
pub(crate) fn window_update(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    head(out, 4, WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&bytes.to_be_bytes());
}

/// The header block of a call, encoded once: literals that are never indexed.
pub(crate) fn header_block(path: &str, token: Option<&str>) -> Vec<u8> {
    // Static table: 3 is ":method: POST", 6 is ":scheme: http".
    let mut out = vec![0x83, 0x86];
    let mut fields = vec![
        (":path", path),
        (":authority", "bench"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    fields.extend(token.map(|token| ("token", token)));
    for (name, value) in fields {
        out.push(0x10);
        for text in [name, value] {
            // Longer ones would need a longer length; no token of etcd's has 127 letters.
            assert!(text.len() < 127, "header {name} is too long");
            out.push(text.len() as u8);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// SETTINGS_INITIAL_WINDOW_SIZE, if these settings have it.
pub(crate) fn initial_window(settings: &[u8]) -> Option<u32> {
    settings.chunks_exact(6).find_map(|setting| {
        let (id, value) = setting.split_at(2);
        (id == [0, 4]).then(|| u32::from_be_bytes([value[0], value[1], value[2], value[3]]))
    })
}

/// Messages are cut at the frame size every peer must take.
const FRAME_BYTES: usize = 16_384;

/// Appends the HEADERS that begin a call.
pub(crate) fn headers(out: &mut Vec<u8>, stream: u32, block: &[u8]) {
    head(out, block.len(), HEADERS, FLAG_END_HEADERS, stream);
    out.extend_from_slice(block);
}

/// What stands before a message: not compressed, its length.
pub(crate) fn prefix(message: &[u8]) -> [u8; 5] {
    let length = (message.len() as u32).to_be_bytes();
    [0, length[0], length[1], length[2], length[3]]
}

/// Appends a message and, if told so, the end of our side.
pub(crate) fn message(out: &mut Vec<u8>, stream: u32, message: &[u8], end: bool) {
    let first = message.len().min(FRAME_BYTES - 5);
    let (now, rest) = message.split_at(first);
    let flags = if end && rest.is_empty() { FLAG_END } else { 0 };
    head(out, 5 + now.len(), DATA, flags, stream);
    out.extend_from_slice(&prefix(message));
    out.extend_from_slice(now);
    data(out, stream, rest, end);
}

/// Appends bytes as DATA frames; none for no bytes.
pub(crate) fn data(out: &mut Vec<u8>, stream: u32, bytes: &[u8], end: bool) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(FRAME_BYTES));
        let flags = if end && later.is_empty() { FLAG_END } else { 0 };
        head(out, now.len(), DATA, flags, stream);
        out.extend_from_slice(now);
        rest = later;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_split_back_into_its_frames() {
        for size in [0, 10, 16_379, 16_380, 40_000] {
            let mut out = Vec::new();
            headers(&mut out, 5, b"block");
            message(&mut out, 5, &vec![7; size], true);
            let (frame, mut at) = split(&out).unwrap();
            assert_eq!((frame.kind, frame.stream, frame.body), (HEADERS, 5, &b"block"[..]));
            let mut got = Vec::new();
            let mut ended = false;
            while let Some((frame, used)) = split(&out[at..]) {
                assert!(!ended && frame.kind == DATA && frame.body.len() <= 16_384);
                got.extend_from_slice(frame.body);
                ended = frame.flags & FLAG_END != 0;
                at += used;
            }
            assert!(ended && at == out.len());
            assert_eq!(got.len(), 5 + size);
        }
    }
}
