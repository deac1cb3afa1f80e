//! Whoever runs the cluster: adds, promotes and removes members, one after the other, and looks
//! at what the cluster says it is rather than at answers, which may be lost.

use std::collections::VecDeque;

use ketch_apply::Membership;
use ketch_node::Event;
use ketch_raft::FlowState;
use ketch_raft_proto::raftpb::{ConfChange, ConfChangeType};

use crate::world::World;
use crate::world::ending::Phase;
use crate::world::happening::What;
use crate::world::member::{Standing, card};
use crate::world::plan::{MS, SECOND};

/// Seats in all, so that a run does not grow without end.
const SEATS_MAX: usize = 9;

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Learner(usize),
    Voter(usize),
    Promote(usize),
    Remove(usize),
}

/// What is to be done, in order.
#[derive(Default)]
pub(crate) struct Operator {
    goals: VecDeque<Goal>,
    asked_at_us: u64,
    /// For the end of the run.
    pub(crate) deadline_us: u64,
}

impl Operator {
    pub(crate) fn is_idle(&self) -> bool {
        self.goals.is_empty()
    }

    pub(crate) fn describe(&self) -> String {
        format!("{:?}", self.goals)
    }
}

impl World {
    /// A damaged member gives way to a new one.
    pub(crate) fn replace(&mut self, slot: usize) {
        if self.operator.goals.contains(&Goal::Remove(slot)) {
            return;
        }
        let fresh = self.new_seat();
        // At once: other things may wait for all members to be up.
        self.operator.goals.push_front(Goal::Remove(slot));
        self.operator.goals.push_back(Goal::Learner(fresh));
        self.operator.goals.push_back(Goal::Promote(fresh));
    }

    /// Some change of the cluster, for its own sake.
    pub(super) fn change_members(&mut self) {
        let wanted: Vec<usize> = (0..self.seats.len())
            .filter(|slot| self.seats[*slot].standing == Standing::Wanted)
            .collect();
        let damaged = self.seats.iter().any(|seat| seat.damaged);
        if damaged || !self.operator.is_idle() || self.seats.len() >= SEATS_MAX {
            return;
        }
        let count = wanted.len() as u64;
        match self.rng.below(4) {
            0 if count > 2 => {
                let slot = wanted[self.rng.below(count) as usize];
                self.operator.goals.push_back(Goal::Remove(slot));
            }
            1 if count < 6 => {
                let slot = self.new_seat();
                self.operator.goals.push_back(Goal::Voter(slot));
            }
            2 if count > 2 => {
                let slot = wanted[self.rng.below(count) as usize];
                self.replace(slot);
            }
            _ if count < 6 => {
                let slot = self.new_seat();
                self.operator.goals.push_back(Goal::Learner(slot));
                self.operator.goals.push_back(Goal::Promote(slot));
            }
            _ => {}
        }
    }

    /// Looks at the cluster, and does what is next.
    pub(crate) fn operate(&mut self) {
        if self.phase != Phase::Over {
            self.after(250 * MS, What::Operator);
        }
        let Some(goal) = self.operator.goals.front().copied() else { return };
        let Some(at) = self.best_informed() else { return };
        let Some(life) = &self.seats[at].life else { return };
        let membership = life.shared.membership();
        if self.is_done(goal, &membership) {
            self.operator.goals.pop_front();
            self.operator.asked_at_us = 0;
            self.done(goal);
            return;
        }
        let waited = self.now_us >= self.operator.asked_at_us + 3 * SECOND;
        if waited && self.may(goal, &membership) {
            self.operator.asked_at_us = self.now_us;
            self.propose_change(goal);
        }
    }

    /// The running member that has applied most.
    pub(super) fn best_informed(&self) -> Option<usize> {
        let applied = |slot: &usize| self.seats[*slot].life.as_ref().map(|life| life.applied);
        (0..self.seats.len()).filter(|slot| applied(slot).is_some()).max_by_key(applied)
    }

