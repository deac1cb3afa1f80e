//! The messages waiting for one member, by class, bounded in number and bytes.

use std::collections::VecDeque;

use ketch_raft_proto::raftpb::{Message, MessageType};

use crate::limits;

/// What must not wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Heartbeats, votes, reads, acknowledgements: small, and the cluster's life hangs on them.
    Urgent,
    /// Appends.
    Append,
    /// Forwarded proposals, as large as a client makes them.
    Proposal,
    /// A snapshot without a database behind it; posted, never on a stream.
    Post,
}

impl Class {
    pub(crate) fn of(message: &Message) -> Self {
        match message.r#type() {
            MessageType::MsgApp => Self::Append,
            MessageType::MsgProp => Self::Proposal,
            MessageType::MsgSnap => Self::Post,
            _ => Self::Urgent,
        }
    }
}

/// One class's queue.
#[derive(Debug)]
pub(crate) struct Lane {
    messages: VecDeque<(Message, usize)>,
    bytes: usize,
    messages_max: usize,
    bytes_max: usize,
}

impl Lane {
    fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self { messages: VecDeque::new(), bytes: 0, messages_max, bytes_max }
    }

    /// Takes the message unless the lane is full; a lone one always fits. `most` is a tighter
    /// bound on the number.
    fn push(&mut self, message: Message, most: usize) -> bool {
        let size = size_hint(&message);
        let full = self.messages.len() >= self.messages_max.min(most)
            || self.bytes + size > self.bytes_max;
        if full && !self.messages.is_empty() {
            return false;
        }
        self.bytes += size;
        self.messages.push_back((message, size));
        true
    }

    fn pop(&mut self) -> Option<(Message, usize)> {
        let (message, size) = self.messages.pop_front()?;
        self.bytes -= size;
        Some((message, size))
    }

    /// Moves messages to `into` until they take `budget` bytes, the last one maybe more; returns
    /// about how many bytes they take.
    pub(crate) fn drain(&mut self, budget: usize, into: &mut Vec<Message>) -> usize {
        let mut taken = 0;
        while taken < budget
            && let Some((message, size)) = self.pop()
        {
            taken += size;
            into.push(message);
        }
        taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Drops everything; returns how many that were.
    fn clear(&mut self) -> usize {
        let dropped = self.messages.len();
        self.messages = VecDeque::new();
        self.bytes = 0;
        dropped
    }
}

/// All classes of one member.
#[derive(Debug)]
pub(crate) struct Queues {
    pub(crate) urgent: Lane,
    pub(crate) appends: Lane,
    pub(crate) proposals: Lane,
    pub(crate) posts: Lane,
}

impl Default for Queues {
    fn default() -> Self {
        let posts = Lane::new(limits::PIPELINE_MESSAGES, limits::APPEND_BYTES);
        Self {
            urgent: Lane::new(limits::URGENT_MESSAGES, limits::URGENT_BYTES),
            appends: Lane::new(limits::APPEND_MESSAGES, limits::APPEND_BYTES),
            proposals: Lane::new(limits::PROPOSAL_MESSAGES, limits::PROPOSAL_BYTES),
            posts,
        }
    }
}

impl Queues {
    fn lane(&mut self, class: Class) -> &mut Lane {
        match class {
            Class::Urgent => &mut self.urgent,
            Class::Append => &mut self.appends,
            Class::Proposal => &mut self.proposals,
            Class::Post => &mut self.posts,
        }
    }

    /// Whether there was room. `posted`: no stream stands for it, so it waits for a post.
    pub(crate) fn push(&mut self, class: Class, message: Message, posted: bool) -> bool {
        let most = if posted { limits::PIPELINE_MESSAGES } else { usize::MAX };
        self.lane(class).push(message, most)
    }

    pub(crate) fn pop(&mut self, class: Class) -> Option<Message> {
        self.lane(class).pop().map(|(message, _)| message)
    }

    pub(crate) fn clear(&mut self, class: Class) -> usize {
        self.lane(class).clear()
    }
}

/// About the bytes a message takes on the wire, without a walk over its fields.
fn size_hint(message: &Message) -> usize {
    const FIXED_BYTES: usize = 64;
    const ENTRY_BYTES: usize = 24;
    let length = |data: &Option<bytes::Bytes>| data.as_ref().map_or(0, bytes::Bytes::len);
    let entries: usize =
        message.entries.iter().map(|entry| ENTRY_BYTES + length(&entry.data)).sum();
    let snapshot = message.snapshot.as_ref().map_or(0, |snapshot| length(&snapshot.data));
    FIXED_BYTES + entries + snapshot + length(&message.context)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: MessageType, bytes: usize) -> Message {
        let context = Some(vec![0; bytes].into());
        Message { r#type: Some(kind as i32), context, ..Message::default() }
    }

    #[test]
    fn a_full_class_leaves_room_in_the_others() {
        let mut queues = Queues::default();
        let large = message(MessageType::MsgApp, limits::APPEND_BYTES * 2);
        assert!(queues.push(Class::of(&large), large.clone(), false), "a lone one fits");
        assert!(!queues.push(Class::of(&large), message(MessageType::MsgApp, 1), false));
        let beat = message(MessageType::MsgHeartbeat, 0);
        for _ in 0..limits::URGENT_MESSAGES {
            assert!(queues.push(Class::of(&beat), beat.clone(), false));
        }
        assert!(!queues.push(Class::of(&beat), beat.clone(), false));
        assert_eq!(queues.pop(Class::Append), Some(large));
        assert_eq!(queues.clear(Class::Urgent), limits::URGENT_MESSAGES);
        assert!(queues.urgent.is_empty());
    }

    #[test]
    fn few_wait_for_posts() {
        let mut queues = Queues::default();
        let vote = message(MessageType::MsgVote, 0);
        for _ in 0..limits::PIPELINE_MESSAGES {
            assert!(queues.push(Class::Urgent, vote.clone(), true));
        }
        assert!(!queues.push(Class::Urgent, vote.clone(), true));
        assert!(queues.push(Class::Urgent, vote, false));
    }

    #[test]
    fn a_write_takes_its_budget_and_no_more() {
        let mut queues = Queues::default();
        for _ in 0..10 {
            queues.push(Class::Append, message(MessageType::MsgApp, 1000), false);
        }
        let mut taken = Vec::new();
        let bytes = queues.appends.drain(2_500, &mut taken);
        assert_eq!((bytes, taken.len()), (3 * 1_064, 3));
    }
}
