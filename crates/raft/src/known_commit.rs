//! Commits that travel with votes.
//!
//! A change of members is committed by the old voters and in force on each member only once that
//! member knows of the commit. One voter promotes a learner, commits that alone and dies before it
//! tells; what it proposed next has reached the learner's disk but not its own. Then the voter may
//! campaign for ever (its log is the shorter one), and the learner, which has a vote and does not
//! know it, never does. etcd's raft has this hole; raft-rs closes it as here: who asks for a vote,
//! or refuses one, says how far it knows the log to be committed.
//!
//! The commit stands in `commit` and the term of that entry in `reject_hint`, which votes do not
//! use otherwise: etcd's members pass over both. An entry of that index and term is the very
//! entry (log matching), so to believe it is as safe as to believe an append.

use ketch_raft_proto::raftpb::Message;

use crate::log::EntryId;
use crate::message::nonzero;
use crate::raft::{Raft, Role};

impl Raft {
    /// The message with what is known to be committed here.
    pub(crate) fn with_commit(&self, message: Message) -> Message {
        let commit = self.log.committed();
        let Some(term) = self.log.term(commit) else { return message };
        Message { commit: nonzero(commit), reject_hint: nonzero(term), ..message }
    }

    /// Learns from a vote, asked for or refused, what is committed. A candidate whose voters may
    /// change by it starts over.
    pub(crate) fn learn_commit(&mut self, message: &Message) {
        let known = EntryId { index: message.commit(), term: message.reject_hint() };
        let before = self.log.committed();
        let is_news = known.term != 0 && known.index > before && self.log.holds(known);
        if !is_news || self.role == Role::Leader {
            return;
        }
        self.log.commit_to(known.index);
        if self.role != Role::Follower && self.log.has_change(before + 1, known.index) {
            self.become_follower(self.term, 0);
        }
    }
}
