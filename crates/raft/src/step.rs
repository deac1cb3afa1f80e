//! A message from a peer: terms first, the same for all roles; then the role.

use ketch_raft_proto::raftpb::{Message, MessageType};

use crate::candidate::is_transfer;
use crate::error::{Refused, StepError};
use crate::message;
use crate::raft::{Raft, Role};

impl Raft {
    /// Takes a message that came from a peer (or a forwarded proposal or read).
    pub fn step(&mut self, message: Message) -> Result<(), StepError> {
        verify(&message, self.id)?;
        let term = message.term();
        if term > self.term {
            if self.is_under_lease(&message) {
                return Ok(());
            }
            self.hear_higher_term(&message);
        } else if term != 0 && term < self.term {
            self.hear_lower_term(&message);
            return Ok(());
        }
        let result = self.step_in_term(message);
        self.check();
        result
    }

    /// A voter that hears its leader does not let others unseat it.
    fn is_under_lease(&self, message: &Message) -> bool {
        let asks = matches!(message.r#type(), MessageType::MsgVote | MessageType::MsgPreVote);
        let recent = self.leader != 0 && self.election_elapsed < self.config.election_ticks;
        asks && self.config.check_quorum && recent && !is_transfer(message)
    }

    fn hear_higher_term(&mut self, message: &Message) {
        match message.r#type() {
            // Asked for a term that nobody is in yet.
            MessageType::MsgPreVote => {}
            // Granted in the term asked for; it begins only when enough did.
            MessageType::MsgPreVoteResp if !message.reject() => {}
            MessageType::MsgApp | MessageType::MsgHeartbeat | MessageType::MsgSnap => {
                self.become_follower(message.term(), message.from());
            }
            _ => self.become_follower(message.term(), 0),
        }
    }

    fn hear_lower_term(&mut self, message: &Message) {
        let lenient = self.config.check_quorum || self.config.pre_vote;
        let from = message.from();
        match message.r#type() {
            // A leader of the past cannot be unseated by our votes while others hear it, or we
            // by its silence: tell it our term.
            MessageType::MsgHeartbeat | MessageType::MsgApp if lenient => {
                let answer = message::to(from, MessageType::MsgAppResp);
                self.send_when_durable(answer);
            }
            MessageType::MsgPreVote => {
                let kind = MessageType::MsgPreVoteResp;
                let answer = message::vote(from, kind, self.term, false);
                self.send(answer);
            }
            _ => {}
        }
    }

    fn step_in_term(&mut self, message: Message) -> Result<(), StepError> {
        match (message.r#type(), self.role) {
            (MessageType::MsgVote | MessageType::MsgPreVote, _) => {
                self.answer_vote(&message);
                Ok(())
            }
            (_, Role::Leader) => self.step_leader(message),
            (_, Role::Follower) => self.step_follower(message),
            (MessageType::MsgProp, _) => Err(Refused::NoLeader.into()),
            (_, Role::PreCandidate | Role::Candidate) => self.step_candidate(message),
        }
    }
}

/// What can be said of a message knowing only who got it.
fn verify(message: &Message, own: u64) -> Result<(), StepError> {
    let kind = MessageType::try_from(message.r#type.unwrap_or(0));
    let kind = kind.map_err(|_| StepError::Malformed("unknown kind of message"))?;
    if message.to() != 0 && message.to() != own {
        return Err(StepError::Malformed("message for another member"));
    }
    // A transfer travels in the name of the one who is to lead.
    let named = kind == MessageType::MsgTransferLeader;
    if message.from() == 0 || (message.from() == own && !named) {
        return Err(StepError::Malformed("message without a sender"));
    }
    match kind {
        MessageType::MsgApp => return verify_append(message),
        MessageType::MsgProp if message.entries.is_empty() => {
            return Err(StepError::Malformed("proposal without entries"));
        }
        MessageType::MsgProp | MessageType::MsgReadIndex => return Ok(()),
        MessageType::MsgAppResp
        | MessageType::MsgVote
        | MessageType::MsgVoteResp
        | MessageType::MsgSnap
        | MessageType::MsgHeartbeat
        | MessageType::MsgHeartbeatResp
        | MessageType::MsgTransferLeader
        | MessageType::MsgTimeoutNow
        | MessageType::MsgReadIndexResp
        | MessageType::MsgPreVote
        | MessageType::MsgPreVoteResp => {}
        other => return Err(StepError::NotFromPeers(other)),
    }
    if message.term() == 0 {
        return Err(StepError::Malformed("message without term"));
    }
    Ok(())
}

/// Entries follow `index` without gaps, and no term is above the sender's.
fn verify_append(message: &Message) -> Result<(), StepError> {
    let (mut index, mut term) = (message.index(), message.log_term());
    for entry in &message.entries {
        if index.checked_add(1) != Some(entry.index()) || entry.term() < term {
            return Err(StepError::Malformed("entries do not follow each other"));
        }
        (index, term) = (entry.index(), entry.term());
    }
    if message.term() == 0 || term > message.term() {
        return Err(StepError::Malformed("append of a term above its own"));
    }
    Ok(())
}
