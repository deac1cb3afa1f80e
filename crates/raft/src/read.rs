//! Linearizable reads (Raft 6.4): a leader proves that it still leads before it names an index.
//!
//! Every confirmation round has its own number, unique within the term, which travels as the
//! heartbeat's context. A follower's echo of round n confirms all reads that were asked before the
//! heartbeat of round n was sent, so acknowledgements are watermarks like those of the log, and
//! reads of many senders share a round.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use ketch_base::planted::{self, Bug};
use ketch_raft_proto::raftpb::{Entry, Message, MessageType};

use crate::config::PENDING_READS_MAX;
use crate::error::Refused;
use crate::message::{self, nonzero};
use crate::raft::{Raft, Role};

/// A linearizable read that may be served from a state at `index` or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadAnswer {
    /// What the asker gave to [`Raft::read_index`].
    pub context: Bytes,
    /// The commit index that was current when the leader took the question.
    pub index: u64,
}

/// One question, from this member or another.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Who asked; this member itself or a follower.
    pub(crate) from: u64,
    /// The asker's context, in the form in which it travels.
    pub(crate) entries: Vec<Entry>,
}

/// The reads a leader is confirming.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// The newest round begun in this term.
    round: u64,
    /// Questions with their round and index. Invariant: rounds ascend and are `<= round`.
    pending: VecDeque<(u64, u64, Question)>,
    /// Asked before this leader committed anything in its term: its commit may be an old one.
    postponed: Vec<Question>,
    /// The highest round each member echoed.
    echoed: BTreeMap<u64, u64>,
    /// Whether questions came for which no heartbeat went out.
    unannounced: bool,
}

impl Reads {
    fn is_full(&self) -> bool {
        self.pending.len() + self.postponed.len() >= PENDING_READS_MAX
    }

    fn add(&mut self, index: u64, question: Question) {
        if !self.unannounced {
            self.round += 1;
            self.unannounced = true;
        }
        self.pending.push_back((self.round, index, question));
    }

    /// The round to announce now, if questions wait for one.
    pub(crate) fn announce(&mut self) -> Option<Bytes> {
        std::mem::take(&mut self.unannounced).then(|| context_of(self.round))
    }

    pub(crate) fn has_unannounced(&self) -> bool {
        self.unannounced
    }

    /// The context of a regular heartbeat: the newest round, if anyone waits for one.
    pub(crate) fn current(&mut self) -> Option<Bytes> {
        self.unannounced = false;
        (!self.pending.is_empty()).then(|| context_of(self.round))
    }

    fn echo(&mut self, from: u64, round: u64) {
        // A round that was never begun is no echo of ours.
        if round <= self.round {
            let highest = self.echoed.entry(from).or_default();
            *highest = round.max(*highest);
        }
    }
}

fn context_of(round: u64) -> Bytes {
    Bytes::copy_from_slice(&round.to_be_bytes())
}

impl Raft {
    /// Asks for an index at which a read started now is linearizable. The answer, if it comes,
    /// is in [`crate::Ready::reads`] with the same context, which must be unique to the question:
    /// lost questions are asked again under a new one.
    pub fn read_index(&mut self, context: Bytes) -> Result<(), Refused> {
        let entries = vec![Entry { data: Some(context), ..Entry::default() }];
        if self.role == Role::Leader {
            self.take_question(Question { from: self.id, entries });
            return Ok(());
        }
        if self.role != Role::Follower || self.leader == 0 {
            return Err(Refused::NoLeader);
        }
        let ask = Message { entries, ..message::to(self.leader, MessageType::MsgReadIndex) };
        self.send(ask);
        Ok(())
    }

    /// A question reaches the leader.
    pub(crate) fn take_question(&mut self, question: Question) {
        if self.reads.is_full() {
            return;
        }
        if !self.has_committed_in_term() && !planted::is(Bug::FreshLeaderRead) {
            self.reads.postponed.push(question);
        } else if self.members.voters.is_sole(self.id) || planted::is(Bug::UnconfirmedRead) {
            self.answer_read(question, self.log.committed());
        } else {
            self.reads.add(self.log.committed(), question);
        }
    }

    /// The first commit of the term: postponed questions can be taken now.
    pub(crate) fn release_postponed_reads(&mut self) {
        if !self.reads.postponed.is_empty() && self.has_committed_in_term() {
            for question in std::mem::take(&mut self.reads.postponed) {
                self.take_question(question);
            }
        }
    }

    /// A heartbeat's echo: it confirms every round up to its own.
    pub(crate) fn confirm_reads(&mut self, from: u64, context: &[u8]) {
        let Ok(round) = context.try_into().map(u64::from_be_bytes) else { return };
        self.reads.echo(from, round);
        self.settle_reads();
    }

    /// Answers what a quorum has confirmed; also after the quorum itself has changed.
    pub(crate) fn settle_reads(&mut self) {
        let own = (self.id, self.reads.round);
        let echoed = &self.reads.echoed;
        let confirmed = self
            .members
            .voters
            .reached(|id| if id == own.0 { own.1 } else { echoed.get(&id).copied().unwrap_or(0) });
        while let Some((_, index, question)) =
            self.reads.pending.pop_front_if(|(round, _, _)| *round <= confirmed)
        {
            self.answer_read(question, index);
        }
    }

    fn answer_read(&mut self, question: Question, index: u64) {
        let Question { from, entries } = question;
        if from == self.id {
            let context = entries.into_iter().next().and_then(|entry| entry.data);
            self.answered.push(ReadAnswer { context: context.unwrap_or_default(), index });
        } else {
            let answer = message::to(from, MessageType::MsgReadIndexResp);
            self.send(Message { index: nonzero(index), entries, ..answer });
        }
    }
}