    fn is_done(&self, goal: Goal, membership: &Membership) -> bool {
        let of = |slot: usize| membership.member(self.seats[slot].id);
        match goal {
            Goal::Learner(slot) | Goal::Voter(slot) => of(slot).is_some(),
            Goal::Promote(slot) => of(slot).is_some_and(|member| !member.is_learner),
            Goal::Remove(slot) => membership.is_removed(self.seats[slot].id),
        }
    }

    fn done(&mut self, goal: Goal) {
        self.recorder.count(match goal {
            Goal::Learner(_) => "learner added",
            Goal::Voter(_) => "voter added",
            Goal::Promote(_) => "learner promoted",
            Goal::Remove(_) => "member removed",
        });
        match goal {
            Goal::Learner(slot) | Goal::Voter(slot) => {
                self.seats[slot].standing = Standing::Wanted;
                let delay_us = self.rng.below(SECOND);
                self.after(delay_us, What::Start(slot));
            }
            Goal::Promote(_) => {}
            Goal::Remove(slot) => {
                self.seats[slot].damaged = false;
                if self.seats[slot].life.is_some() {
                    // If nobody tells it, it is told to end.
                    self.leave_soon(slot);
                } else {
                    self.seats[slot].standing = Standing::Gone;
                }
            }
        }
    }

    /// etcd's own rules (strict reconfiguration), and some patience.
    fn may(&self, goal: Goal, membership: &Membership) -> bool {
        let is_up = |slot: usize| self.seats[slot].life.is_some();
        let voters: Vec<usize> = (0..self.seats.len())
            .filter(|slot| {
                let member = membership.member(self.seats[*slot].id);
                member.is_some_and(|member| !member.is_learner)
            })
            .collect();
        let up = voters.iter().filter(|slot| is_up(**slot)).count();
        match goal {
            Goal::Learner(_) => up > voters.len() / 2,
            Goal::Voter(_) => up == voters.len(),
            Goal::Promote(slot) => is_up(slot) && self.has_caught_up(slot),
            Goal::Remove(slot) => {
                let left = voters.iter().filter(|voter| **voter != slot);
                let up_left = left.clone().filter(|voter| is_up(**voter)).count();
                up_left > left.count() / 2
            }
        }
    }

    /// As the leader sees it: a learner is promoted when it has nine tenths of the log.
    fn has_caught_up(&self, slot: usize) -> bool {
        let Some(life) = self.leader().and_then(|leader| self.seats[leader].life.as_ref()) else {
            return false;
        };
        let last = life.node.status().last.index;
        let peers = life.node.peers();
        let peer = peers.iter().find(|peer| peer.id == self.seats[slot].id);
        peer.is_some_and(|peer| {
            peer.flow != FlowState::Snapshot && peer.matched.0 >= last - last / 10
        })
    }

    fn propose_change(&mut self, goal: Goal) {
        let Some(at) = (if self.rng.once_in(2) { self.leader() } else { self.someone() }) else {
            return;
        };
        let (kind, slot, promote) = match goal {
            Goal::Learner(slot) => (ConfChangeType::ConfChangeAddLearnerNode, slot, None),
            Goal::Voter(slot) => (ConfChangeType::ConfChangeAddNode, slot, None),
            Goal::Promote(slot) => (ConfChangeType::ConfChangeAddNode, slot, Some(true)),
            Goal::Remove(slot) => (ConfChangeType::ConfChangeRemoveNode, slot, None),
        };
        let member = self.seats[slot].id;
        let is_learner = kind == ConfChangeType::ConfChangeAddLearnerNode;
        let context = card(member, is_learner).context_json(promote);
        let Some(life) = &self.seats[at].life else { return };
        let id = life.ids.next();
        let change = ConfChange {
            id: Some(id.0),
            r#type: Some(kind as i32),
            node_id: Some(member.0),
            context: Some(context),
        };
        self.post(at, Event::ProposeChange { id, change });
    }
}
