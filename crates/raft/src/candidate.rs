//! Elections (Raft 5.2 and 9.6): when to begin one, asking, counting.

use bytes::Bytes;
use ketch_base::planted::{self, Bug};
use ketch_raft_proto::raftpb::{Message, MessageType};

use crate::error::StepError;
use crate::message::{self, nonzero};
use crate::quorum::Tally;
use crate::raft::{Raft, Role};

/// Marks votes asked for on the wish of the present leader: the lease of that leader does not
/// stand against them. etcd's text.
const TRANSFER_CONTEXT: &[u8] = b"CampaignTransfer";

/// Whether a vote is asked for because the leader wished it.
pub(crate) fn is_transfer(message: &Message) -> bool {
    message.context() == TRANSFER_CONTEXT
}

impl Raft {
    pub(crate) fn tick_election(&mut self) {
        self.election_elapsed += 1;
        self.called_ticks = self.called_ticks.saturating_sub(1);
        if self.is_electable() && self.election_elapsed >= self.election_timeout {
            self.election_elapsed = 0;
            self.hup(false);
        }
    }

    /// Voters may lead, unless their log is about to be replaced.
    pub(crate) fn is_electable(&self) -> bool {
        self.members.voters.contains(self.id) && !self.log.is_installing()
    }

    /// Begins an election, if this member may.
    pub(crate) fn hup(&mut self, transfer: bool) {
        if self.role == Role::Leader || !self.is_electable() {
            return;
        }
        // With a committed change unapplied it may count the wrong voters. Who was called to stand
        // does so as soon as the change is applied: often it is the one that removed the leader.
        if self.log.has_change(self.log.applied() + 1, self.log.committed()) {
            self.called_ticks = if transfer { self.config.election_ticks } else { 0 };
            return;
        }
        self.called_ticks = 0;
        if transfer {
            self.run_for_leader(true);
        } else if self.config.pre_vote {
            self.sound_out();
        } else {
            self.run_for_leader(false);
        }
    }

    /// Asks whether others would vote. Term and vote stay as they are.
    fn sound_out(&mut self) {
        self.role = Role::PreCandidate;
        self.leader = 0;
        self.votes.clear();
        self.forwarded.clear();
        self.ask_all(MessageType::MsgPreVote, self.term + 1, None);
        self.count_vote(self.id, true);
    }

    fn run_for_leader(&mut self, transfer: bool) {
        self.reset(self.term + 1);
        self.role = Role::Candidate;
        self.vote = self.id;
        // Nobody else can learn of this term: its first entry may prove the vote.
        if self.members.voters.is_sole(self.id) && self.members.learners.is_empty() {
            self.become_leader();
            return;
        }
        let context = transfer.then(|| Bytes::from_static(TRANSFER_CONTEXT));
        self.ask_all(MessageType::MsgVote, self.term, context);
        let own = message::vote(self.id, MessageType::MsgVoteResp, self.term, true);
        self.send_when_durable(own);
    }

    fn ask_all(&mut self, kind: MessageType, term: u64, context: Option<Bytes>) {
        let last = self.log.last_id();
        for id in self.members.voters.voters() {
            if id == self.id {
                continue;
            }
            let ask = Message {
                term: Some(term),
                index: nonzero(last.index),
                log_term: nonzero(last.term),
                context: context.clone(),
                ..message::to(id, kind)
            };
            let ask = self.with_commit(ask);
            // A candidate that forgot its term in a crash could lead it twice.
            if kind == MessageType::MsgVote {
                self.send_when_durable(ask);
            } else {
                self.send(ask);
            }
        }
    }

    pub(crate) fn step_candidate(&mut self, message: Message) -> Result<(), StepError> {
        match (self.role, message.r#type()) {
            (_, MessageType::MsgApp | MessageType::MsgHeartbeat | MessageType::MsgSnap) => {
                self.become_follower(self.term, message.from());
                return self.step_follower(message);
            }
            (Role::Candidate, MessageType::MsgVoteResp)
            | (Role::PreCandidate, MessageType::MsgPreVoteResp) => {
                self.learn_commit(&message);
                // What was learned may have ended the election.
                if self.role != Role::Follower {
                    self.count_vote(message.from(), !message.reject());
                }
            }
            // A late echo of the other kind of election, a wish to hand over, a read: too late.
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn count_vote(&mut self, from: u64, granted: bool) {
        self.votes.entry(from).or_insert(granted);
        let votes = &self.votes;
        match self.members.voters.tally(|id| votes.get(&id).copied()) {
            Tally::Open => {}
            Tally::Lost => self.become_follower(self.term, 0),
            Tally::Won if self.role == Role::PreCandidate => self.run_for_leader(false),
            Tally::Won => self.become_leader(),
        }
    }

    /// Answers a request for a vote of either kind, whatever the own role is.
    pub(crate) fn answer_vote(&mut self, message: &Message) {
        self.learn_commit(message);
        let (kind, from, term) = (message.r#type(), message.from(), message.term());
        let pre = kind == MessageType::MsgPreVote;
        let free =
            self.vote == from || (self.vote == 0 && self.leader == 0) || (pre && term > self.term);
        let asker = crate::log::EntryId { term: message.log_term(), index: message.index() };
        let free = free || planted::is(Bug::VoteTwice);
        let covered = self.log.is_covered_by(asker) || planted::is(Bug::BlindVote);
        let granted = free && covered;
        let answer = if pre { MessageType::MsgPreVoteResp } else { MessageType::MsgVoteResp };
        // A granted vote speaks of the asked term, a refused one teaches the own.
        let term = if granted { term } else { self.term };
        let answer = message::vote(from, answer, term, granted);
        let answer = if granted { answer } else { self.with_commit(answer) };
        if pre {
            self.send(answer);
            return;
        }
        if granted {
            self.election_elapsed = 0;
            self.vote = from;
        }
        self.send_when_durable(answer);
    }
}
