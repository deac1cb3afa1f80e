//! Who belongs to the cluster, and how that changes: one voter at a time or by joint consensus.

use std::collections::BTreeSet;

use ketch_raft_proto::raftpb::{
    ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState,
    Entry, EntryType,
};
use prost::Message as _;

use crate::error::ChangeError;
use crate::quorum::{Joint, Majority};

/// The members in force and their roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    pub(crate) voters: Joint,
    /// Invariant: no learner is a voter of either half.
    pub(crate) learners: BTreeSet<u64>,
    /// Voters of the outgoing half that become learners when the change is complete.
    /// Invariant: a subset of the outgoing voters, and none is an incoming voter.
    pub(crate) learners_next: BTreeSet<u64>,
    /// Whether the leader leaves the joint configuration by itself.
    pub(crate) auto_leave: bool,
}

/// Reads the change in an entry of either kind; `None` for a normal entry.
pub fn conf_change_of(entry: &Entry) -> Result<Option<ConfChangeV2>, ChangeError> {
    let data = entry.data.clone().unwrap_or_default();
    match EntryType::try_from(entry.r#type.unwrap_or(0)) {
        Ok(EntryType::EntryNormal) => Ok(None),
        Ok(EntryType::EntryConfChange) => {
            let single = ConfChange::decode(data).map_err(|_| ChangeError::Decode)?;
            Ok(Some(widen(single)))
        }
        Ok(EntryType::EntryConfChangeV2) => {
            ConfChangeV2::decode(data).map(Some).map_err(|_| ChangeError::Decode)
        }
        Err(_) => Err(ChangeError::Decode),
    }
}

/// The change of one member as a change of many.
pub fn widen(single: ConfChange) -> ConfChangeV2 {
    ConfChangeV2 {
        transition: None,
        changes: vec![ConfChangeSingle { r#type: single.r#type, node_id: single.node_id }],
        context: single.context,
    }
}

/// The change that ends a joint configuration. With its transition spelled out, since an entry of
/// this kind without data is not told from damage in the log.
pub(crate) fn leave_joint() -> ConfChangeV2 {
    let transition = Some(ConfChangeTransition::Auto as i32);
    ConfChangeV2 { transition, ..ConfChangeV2::default() }
}

/// Whether this is the change that ends a joint configuration.
pub(crate) fn leaves_joint(change: &ConfChangeV2) -> bool {
    change.changes.is_empty() && change.transition() == ConfChangeTransition::Auto
}

impl Configuration {
    /// Reads a recorded membership.
    pub fn from_conf_state(state: &ConfState) -> Result<Self, ChangeError> {
        let configuration = Self {
            voters: Joint {
                incoming: Majority::new(state.voters.clone()),
                outgoing: Majority::new(state.voters_outgoing.clone()),
            },
            learners: state.learners.iter().copied().collect(),
            learners_next: state.learners_next.iter().copied().collect(),
            auto_leave: state.auto_leave(),
        };
        configuration.verify()?;
        Ok(configuration)
    }

    /// The membership as it is recorded; lists ascend.
    pub fn to_conf_state(&self) -> ConfState {
        ConfState {
            voters: self.voters.incoming.voters().to_vec(),
            learners: self.learners.iter().copied().collect(),
            voters_outgoing: self.voters.outgoing.voters().to_vec(),
            learners_next: self.learners_next.iter().copied().collect(),
            auto_leave: Some(self.auto_leave),
        }
    }

    /// The membership after `change`; this one stays as it is.
    pub fn after(&self, change: &ConfChangeV2) -> Result<Self, ChangeError> {
        let next = if leaves_joint(change) {
            self.leave_joint()?
        } else if change.transition() != ConfChangeTransition::Auto || change.changes.len() > 1 {
            self.enter_joint(change)?
        } else {
            self.simple(change)?
        };
        next.verify()?;
        Ok(next)
    }

    /// Everyone: voters of both halves and learners, ascending.
    pub(crate) fn everyone(&self) -> Vec<u64> {
        let mut everyone: BTreeSet<u64> = self.learners.clone();
        everyone.extend(self.voters.voters());
        everyone.into_iter().collect()
    }

    pub(crate) fn is_joint(&self) -> bool {
        !self.voters.outgoing.is_empty()
    }

    fn simple(&self, change: &ConfChangeV2) -> Result<Self, ChangeError> {
        if self.is_joint() {
            return Err(ChangeError::AlreadyJoint);
        }
        let mut next = self.clone();
        next.make(&change.changes)?;
        let (old, new) = (&self.voters.incoming, &next.voters.incoming);
        let gone = old.voters().iter().filter(|id| !new.contains(**id)).count();
        let come = new.voters().iter().filter(|id| !old.contains(**id)).count();
        if gone + come > 1 {
            return Err(ChangeError::TooMany);
        }
        Ok(next)
    }

    fn enter_joint(&self, change: &ConfChangeV2) -> Result<Self, ChangeError> {
        if self.is_joint() {
            return Err(ChangeError::AlreadyJoint);
        }
        if self.voters.incoming.is_empty() {
            return Err(ChangeError::NoVoters);
        }
        let mut next = self.clone();
        next.voters.outgoing = next.voters.incoming.clone();
        next.make(&change.changes)?;
        next.auto_leave = change.transition() != ConfChangeTransition::JointExplicit;
        Ok(next)
    }

    fn leave_joint(&self) -> Result<Self, ChangeError> {
        if !self.is_joint() {
            return Err(ChangeError::NotJoint);
        }
        let mut next = self.clone();
        next.learners.append(&mut next.learners_next);
        next.voters.outgoing = Majority::default();
        next.auto_leave = false;
        Ok(next)
    }

    fn make(&mut self, changes: &[ConfChangeSingle]) -> Result<(), ChangeError> {
        for change in changes {
            // A change that was found invalid when applied carries no member.
            if change.node_id() != 0 {
                self.make_one(change.r#type(), change.node_id());
            }
        }
        if self.voters.incoming.is_empty() { Err(ChangeError::NoVoters) } else { Ok(()) }
    }

    fn make_one(&mut self, kind: ConfChangeType, id: u64) {
        match kind {
            ConfChangeType::ConfChangeAddNode => {
                self.learners.remove(&id);
                self.learners_next.remove(&id);
                self.voters.incoming.insert(id);
            }
            ConfChangeType::ConfChangeAddLearnerNode => {
                self.voters.incoming.remove(id);
                // As long as it votes in the outgoing half it is not yet a learner.
                if self.voters.outgoing.contains(id) {
                    self.learners_next.insert(id);
                } else {
                    self.learners.insert(id);
                }
            }
            ConfChangeType::ConfChangeRemoveNode => {
                self.voters.incoming.remove(id);
                self.learners.remove(&id);
                self.learners_next.remove(&id);
            }
            ConfChangeType::ConfChangeUpdateNode => {}
        }
    }

    fn verify(&self) -> Result<(), ChangeError> {
        let Joint { incoming, outgoing } = &self.voters;
        for id in &self.learners {
            if self.voters.contains(*id) {
                return Err(ChangeError::Conflict(*id));
            }
        }
        for id in &self.learners_next {
            if incoming.contains(*id) || !outgoing.contains(*id) {
                return Err(ChangeError::Conflict(*id));
            }
        }
        if self.is_joint() && incoming.is_empty() {
            return Err(ChangeError::NoVoters);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
