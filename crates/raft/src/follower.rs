//! A follower: takes entries, heartbeats and snapshots; passes on what only a leader can do.

use ketch_base::planted::{self, Bug};
use ketch_raft_proto::raftpb::{Message, MessageType, Snapshot};

use crate::change::Configuration;
use crate::error::{Refused, StepError};
use crate::log::EntryId;
use crate::message::{self, nonzero};
use crate::raft::{Raft, Role};
use crate::read::ReadAnswer;

impl Raft {
    pub(crate) fn become_follower(&mut self, term: u64, leader: u64) {
        self.reset(term);
        self.role = Role::Follower;
        self.leader = leader;
    }

    pub(crate) fn step_follower(&mut self, message: Message) -> Result<(), StepError> {
        match message.r#type() {
            MessageType::MsgApp => {
                self.hear_leader(message.from());
                self.take_append(message)
            }
            MessageType::MsgHeartbeat => {
                self.hear_leader(message.from());
                self.take_heartbeat(message)
            }
            MessageType::MsgSnap => {
                self.hear_leader(message.from());
                self.take_snapshot(message)
            }
            MessageType::MsgProp => self.pass_proposals(message),
            MessageType::MsgTransferLeader | MessageType::MsgReadIndex => {
                if self.leader == 0 {
                    return Err(Refused::NoLeader.into());
                }
                // The asker stays the sender, so that the leader answers it directly.
                self.send(Message { to: Some(self.leader), term: None, ..message });
                Ok(())
            }
            MessageType::MsgTimeoutNow => {
                self.hup(true);
                Ok(())
            }
            MessageType::MsgReadIndexResp => self.take_read_answer(message),
            _ => Ok(()),
        }
    }

    fn hear_leader(&mut self, leader: u64) {
        self.election_elapsed = 0;
        self.leader = leader;
    }

    fn pass_proposals(&mut self, message: Message) -> Result<(), StepError> {
        if self.leader == 0 {
            return Err(Refused::NoLeader.into());
        }
        self.forwarded.extend(message.entries);
        Ok(())
    }

    fn take_append(&mut self, message: Message) -> Result<(), StepError> {
        let leader = message.from();
        let prev = EntryId { term: message.log_term(), index: message.index() };
        let committed = self.log.committed();
        if prev.index < committed {
            // Everything up to the commit is the leader's anyway.
            self.send_when_durable(message::append_accepted(leader, committed));
            return Ok(());
        }
        let unchecked = planted::is(Bug::UncheckedAppend) && prev.index <= self.log.last();
        if !self.log.holds(prev) && !unchecked {
            self.refuse_append(leader, prev);
            return Ok(());
        }
        let last_new = self.log.append_after(prev, message.entries);
        self.log.commit_to(message.commit.unwrap_or(0).min(last_new));
        self.send_when_durable(message::append_accepted(leader, last_new));
        Ok(())
    }

    /// Says where the logs may agree, so that the leader need not try every entry.
    fn refuse_append(&mut self, leader: u64, prev: EntryId) {
        let from = prev.index.min(self.log.last());
        let hint = self.log.last_not_above(from, prev.term);
        self.send_when_durable(Message {
            index: nonzero(prev.index),
            reject: Some(true),
            reject_hint: nonzero(hint.index),
            log_term: nonzero(hint.term),
            ..message::to(leader, MessageType::MsgAppResp)
        });
    }

    fn take_heartbeat(&mut self, message: Message) -> Result<(), StepError> {
        let (commit, last) = (message.commit(), self.log.last());
        if commit > last {
            return Err(StepError::LogLost { commit, last });
        }
        self.log.commit_to(commit);
        self.send(message::heartbeat_answer(message.from(), message.context));
        Ok(())
    }

    fn take_snapshot(&mut self, message: Message) -> Result<(), StepError> {
        let leader = message.from();
        let Some(snapshot) = message.snapshot else {
            return Err(StepError::Malformed("snapshot message without snapshot"));
        };
        let index = if self.restore(snapshot)? { self.log.last() } else { self.log.committed() };
        self.send_when_durable(message::append_accepted(leader, index));
        Ok(())
    }

    /// Replaces log and membership by a snapshot; `false` if it brings nothing.
    fn restore(&mut self, snapshot: Snapshot) -> Result<bool, StepError> {
        let metadata = snapshot.metadata.clone().unwrap_or_default();
        let at = EntryId { term: metadata.term(), index: metadata.index() };
        if at.index <= self.log.committed() {
            return Ok(false);
        }
        let state = metadata.conf_state.unwrap_or_default();
        let members = Configuration::from_conf_state(&state)
            .map_err(|_| StepError::Malformed("snapshot with impossible membership"))?;
        if members.everyone().binary_search(&self.id).is_err() {
            // A snapshot taken before this member was added cannot have been meant for it.
            return Ok(false);
        }
        if self.log.holds(at) {
            self.log.commit_to(at.index);
            return Ok(false);
        }
        self.log.restore(snapshot, at);
        if !planted::is(Bug::SnapshotWithoutMembers) {
            self.members = members;
        }
        self.progress.clear();
        self.sync_progress();
        Ok(true)
    }

    fn take_read_answer(&mut self, message: Message) -> Result<(), StepError> {
        let index = message.index();
        let [entry] = <[_; 1]>::try_from(message.entries)
            .map_err(|_| StepError::Malformed("read answer without exactly one context"))?;
        self.answered.push(ReadAnswer { context: entry.data.unwrap_or_default(), index });
        Ok(())
    }
}
