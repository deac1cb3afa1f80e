//! What must happen in the world now.

use ketch_raft_proto::raftpb::{Entry, HardState, Message, Snapshot};

use crate::raft::{Raft, Role};
use crate::read::ReadAnswer;

/// Something to make durable. Writes are done in the order of their numbers.
#[derive(Debug, Default)]
pub struct Write {
    /// Its number, to be given to [`Raft::persisted`]; ascending.
    pub job: u64,
    /// Entries to append. An index that was written before replaces it and all after it.
    pub entries: Vec<Entry>,
    /// Term, vote and commit, where they differ from what was last written. Written after the
    /// entries.
    pub hard_state: Option<HardState>,
    /// A snapshot that replaces the log; written (as a mark) before anything else of this write.
    pub snapshot: Option<Snapshot>,
}

/// Who leads, as far as this member knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The leader's id; 0 if unknown.
    pub leader: u64,
    /// The term.
    pub term: u64,
    /// Whether this member is it.
    pub is_self: bool,
}

/// All effects that are due. Nothing in it depends on the order in which its parts are begun.
#[derive(Debug, Default)]
pub struct Ready {
    /// To be made durable, then acknowledged by [`Raft::persisted`].
    pub write: Option<Write>,
    /// To be sent now; whatever needed the disk has waited for it already.
    pub messages: Vec<Message>,
    /// To be applied in this order, then acknowledged by [`Raft::applied`].
    pub committed: Vec<Entry>,
    /// Linearizable reads with the index they have to wait for.
    pub reads: Vec<ReadAnswer>,
    /// Set when it changed.
    pub leadership: Option<Leadership>,
}

impl Raft {
    /// Takes the effects that are due; `None` if there are none. After one, there may be more.
    pub fn ready(&mut self) -> Option<Ready> {
        self.flush_reads();
        self.replicate();
        self.flush_forwarded();
        let write = self.begin_write();
        let unpersisted = self.config.apply_unpersisted;
        let committed = self.log.take_committed(unpersisted, self.config.max_committed_bytes);
        let ready = Ready {
            write,
            messages: self.outbox.take_free(),
            committed,
            reads: std::mem::take(&mut self.answered),
            leadership: self.changed_leadership(),
        };
        self.check();
        let idle = ready.write.is_none()
            && ready.messages.is_empty()
            && ready.committed.is_empty()
            && ready.reads.is_empty()
            && ready.leadership.is_none();
        (!idle).then_some(ready)
    }

    /// Whether [`Raft::ready`] would have something.
    pub fn has_ready(&self) -> bool {
        self.must_write()
            || self.replicate_due
            || self.outbox.has_free()
            || self.outbox.has_promises()
            || self.log.has_committed(self.config.apply_unpersisted)
            || self.reads.has_unannounced()
            || !(self.answered.is_empty() && self.forwarded.is_empty())
            || self.leadership() != self.reported
    }

    /// Questions that came since the last ready share one round of heartbeats.
    fn flush_reads(&mut self) {
        if self.role == Role::Leader
            && let Some(context) = self.reads.announce()
        {
            self.heartbeat_all(Some(context));
        }
    }

    fn must_write(&self) -> bool {
        let state = self.term != self.written.term() || self.vote != self.written.vote();
        state || self.log.has_unwritten() || self.log.has_snapshot()
    }

    /// The commit alone is not worth a write: it is learned again, and rides with the next.
    fn begin_write(&mut self) -> Option<Write> {
        if !self.must_write() {
            self.settle_promises();
        }
        if !self.must_write() {
            return None;
        }
        self.job += 1;
        let snapshot = self.log.take_snapshot();
        let entries = self.log.begin_write(self.job);
        self.outbox.bind_to(self.job);
        let state = self.hard_state();
        let hard_state = (state != self.written).then_some(state);
        self.written = state;
        Some(Write { job: self.job, entries, hard_state, snapshot })
    }

    /// Promises with nothing new to write hold with the newest write under way, or already.
    fn settle_promises(&mut self) {
        if let Some(job) = self.log.newest_write() {
            self.outbox.bind_to(job);
            return;
        }
        for promise in self.outbox.take_promises() {
            self.keep_promise(promise);
        }
    }

    /// A write of the hard state alone, for a quiet moment: the commit is on disk then.
    pub fn write_commit(&mut self) -> Option<Write> {
        let state = self.hard_state();
        if state == self.written || self.log.has_unwritten() {
            return None;
        }
        self.begin_write().or_else(|| {
            self.job += 1;
            let entries = self.log.begin_write(self.job);
            self.written = state;
            Some(Write { job: self.job, entries, hard_state: Some(state), snapshot: None })
        })
    }

    pub(crate) fn leadership(&self) -> Leadership {
        Leadership { leader: self.leader, term: self.term, is_self: self.role == Role::Leader }
    }

    fn changed_leadership(&mut self) -> Option<Leadership> {
        let now = self.leadership();
        (now != std::mem::replace(&mut self.reported, now)).then_some(now)
    }

    /// Proposals for the leader leave together, as far as one message may carry them.
    fn flush_forwarded(&mut self) {
        if self.forwarded.is_empty() || self.leader == 0 {
            return;
        }
        let mut entries = std::mem::take(&mut self.forwarded);
        while !entries.is_empty() {
            let mut bytes = 0;
            let max_bytes = self.config.max_message_bytes;
            let fits = entries.iter().take_while(|entry| {
                let first = bytes == 0;
                bytes += crate::log::entry_bytes(entry);
                first || bytes <= max_bytes
            });
            let rest = entries.split_off(fits.count());
            let kind = ketch_raft_proto::raftpb::MessageType::MsgProp;
            let pass = crate::message::to(self.leader, kind);
            self.send(Message { entries, ..pass });
            entries = rest;
        }
    }
}
