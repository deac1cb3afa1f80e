//! A cluster, a seed, and what may happen next.

use std::collections::BTreeMap;

use bytes::Bytes;
use ketch_base::{Index, MemberId};
use ketch_raft::raftpb::{
    ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState, Message,
    MessageType,
};
use ketch_raft::{Config, Role};

use crate::checks::Checks;
use crate::cluster::{Cluster, show};

/// Members that exist; the first three found the cluster.
const MEMBERS: u64 = 5;

/// How often what happens: in a hundred messages, or in a thousand steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mix {
    /// Of a hundred messages.
    pub(crate) loss: u64,
    /// Of a hundred messages.
    pub(crate) doubling: u64,
    pub(crate) crashes: u64,
    pub(crate) partitions: u64,
    pub(crate) compactions: u64,
    pub(crate) changes: u64,
    pub(crate) transfers: u64,
    /// Neither pre-vote nor leases.
    pub(crate) plain: bool,
    /// Writes take long, so that crashes come into the middle of them.
    pub(crate) slow_disks: bool,
    /// Apply only what is durable on the own disk.
    pub(crate) persisted_only: bool,
}

/// The splitmix64 sequence.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    fn of_hundred(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    checks: Checks,
    dice: Dice,
    mix: Mix,
    proposed: u64,
    asked: u64,
    /// Which side of the partition each member is on.
    sides: BTreeMap<u64, u64>,
}

