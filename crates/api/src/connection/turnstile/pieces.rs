//! A client's bytes looked at piece by piece, as they come from a connection. For tests.

use super::filter::Filter;
use super::frame::Head;
use super::replies::Replies;
use crate::method::Method;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the HTTP/2 library sees.
    pub passed: Vec<u8>,
    /// Of that, what would come only with the end of the connection.
    pub unjudged: usize,
    /// Streams that were answered in its place.
    pub refused: Vec<u32>,
    /// Bytes given back.
    pub window_bytes: usize,
}

/// Looks at the pieces one after the other, with room for so many bytes of answers to each.
pub fn look<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    room_bytes: usize,
    mut refuse: impl FnMut(Method) -> bool,
) -> Outcome {
    let (mut filter, mut replies) = (Filter::new(), Replies::default());
    let (mut outcome, mut unjudged) = (Outcome::default(), Vec::new());
    for piece in pieces {
        let mut bytes = [&unjudged[..], piece].concat();
        replies.begin(room_bytes);
        let looked = filter.look(&mut bytes, &mut replies, &mut refuse);
        outcome.passed.extend_from_slice(&bytes[..looked.passed]);
        unjudged = bytes.split_off(looked.unjudged);
        outcome.window_bytes += replies.window_bytes();
        let mut frames = &replies.frames[..];
        while let Some((head, rest)) = frames.split_first_chunk() {
            let head = Head::read(head);
            assert!(head.ends_stream() && head.ends_headers(), "an answer is one frame");
            outcome.refused.push(head.stream);
            frames = &rest[head.bytes..];
        }
    }
    outcome.unjudged = unjudged.len();
    outcome.passed.extend(unjudged);
    outcome
}
