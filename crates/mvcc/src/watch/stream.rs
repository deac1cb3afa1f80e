//! One client stream: its watches by id, and what waits to be sent.

use std::collections::{BTreeMap, VecDeque};

use super::intervals::Owner;
use super::output::Output;

/// Watches of one client stream, and their outputs in order.
#[derive(Default)]
pub(super) struct Stream {
    ids: BTreeMap<i64, Slot>,
    next_id: i64,
    queue: VecDeque<Output>,
    queued_bytes: usize,
    /// Already in the list of streams that have output.
    pub(super) announced: bool,
    /// A progress request waits until every watch is caught up.
    pub(super) progress_wanted: bool,
}

/// What an id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// A watcher.
    Live(Owner),
    /// A watch that was canceled from this side; the id stays taken until the client lets go.
    Over,
}

impl Stream {
    /// The id for a new watch: the wanted one, or a free one for 0. `None`: it is taken.
    pub(super) fn choose_id(&mut self, wanted: i64) -> Option<i64> {
        if wanted != 0 {
            return (!self.ids.contains_key(&wanted)).then_some(wanted);
        }
        while self.ids.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        self.next_id += 1;
        Some(self.next_id - 1)
    }

    pub(super) fn set(&mut self, id: i64, slot: Slot) {
        self.ids.insert(id, slot);
    }

    pub(super) fn forget(&mut self, id: i64) -> Option<Slot> {
        self.ids.remove(&id)
    }

    /// Its watchers, by ascending id.
    pub(super) fn watchers(&self) -> impl Iterator<Item = Owner> {
        self.ids.values().filter_map(|slot| match slot {
            Slot::Live(owner) => Some(*owner),
            Slot::Over => None,
        })
    }

    pub(super) fn push(&mut self, output: Output) {
        self.queued_bytes += output.bytes();
        self.queue.push_back(output);
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        let output = self.queue.pop_front()?;
        self.queued_bytes -= output.bytes();
        Some(output)
    }

    pub(super) fn next_bytes(&self) -> Option<usize> {
        self.queue.front().map(Output::bytes)
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
