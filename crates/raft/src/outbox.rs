//! Messages on their way out, and those that must wait for the disk.

use std::collections::VecDeque;

use ketch_raft_proto::raftpb::Message;

/// Three shelves: free to go, bound to the next write, bound to a write under way.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    free: Vec<Message>,
    /// A promise that holds only once the present state is durable.
    next: Vec<Message>,
    /// Invariant: write numbers ascend, and each is still under way.
    bound: VecDeque<(u64, Vec<Message>)>,
}

impl Outbox {
    pub(crate) fn send(&mut self, message: Message) {
        self.free.push(message);
    }

    pub(crate) fn send_when_durable(&mut self, message: Message) {
        self.next.push(message);
    }

    pub(crate) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    pub(crate) fn has_promises(&self) -> bool {
        !self.next.is_empty()
    }

    pub(crate) fn take_free(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.free)
    }

    /// The promises made since the last write was begun.
    pub(crate) fn take_promises(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.next)
    }

    /// What was promised up to now holds when write `job` is durable.
    pub(crate) fn bind_to(&mut self, job: u64) {
        if self.next.is_empty() {
            return;
        }
        let promises = self.take_promises();
        match self.bound.back_mut() {
            Some((last, bound)) if *last == job => bound.extend(promises),
            _ => self.bound.push_back((job, promises)),
        }
    }

    /// The promises that hold now that all writes up to `job` are durable, oldest first.
    pub(crate) fn released_by(&mut self, job: u64) -> Vec<Message> {
        let mut released = Vec::new();
        while let Some((_, messages)) = self.bound.pop_front_if(|(number, _)| *number <= job) {
            released.extend(messages);
        }
        released
    }
}
