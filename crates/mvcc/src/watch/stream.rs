//! One client stream: its watches by id, and what waits to be sent.

use std::collections::{BTreeMap, VecDeque};

use super::StreamId;
use super::intervals::Owner;
use super::output::Output;

/// Watches of one client stream, and their outputs in order.
#[derive(Default)]
pub(super) struct Stream {
    ids: BTreeMap<i64, Slot>,
    next_id: i64,
    /// With what each counts for.
    queue: VecDeque<(Output, usize)>,
    queued_bytes: usize,
    /// Already in the list of streams that have output.
    pub(super) announced: bool,
    /// A progress request waits until every watch is caught up.
    pub(super) progress_wanted: bool,
}

/// The queue of one stream, with what the hub knows of all of them.
pub(super) struct Queue<'a> {
    /// Streams that got output.
    pub(super) ready: &'a mut Vec<StreamId>,
    /// Events that wait.
    pub(super) pending: &'a mut u64,
    pub(super) id: StreamId,
    pub(super) stream: &'a mut Stream,
}

impl Queue<'_> {
    pub(super) fn push(&mut self, output: Output) {
        *self.pending += output.events();
        self.stream.push(output);
        if !std::mem::replace(&mut self.stream.announced, true) {
            self.ready.push(self.id);
        }
    }
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
        let bytes = output.bytes();
        self.queued_bytes += bytes;
        self.queue.push_back((output, bytes));
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        let (output, bytes) = self.queue.pop_front()?;
        self.queued_bytes -= bytes;
        Some(output)
    }

    pub(super) fn next_bytes(&self) -> Option<usize> {
        self.queue.front().map(|(_, bytes)| *bytes)
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