impl World {
    pub(crate) fn new(seed: u64, mix: &Mix) -> Self {
        let mut dice = Dice(seed);
        let stall = if dice.of_hundred(50) { 8 } else { 0 };
        let tune = |config: &mut Config| {
            config.seed = seed;
            config.pre_vote = !mix.plain;
            config.check_quorum = !mix.plain;
            config.apply_unpersisted = !mix.persisted_only;
            config.max_inflight_messages = 4;
            config.max_message_bytes = 400;
            config.max_committed_bytes = 1000;
            config.stall_ticks = stall;
        };
        let mut cluster = Cluster::new(&[1, 2, 3], &[], tune);
        for id in 4..=MEMBERS {
            let founders = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };
            cluster.add(id, founders, tune);
        }
        Self {
            cluster,
            checks: Checks::default(),
            dice,
            mix: mix.clone(),
            proposed: 0,
            asked: 0,
            sides: BTreeMap::new(),
        }
    }

    /// One thing happens somewhere.
    pub(crate) fn step(&mut self) {
        let id = 1 + self.dice.below(MEMBERS);
        match self.dice.below(100) {
            0..=35 => self.carry(),
            36..=53 => self.cluster.tick(id, 1),
            54..=73 => {
                self.cluster.ready(id);
            }
            74..=83 if !self.mix.slow_disks || self.dice.of_hundred(35) => {
                self.cluster.member(id).persist_one();
            }
            84..=90 => self.cluster.member(id).apply(1 + self.dice.below(4) as usize),
            91..=95 => self.propose(id),
            96..=98 => self.ask(id),
            _ => {}
        }
        self.disturb(id);
        self.checks.look(&mut self.cluster);
    }

    /// A message arrives, or does not, or twice; in any order.
    fn carry(&mut self) {
        if self.cluster.network.is_empty() {
            return;
        }
        // Mostly in order: the oldest few.
        let window = self.cluster.network.len().min(8) as u64;
        let place = self.dice.below(window) as usize;
        let message = self.cluster.network.remove(place);
        let side = |id: u64| self.sides.get(&id).copied().unwrap_or(0);
        let apart = side(message.from()) != side(message.to());
        if apart || self.dice.of_hundred(self.mix.loss) {
            self.report(&message, false);
            return;
        }
        if self.dice.of_hundred(self.mix.doubling) {
            self.cluster.network.push(message.clone());
        }
        self.report(&message, true);
        self.cluster.deliver(message);
    }

    /// The transport tells a leader what became of its snapshot; a success may go untold.
    fn report(&mut self, message: &Message, arrived: bool) {
        if message.r#type() != MessageType::MsgSnap || (arrived && self.dice.of_hundred(50)) {
            return;
        }
        let to = MemberId(message.to());
        self.cluster.raft(message.from()).snapshot_sent(to, arrived);
    }

    fn propose(&mut self, id: u64) {
        self.proposed += 1;
        let data = Bytes::from(format!("proposal {}", self.proposed));
        // A refusal is an answer, too.
        let _ = self.cluster.raft(id).propose(data);
    }

    fn ask(&mut self, id: u64) {
        self.asked += 1;
        let context = Bytes::from(self.asked.to_string());
        if self.cluster.raft(id).read_index(context.clone()).is_ok() {
            self.checks.asked(context);
        }
    }

    fn disturb(&mut self, id: u64) {
        let mut at = self.dice.below(1000);
        let mut due = |share: u64| {
            let hit = at < share;
            at = if hit { u64::MAX } else { at - share };
            hit
        };
        let mix = self.mix.clone();
        if due(mix.crashes) {
            self.cluster.member(id).crash();
            self.checks.crashed(id);
        } else if due(mix.partitions) {
            let parts = 1 + self.dice.below(2);
            self.sides = (1..=MEMBERS).map(|id| (id, self.dice.below(parts + 1))).collect();
        } else if due(mix.compactions) {
            self.compact(id);
        } else if due(mix.changes) {
            self.change(id);
        } else if due(mix.transfers) {
            let to = MemberId(1 + self.dice.below(MEMBERS));
            let _ = self.cluster.raft(id).transfer(to);
        }
    }

    fn compact(&mut self, id: u64) {
        let member = self.cluster.member(id);
        let applied = member.raft.applied_index().0;
        let index = applied.saturating_sub(self.dice.below(6));
        member.keep(index);
        // Memory and disk let go only of what is kept.
        let kept = member.disk.kept.index;
        member.raft.compact(Index(kept));
    }

    fn change(&mut self, id: u64) {
        let mut change = ConfChangeV2::default();
        if self.dice.of_hundred(40) {
            let explicit = self.dice.of_hundred(50);
            let implicit = ConfChangeTransition::JointImplicit;
            let how = if explicit { ConfChangeTransition::JointExplicit } else { implicit };
            change.transition = Some(how as i32);
        }
        // None is the wish to leave a joint configuration.
        for _ in 0..self.dice.below(3) {
            let kind = match self.dice.below(4) {
                0 => ConfChangeType::ConfChangeRemoveNode,
                1 => ConfChangeType::ConfChangeAddLearnerNode,
                _ => ConfChangeType::ConfChangeAddNode,
            };
            let node_id = Some(1 + self.dice.below(MEMBERS));
            change.changes.push(ConfChangeSingle { r#type: Some(kind as i32), node_id });
        }
        let _ = self.cluster.raft(id).propose_change_v2(&change);
    }

    /// The faults stop. Within a bounded time someone leads, what is proposed is committed, and
    /// all members agree. Returns how much was committed in all.
    pub(crate) fn heal(&mut self) -> u64 {
        self.sides.clear();
        let mut probe = None;
        for round in 0..400 {
            for id in 1..=MEMBERS {
                self.cluster.tick(id, 1);
            }
            assert!(self.cluster.settle(), "messages without end");
            self.report_all();
            self.checks.look(&mut self.cluster);
            let leader = self.newest_leader();
            match (leader, probe) {
                (Some(leader), None) if round > 50 => {
                    let raft = self.cluster.raft(leader);
                    if raft.propose("after the storm".into()).is_ok() {
                        probe = Some(raft.status().last);
                    }
                }
                (Some(leader), Some(target)) if self.agrees(leader, target.index) => {
                    return self.cluster.raft(leader).committed().0;
                }
                _ => {}
            }
        }
        panic!("it does not heal:\n{}", self.outline());
    }

    fn newest_leader(&self) -> Option<u64> {
        let leaders = self.cluster.leaders().into_iter();
        leaders.max_by_key(|id| self.cluster.members[id].raft.status().term)
    }

    /// Snapshots that were under way when the storm ended are known to be lost.
    fn report_all(&mut self) {
        for id in 1..=MEMBERS {
            for peer in self.cluster.raft(id).peers() {
                if peer.flow == ketch_raft::FlowState::Snapshot {
                    self.cluster.raft(id).snapshot_sent(peer.id, false);
                }
            }
        }
    }

    /// Whether every member of the leader's configuration has applied up to `index`.
    fn agrees(&mut self, leader: u64, index: u64) -> bool {
        let state = self.cluster.raft(leader).conf_state();
        let joint = !state.voters_outgoing.is_empty() && state.auto_leave();
        let members = state.voters.iter().chain(&state.learners);
        !joint && members.copied().all(|id| self.cluster.raft(id).applied_index().0 >= index)
    }

    /// The state of all, for comparing and for reports.
    pub(crate) fn outline(&self) -> String {
        let line = |member: &crate::cluster::Member| {
            format!("{} [{}]\n", show::member(member), show::membership(member))
        };
        let mut text: String = self.cluster.members.values().map(line).collect();
        for member in self.cluster.members.values().filter(|m| m.role() == Role::Leader) {
            text += &show::peers(member);
        }
        text
    }
}
