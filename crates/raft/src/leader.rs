//! A leader: takes proposals, counts acknowledgements, watches its quorum, hands over.

use ketch_base::planted::{self, Bug};
use ketch_raft_proto::raftpb::{Entry, EntryType, Message, MessageType};

use crate::change::{conf_change_of, leaves_joint};
use crate::error::{Refused, StepError};
use crate::message;
use crate::progress::FlowState;
use crate::quorum::Tally;
use crate::raft::{Raft, Role};
use crate::read::Question;

impl Raft {
    pub(crate) fn become_leader(&mut self) {
        self.reset(self.term);
        self.role = Role::Leader;
        self.leader = self.id;
        let persisted = self.log.persisted();
        if let Some(own) = self.progress.get_mut(&self.id) {
            own.acknowledge(persisted);
            own.replicate();
            own.active = true;
        }
        // Any change in the tail may be uncommitted; none may follow before it is applied.
        self.pending_change = self.log.last();
        // Commits of earlier terms count only through an entry of the own (Raft 5.4.2).
        self.append(Entry::default());
    }

    pub(crate) fn tick_leader(&mut self) {
        self.heartbeat_elapsed += 1;
        self.election_elapsed += 1;
        if self.election_elapsed >= self.config.election_ticks {
            self.election_elapsed = 0;
            if self.config.check_quorum && !self.keeps_quorum() {
                self.become_follower(self.term, 0);
                return;
            }
            // A transfer that takes an election timeout has failed.
            self.transferee = 0;
        }
        if self.is_stalled() {
            self.make_room();
            return;
        }
        if self.heartbeat_elapsed >= self.config.heartbeat_ticks {
            self.heartbeat_elapsed = 0;
            let context = self.reads.current();
            self.heartbeat_all(context);
        }
    }

    /// Whether a quorum spoke since the last time this was asked.
    fn keeps_quorum(&mut self) -> bool {
        let (id, progress) = (self.id, &self.progress);
        let active = |peer: u64| peer == id || progress.get(&peer).is_some_and(|p| p.active);
        let tally = self.members.voters.tally(|peer| Some(active(peer)));
        for (peer, progress) in &mut self.progress {
            // For someone silent nothing is kept.
            if !progress.active {
                progress.behind_snapshot = 0;
            }
            progress.active = *peer == id;
        }
        tally == Tally::Won
    }

    /// Whether the own disk has not moved for too long while others could lead.
    fn is_stalled(&mut self) -> bool {
        match self.log.oldest_write() {
            Some(job) if self.stalled.0 == job => self.stalled.1 += 1,
            oldest => self.stalled = (oldest.unwrap_or(0), 0),
        }
        let limit = self.config.stall_ticks;
        limit != 0 && self.stalled.1 >= limit && !self.members.voters.is_sole(self.id)
    }

    /// Steps down, calling the best other voter to stand at once.
    pub(crate) fn make_room(&mut self) {
        let voters = &self.members.voters;
        let fit = self
            .progress
            .iter()
            .filter(|(id, progress)| **id != self.id && progress.active && voters.contains(**id));
        let best = fit.max_by_key(|(id, progress)| (progress.matched, std::cmp::Reverse(**id)));
        if let Some((best, _)) = best {
            let call = message::to(*best, MessageType::MsgTimeoutNow);
            self.send(call);
        }
        self.become_follower(self.term, 0);
    }

    /// Takes one proposal, own or forwarded, into the log.
    pub(crate) fn take_proposal(&mut self, mut entry: Entry) -> Result<(), Refused> {
        if !self.progress.contains_key(&self.id) {
            return Err(Refused::NotMember);
        }
        if self.transferee != 0 {
            return Err(Refused::Transferring);
        }
        let bytes = entry.data.as_ref().map_or(0, bytes::Bytes::len);
        // One entry always may, or a limit below its size would stop everything.
        let backlog = self.uncommitted_bytes;
        if backlog > 0 && bytes > 0 && backlog + bytes > self.config.max_uncommitted_bytes {
            return Err(Refused::Backlog);
        }
        if entry.r#type.unwrap_or(0) != 0 {
            if self.may_change(&entry) {
                self.pending_change = self.log.last() + 1;
            } else {
                // Takes its place in the log without effect, so that the proposer hears of it.
                entry = Entry { r#type: Some(EntryType::EntryNormal as i32), ..Entry::default() };
            }
        }
        self.uncommitted_bytes += bytes;
        self.append(entry);
        Ok(())
    }

    /// One change at a time, and in a joint configuration only the one that leaves it.
    fn may_change(&self, entry: &Entry) -> bool {
        let Ok(Some(change)) = conf_change_of(entry) else { return false };
        let leaves = leaves_joint(&change);
        self.pending_change <= self.log.applied() && leaves == self.members.is_joint()
    }

    /// Gives the entry its place and term.
    fn append(&mut self, mut entry: Entry) {
        entry.term = Some(self.term);
        entry.index = Some(self.log.last() + 1);
        self.log.push(entry);
        if planted::is(Bug::OwnUnsynced)
            && let Some(own) = self.progress.get_mut(&self.id)
        {
            own.acknowledge(self.log.last());
        }
        self.replicate_due = true;
    }

