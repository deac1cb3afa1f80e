//! Which streams the HTTP/2 library knows of, and which it must not hear of.

use crate::limits::CONNECTION_REFUSED_UNFINISHED;

/// Streams by number: each new one is higher than those before.
#[derive(Default)]
pub(super) struct Streams {
    /// Highest that was opened.
    opened: u32,
    /// Highest that the library knows; to it those above do not exist yet.
    known: u32,
    /// Refused ones whose client has not ended them yet; ascending.
    unfinished: Vec<u32>,
}

impl Streams {
    /// Whether a client may open this one now.
    pub(super) fn is_new(&self, stream: u32) -> bool {
        stream % 2 == 1 && stream > self.opened
    }

    /// Whether the library must not hear of this one.
    pub(super) fn is_refused(&self, stream: u32) -> bool {
        let is_unknown = stream > self.known && stream <= self.opened;
        is_unknown || self.unfinished.binary_search(&stream).is_ok()
    }

    /// Whether one more that goes on may be refused.
    pub(super) fn has_room(&self) -> bool {
        self.unfinished.len() < CONNECTION_REFUSED_UNFINISHED
    }

    /// Notes one that the library hears of.
    pub(super) fn pass(&mut self, stream: u32) {
        self.opened = self.opened.max(stream);
        self.known = self.known.max(stream);
    }

    /// Notes a new one that it does not hear of.
    pub(super) fn refuse(&mut self, stream: u32, is_finished: bool) {
        self.opened = stream;
        if !is_finished {
            self.unfinished.push(stream);
        }
    }

    /// The client ended it.
    pub(super) fn finish(&mut self, stream: u32) {
        if let Ok(at) = self.unfinished.binary_search(&stream) {
            self.unfinished.remove(at);
        }
    }
}
