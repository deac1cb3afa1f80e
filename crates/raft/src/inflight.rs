//! What was sent to one follower and is not answered: a window by messages and by bytes.

use std::collections::VecDeque;

/// The sending window towards one follower.
#[derive(Clone, Debug)]
pub(crate) struct Inflight {
    /// Last index and entry bytes of each message. Invariant: indexes ascend.
    sent: VecDeque<(u64, usize)>,
    /// Invariant: the sum of the bytes in `sent`.
    bytes: usize,
    max_messages: usize,
    /// 0 is without limit.
    max_bytes: usize,
}

impl Inflight {
    pub(crate) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self { sent: VecDeque::new(), bytes: 0, max_messages, max_bytes }
    }

    pub(crate) fn clear(&mut self) {
        self.sent.clear();
        self.bytes = 0;
    }

    /// Whether nothing may be sent before an answer. The last message may overshoot the bytes.
    pub(crate) fn is_full(&self) -> bool {
        self.sent.len() >= self.max_messages
            || (self.max_bytes != 0 && self.bytes >= self.max_bytes)
    }

    pub(crate) fn add(&mut self, last_index: u64, bytes: usize) {
        self.sent.push_back((last_index, bytes));
        self.bytes += bytes;
    }

    /// The follower has everything up to and with `index`.
    pub(crate) fn free_to(&mut self, index: u64) {
        while let Some((_, bytes)) = self.sent.pop_front_if(|(last, _)| *last <= index) {
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_by_messages_or_by_bytes() {
        let mut window = Inflight::new(3, 100);
        window.add(1, 10);
        window.add(2, 10);
        assert!(!window.is_full());
        window.add(3, 10);
        assert!(window.is_full(), "three messages");
        window.free_to(2);
        assert!(!window.is_full());
        assert_eq!(window.sent.len(), 1);
        window.add(4, 90);
        assert!(window.is_full(), "a hundred bytes");
        window.free_to(9);
        assert!(!window.is_full());
        assert_eq!(window.bytes, 0);
    }
}