    /// The own disk has more.
    pub(crate) fn acknowledge_self(&mut self) {
        let persisted = self.log.persisted();
        let own = self.progress.get_mut(&self.id);
        if own.is_some_and(|own| own.acknowledge(persisted)) {
            self.advance_commit();
        }
    }

    /// Commits what a quorum holds, if its newest entry is of this term.
    pub(crate) fn advance_commit(&mut self) {
        let progress = &self.progress;
        let matched = |id: u64| progress.get(&id).map_or(0, |progress| progress.matched);
        let index = self.members.voters.reached(matched);
        let was = self.log.committed();
        if index <= was || self.log.term(index) != Some(self.term) {
            return;
        }
        self.log.commit_to(index);
        if self.uncommitted_bytes > 0 {
            let freed = self.log.data_bytes(was + 1, index);
            self.uncommitted_bytes = self.uncommitted_bytes.saturating_sub(freed);
        }
        self.release_postponed_reads();
        self.replicate_due = true;
    }

    pub(crate) fn has_committed_in_term(&self) -> bool {
        self.log.term(self.log.committed()) == Some(self.term)
    }

    pub(crate) fn step_leader(&mut self, message: Message) -> Result<(), StepError> {
        let from = message.from();
        match message.r#type() {
            MessageType::MsgProp => {
                for entry in message.entries {
                    self.take_proposal(entry)?;
                }
                return Ok(());
            }
            MessageType::MsgReadIndex => {
                self.take_question(Question { from, entries: message.entries });
                return Ok(());
            }
            MessageType::MsgAppResp | MessageType::MsgHeartbeatResp => {}
            MessageType::MsgTransferLeader => {
                self.begin_transfer(from);
                return Ok(());
            }
            _ => return Ok(()),
        }
        let Some(progress) = self.progress.get_mut(&from) else {
            return Err(StepError::UnknownPeer(from));
        };
        progress.active = true;
        if message.r#type() == MessageType::MsgHeartbeatResp {
            self.hear_heartbeat(&message);
        } else if message.reject() {
            self.hear_refusal(&message);
        } else {
            self.hear_accept(from, message.index())?;
        }
        Ok(())
    }

    fn hear_heartbeat(&mut self, message: &Message) {
        let (from, last) = (message.from(), self.log.last());
        if let Some(progress) = self.progress.get_mut(&from) {
            progress.paused &= planted::is(Bug::PausedForEver);
            // It may miss something that was lost on the way; an empty append finds out.
            if progress.matched < last || progress.flow == FlowState::Probe {
                self.send_append(from, true);
            }
        }
        if !message.context().is_empty() {
            self.confirm_reads(from, message.context());
        }
    }

    fn hear_refusal(&mut self, message: &Message) {
        let (from, hint, term) = (message.from(), message.reject_hint(), message.log_term());
        // Its log at the hint has `term`: nothing of ours above that term can match there.
        let hint = if term > 0 { self.log.last_not_above(hint, term).index } else { hint };
        let Some(progress) = self.progress.get_mut(&from) else { return };
        if progress.step_back(message.index(), hint) {
            if progress.flow == FlowState::Replicate {
                progress.probe();
            }
            self.send_append(from, true);
        }
    }

    fn hear_accept(&mut self, from: u64, index: u64) -> Result<(), StepError> {
        if index > self.log.last() {
            return Err(StepError::Malformed("acknowledgement of entries never sent"));
        }
        let available = self.log.before().index;
        let Some(progress) = self.progress.get_mut(&from) else { return Ok(()) };
        let probing = progress.flow == FlowState::Probe;
        let news = progress.acknowledge(index) || (progress.matched == index && probing);
        if !news {
            return Ok(());
        }
        match progress.flow {
            FlowState::Probe => progress.replicate(),
            FlowState::Snapshot if progress.matched >= available => {
                progress.probe();
                progress.replicate();
            }
            FlowState::Snapshot => {}
            FlowState::Replicate => {
                progress.inflight.free_to(index);
                progress.paused = progress.inflight.is_full();
            }
        }
        self.advance_commit();
        self.replicate_due = true;
        self.finish_transfer(from);
        Ok(())
    }

    pub(crate) fn begin_transfer(&mut self, to: u64) {
        let Some(progress) = self.progress.get(&to) else { return };
        if progress.learner || to == self.transferee {
            return;
        }
        // The wish for another, or to stay, replaces the one before.
        self.transferee = 0;
        if to == self.id {
            return;
        }
        // It has one election timeout from now.
        self.election_elapsed = 0;
        self.transferee = to;
        if progress.matched == self.log.last() {
            self.finish_transfer(to);
        } else {
            self.send_append(to, true);
        }
    }

    /// Tells the chosen voter to stand once it has everything.
    fn finish_transfer(&mut self, from: u64) {
        let complete = self.progress.get(&from).is_some_and(|p| p.matched == self.log.last());
        if self.role == Role::Leader && from == self.transferee && complete {
            let call = message::to(from, MessageType::MsgTimeoutNow);
            self.send(call);
        }
    }
}
