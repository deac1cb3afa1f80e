//! One open call: its windows, and its messages as they arrive.

use std::time::Instant;

use super::Answer;
use crate::frames;

/// Bytes of a unary answer that are kept for a look; the rest is counted.
const KEEP_BYTES_MAX: usize = 4096;

pub(super) struct Call {
    pub(super) stream: u32,
    tag: u64,
    pub(super) intended: Instant,
    first: Option<Instant>,
    streaming: bool,
    /// What came: a stream's unfinished message, or the beginning of a unary answer.
    pub(super) body: Vec<u8>,
    bytes: u64,
    /// What may still be sent.
    pub(super) window: i64,
    /// What came since the window was opened last.
    pub(super) received: u32,
    pub(super) done: bool,
}

impl Call {
    pub(super) fn new(
        stream: u32,
        tag: u64,
        intended: Instant,
        streaming: bool,
        mut body: Vec<u8>,
        window: i64,
    ) -> Self {
        body.clear();
        let (first, bytes, received, done) = (None, 0, 0, false);
        Self { stream, tag, intended, first, streaming, body, bytes, window, received, done }
    }

    /// Takes bytes of a DATA frame; a stream hands out each message it completes.
    pub(super) fn take(&mut self, bytes: &[u8], done: &mut impl FnMut(Answer<'_>)) {
        if self.first.is_none() && !bytes.is_empty() {
            self.first = Some(Instant::now());
        }
        self.bytes += bytes.len() as u64;
        if !self.streaming {
            let room = KEEP_BYTES_MAX.saturating_sub(self.body.len());
            self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return;
        }
        let mut rest = bytes;
        if self.body.is_empty() {
            rest = self.hand_out(rest, done);
        }
        if rest.is_empty() {
            return;
        }
        self.body.extend_from_slice(rest);
        if whole(&self.body).is_some() {
            let body = std::mem::take(&mut self.body);
            let left = self.hand_out(&body, done).len();
            self.body.extend_from_slice(&body[body.len() - left..]);
        }
    }

    /// Hands out the whole messages and gives the rest.
    fn hand_out<'b>(&self, bytes: &'b [u8], done: &mut impl FnMut(Answer<'_>)) -> &'b [u8] {
        let mut rest = bytes;
        while let Some(length) = whole(rest) {
            done(self.answer(&rest[5..length], false, true));
            rest = &rest[length..];
        }
        rest
    }

    /// Tells of the end.
    pub(super) fn end(&mut self, done: &mut impl FnMut(Answer<'_>)) {
        self.done = true;
        let message = if self.streaming { &[] } else { self.body.get(5..).unwrap_or_default() };
        done(self.answer(message, true, !self.streaming && self.bytes >= 5));
    }

    fn answer<'b>(&self, message: &'b [u8], ended: bool, ok: bool) -> Answer<'b> {
        let Self { tag, intended, first, bytes, .. } = *self;
        Answer { tag, intended, first, ended, ok, bytes, message }
    }
}

/// The length of the first message with its prefix, once all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(1..5)?;
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize + 5;
    (bytes.len() >= length).then_some(length)
}

/// A message that a window keeps back.
pub(super) struct Unsent {
    pub(super) stream: u32,
    /// The message with its prefix.
    data: Vec<u8>,
    at: usize,
    end: bool,
}

impl Unsent {
    pub(super) fn new(stream: u32, message: &[u8], end: bool) -> Self {
        let mut data = frames::prefix(message).to_vec();
        data.extend_from_slice(message);
        Self { stream, data, at: 0, end }
    }

    /// Writes as much as the window allows, in frames; gives the bytes.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, window: i64) -> i64 {
        let room = usize::try_from(window).unwrap_or(0).min(self.data.len() - self.at);
        let part = &self.data[self.at..self.at + room];
        self.at += room;
        frames::data(out, self.stream, part, self.end && self.at == self.data.len());
        room as i64
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == self.data.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes are cut, a stream gives the same messages.
    #[test]
    fn messages_of_a_stream() {
        let mut bytes = Vec::new();
        for size in [0, 3, 300] {
            let message = vec![7; size];
            bytes.extend_from_slice(&frames::prefix(&message));
            bytes.extend_from_slice(&message);
        }
        for cut in [1, 2, 5, 7, 1000] {
            let mut call = Call::new(1, 9, Instant::now(), true, Vec::new(), 0);
            let mut sizes = Vec::new();
            for part in bytes.chunks(cut) {
                call.take(part, &mut |answer| sizes.push(answer.message.len()));
            }
            assert_eq!(sizes, [0, 3, 300], "cut at {cut}");
        }
    }

    #[test]
    fn a_window_cuts_a_message() {
        let mut unsent = Unsent::new(3, &[1; 20], true);
        let mut out = Vec::new();
        assert_eq!(unsent.write(&mut out, -4), 0);
        assert_eq!(unsent.write(&mut out, 10), 10);
        assert!(!unsent.is_done());
        assert_eq!(unsent.write(&mut out, 100), 15);
        assert!(unsent.is_done());
    }
}
