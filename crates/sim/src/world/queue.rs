//! What will happen, in order of time; at equal times in order of being asked for.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::happening::What;

struct Due {
    at_us: u64,
    asked: u64,
    what: What,
}

/// Everything that is still to happen.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Due>,
    asked: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, at_us: u64, what: What) {
        self.asked += 1;
        self.heap.push(Due { at_us, asked: self.asked, what });
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, What)> {
        self.heap.pop().map(|due| (due.at_us, due.what))
    }
}

impl Ord for Due {
    /// The heap gives its greatest first: that is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_us, other.asked).cmp(&(self.at_us, self.asked))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}
