//! A cluster of both kinds, a seed, and what may happen next.

use std::collections::BTreeMap;

use bytes::Bytes;
use ketch_base::{Index, MemberId};
use ketch_raft::raftpb::{ConfChange, ConfChangeType, ConfState, Message, MessageType};
use ketch_raft::{Config, Role};
use prost::Message as _;

use crate::cluster::Member;
use crate::theirs::{Applied, Theirs};

const FOUNDERS: [u64; 3] = [1, 2, 3];
/// Comes and goes.
const GUEST: u64 = 4;

/// One member of either kind.
enum Node {
    Ours(Box<Member>),
    Theirs(Box<Theirs>),
}

/// What happened, for telling an empty run from a good one; ours first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    applied: u64,
    led: [u64; 2],
    installed: [u64; 2],
    reads: [u64; 2],
    changes: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.applied += other.applied;
        self.changes += other.changes;
        for kind in 0..2 {
            self.led[kind] += other.led[kind];
            self.installed[kind] += other.installed[kind];
            self.reads[kind] += other.reads[kind];
        }
    }

    pub(crate) fn missing(&self) -> Option<&'static str> {
        let all = [
            (self.applied, "an applied entry"),
            (self.changes, "a change of members"),
            (self.led[0], "a leader of ours"),
            (self.led[1], "a leader of raft-rs"),
            (self.installed[0], "a snapshot installed by ours"),
            (self.installed[1], "a snapshot installed by raft-rs"),
            (self.reads[0], "a read answered on ours"),
            (self.reads[1], "a read answered on raft-rs"),
        ];
        all.iter().find(|(count, _)| *count == 0).map(|(_, what)| *what)
    }
}

pub(crate) struct World {
    nodes: BTreeMap<u64, Node>,
    network: Vec<Message>,
    random: u64,
    sides: BTreeMap<u64, u64>,
    /// What every member must apply at an index.
    truth: BTreeMap<u64, Applied>,
    /// Questions with the index that was applied somewhere when they were asked.
    asked: BTreeMap<Bytes, u64>,
    numbers: u64,
    seen: Seen,
    leads: BTreeMap<u64, bool>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            nodes: BTreeMap::new(),
            network: Vec::new(),
            random: seed,
            sides: BTreeMap::new(),
            truth: BTreeMap::new(),
            asked: BTreeMap::new(),
            numbers: 0,
            seen: Seen::default(),
            leads: BTreeMap::new(),
        };
        for id in 1..=GUEST {
            // At least one of each kind among the founders.
            let ours = match id {
                1 => true,
                2 => false,
                _ => (seed >> (id - 3)) & 1 == 0,
            };
            let node = if ours {
                let state = ConfState { voters: FOUNDERS.to_vec(), ..ConfState::default() };
                Node::Ours(Box::new(Member::new(tuning(id, seed), state)))
            } else {
                Node::Theirs(Box::new(Theirs::new(id, &FOUNDERS)))
            };
            world.nodes.insert(id, node);
        }
        world
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen
    }

    /// One thing happens somewhere.
    pub(crate) fn step(&mut self) {
        let id = 1 + self.below(GUEST);
        match self.below(1000) {
            0..=449 => self.carry(),
            450..=629 => self.tick(id),
            630..=829 => self.work(id),
            830..=909 => self.propose(id),
            910..=949 => self.ask(id),
            950..=964 => self.compact(id),
            965..=974 => self.change(id),
            975..=982 => self.transfer(id),
            983..=988 => self.crash(id),
            989..=992 => self.partition(),
            _ => self.sides.clear(),
        }
        self.look(id);
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    fn node(&mut self, id: u64) -> &mut Node {
        self.nodes.get_mut(&id).expect("a member of the world")
    }

    /// Mostly the oldest message; now and then lost, or twice.
    fn carry(&mut self) {
        let window = self.network.len().min(6) as u64;
        if window == 0 {
            return;
        }
        let place = self.below(window) as usize;
        let message = self.network.remove(place);
        let side = |id: u64| self.sides.get(&id).copied().unwrap_or(0);
        let lost = side(message.from()) != side(message.to()) || self.below(100) < 5;
        if !lost && self.below(100) < 3 {
            self.network.push(message.clone());
        }
        self.deliver(message, lost);
    }

    fn deliver(&mut self, message: Message, lost: bool) {
        if message.r#type() == MessageType::MsgSnap {
            self.report(message.from(), message.to(), !lost);
        }
        if lost || !self.nodes.contains_key(&message.to()) {
            return;
        }
        // Bytes in between, as on a wire.
        let bytes = message.encode_to_vec();
        let message = Message::decode(bytes.as_slice()).expect("just encoded");
        match self.node(message.to()) {
            // A refusal is the sender's business.
            Node::Ours(member) => drop(member.raft.step(message)),
            Node::Theirs(theirs) => theirs.step(&message),
        }
    }

    fn report(&mut self, from: u64, to: u64, arrived: bool) {
        match self.node(from) {
            Node::Ours(member) => member.raft.snapshot_sent(MemberId(to), arrived),
            Node::Theirs(theirs) => {
                let status = match arrived {
                    true => raft::SnapshotStatus::Finish,
                    false => raft::SnapshotStatus::Failure,
                };
                theirs.node.report_snapshot(to, status);
            }
        }
    }

    fn tick(&mut self, id: u64) {
        match self.node(id) {
            Node::Ours(member) => member.raft.tick(),
            Node::Theirs(theirs) => theirs.tick(),
        }
    }

    /// Effects leave, disks finish, entries are applied.
    fn work(&mut self, id: u64) {
        let (writes, applies) = (self.below(3), self.below(5) as usize);
        self.advance(id, writes, applies);
    }

    /// Takes the effects of `id` that are due and finishes so many of its writes and entries;
    /// `false` if it had nothing to do.
    fn advance(&mut self, id: u64, writes: u64, applies: usize) -> bool {
        let messages = match self.node(id) {
            Node::Ours(member) => {
                let ready = member.take_ready();
                let mut busy = ready.is_some() || !member.applying.is_empty();
                let write = ready.as_ref().and_then(|ready| ready.write.as_ref());
                let installs = write.is_some_and(|write| write.snapshot.is_some());
                for _ in 0..writes {
                    busy |= member.persist_one();
                }
                member.apply(applies);
                self.seen.installed[0] += u64::from(installs);
                self.network.extend(ready.into_iter().flat_map(|ready| ready.messages));
                return busy;
            }
            Node::Theirs(theirs) => theirs.ready(),
        };
        let busy = !messages.is_empty();
        self.network.extend(messages);
        busy
    }

    fn propose(&mut self, id: u64) {
        self.numbers += 1;
        let data = Bytes::from(format!("proposal {}", self.numbers));
        match self.node(id) {
            Node::Ours(member) => drop(member.raft.propose(data)),
            // raft-rs forwards to a leader it may not have; it drops then.
            Node::Theirs(theirs) => theirs.propose(data),
        }
    }

    fn ask(&mut self, id: u64) {
        self.numbers += 1;
        let context = Bytes::from(format!("question {}", self.numbers));
        let newest = self.truth.keys().next_back().copied().unwrap_or(0);
        self.asked.insert(context.clone(), newest);
        match self.node(id) {
            Node::Ours(member) => drop(member.raft.read_index(context)),
            Node::Theirs(theirs) => theirs.node.read_index(context.to_vec()),
        }
    }

    fn compact(&mut self, id: u64) {
        let behind = self.below(4);
        match self.node(id) {
            Node::Ours(member) => {
                let applied = member.raft.applied_index().0;
                member.keep(applied.saturating_sub(behind));
                let kept = member.disk.kept.index;
                member.raft.compact(Index(kept));
            }
            Node::Theirs(theirs) => theirs.compact(behind),
        }
    }

    /// The guest comes as a learner, gets its vote, moves, or leaves.
    fn change(&mut self, id: u64) {
        let kind = match self.below(5) {
            0 | 1 => ConfChangeType::ConfChangeAddLearnerNode,
            2 => ConfChangeType::ConfChangeAddNode,
            3 => ConfChangeType::ConfChangeUpdateNode,
            _ => ConfChangeType::ConfChangeRemoveNode,
        };
        // A voter is not made a learner by etcd.
        let is_voter = self.truth_voters().contains(&GUEST);
        if is_voter && kind == ConfChangeType::ConfChangeAddLearnerNode {
            return;
        }
        let change = ConfChange {
            r#type: Some(kind as i32),
            node_id: Some(GUEST),
            context: Some(Bytes::from_static(b"{}")),
            id: Some(self.numbers),
        };
        match self.node(id) {
            Node::Ours(member) => drop(member.raft.propose_change(&change)),
            Node::Theirs(theirs) => theirs.propose_change(&change.encode_to_vec()),
        }
    }

    /// The voters as the most advanced member sees them.
    fn truth_voters(&self) -> Vec<u64> {
        let newest = self.nodes.values().max_by_key(|node| node.applied());
        newest.map(Node::voters).unwrap_or_default()
    }

    fn transfer(&mut self, id: u64) {
        let to = 1 + self.below(3);
        match self.node(id) {
            Node::Ours(member) => drop(member.raft.transfer(MemberId(to))),
            Node::Theirs(theirs) => theirs.node.transfer_leader(to),
        }
    }

    fn crash(&mut self, id: u64) {
        match self.node(id) {
            Node::Ours(member) => member.crash(),
            Node::Theirs(theirs) => theirs.crash(),
        }
    }

    fn partition(&mut self) {
        self.sides = (1..=GUEST).map(|id| (id, self.below(2))).collect();
    }

    /// Compares what `id` did with what all others did.
    fn look(&mut self, id: u64) {
        let (kind, news, reads, leads, installed) = match self.node(id) {
            Node::Ours(member) => {
                let news = std::mem::take(&mut member.applied).into_values().map(applied).collect();
                let reads: Vec<_> =
                    member.reads.drain(..).map(|read| (read.context, read.index)).collect();
                (0, news, reads, member.role() == Role::Leader, 0)
            }
            Node::Theirs(theirs) => {
                let installed = std::mem::take(&mut theirs.installed);
                let news: Vec<Applied> = std::mem::take(&mut theirs.news);
                (1, news, std::mem::take(&mut theirs.reads), theirs.leads(), installed)
            }
        };
        for entry in news {
            self.seen.applied += 1;
            self.seen.changes += u64::from(entry.2 == 1);
            let known = self.truth.entry(entry.0).or_insert_with(|| entry.clone());
            assert_eq!(*known, entry, "member {id} applied something else");
        }
        for (context, index) in reads {
            let Some(newest) = self.asked.get(&context) else { continue };
            assert!(index >= *newest, "member {id}: a read at {index} is older than {newest}");
            self.seen.reads[kind] += 1;
        }
        let led = self.leads.insert(id, leads).unwrap_or(false);
        self.seen.led[kind] += u64::from(leads && !led);
        self.seen.installed[kind] += installed;
    }

    /// Faults stop: within a bounded time all members agree on an entry proposed afterwards.
    pub(crate) fn heal(&mut self) {
        self.sides.clear();
        let mut probe = None;
        for round in 0..600 {
            for id in 1..=GUEST {
                self.tick(id);
            }
            self.settle();
            if round % 20 == 19 {
                self.end_snapshots();
            }
            let Some(leader) = (1..=GUEST).find(|id| self.leads.get(id) == Some(&true)) else {
                continue;
            };
            match probe {
                None if round > 60 => {
                    self.propose(leader);
                    probe = Some(Bytes::from(format!("proposal {}", self.numbers)));
                }
                Some(ref data) if self.agree_on(data) => return,
                Some(_) if round % 100 == 99 => probe = None,
                _ => {}
            }
        }
        panic!("it does not heal: {:?}", self.outline());
    }

    /// Everything that can happen without time passing happens.
    fn settle(&mut self) {
        for _ in 0..200 {
            let mut busy = !self.network.is_empty();
            for message in std::mem::take(&mut self.network) {
                self.deliver(message, false);
            }
            for id in 1..=GUEST {
                while self.advance(id, 8, usize::MAX) {
                    busy = true;
                }
                self.look(id);
            }
            if !busy {
                return;
            }
        }
    }

    /// Snapshots that were under way when the storm ended are known to be lost.
    fn end_snapshots(&mut self) {
        for from in 1..=GUEST {
            for to in (1..=GUEST).filter(|to| *to != from) {
                self.report(from, to, false);
            }
        }
    }

    fn agree_on(&self, data: &Bytes) -> bool {
        let place = self.truth.values().rev().find(|entry| entry.3 == *data).map(|entry| entry.0);
        let Some(index) = place else { return false };
        let newest = self.nodes.values().max_by_key(|node| node.applied());
        let members = newest.map(Node::members).unwrap_or_default();
        members.iter().all(|id| self.nodes.get(id).is_some_and(|node| node.applied() >= index))
    }

    fn outline(&self) -> Vec<(u64, u64, Vec<u64>)> {
        self.nodes.iter().map(|(id, node)| (*id, node.applied(), node.members())).collect()
    }
}

impl Node {
    fn applied(&self) -> u64 {
        match self {
            Self::Ours(member) => member.raft.applied_index().0,
            Self::Theirs(theirs) => theirs.applied,
        }
    }

    fn voters(&self) -> Vec<u64> {
        match self {
            Self::Ours(member) => member.raft.conf_state().voters,
            Self::Theirs(theirs) => theirs.voters(),
        }
    }

    fn members(&self) -> Vec<u64> {
        match self {
            Self::Ours(member) => {
                let state = member.raft.conf_state();
                state.voters.into_iter().chain(state.learners).collect()
            }
            Self::Theirs(theirs) => theirs.members(),
        }
    }
}

fn applied(entry: ketch_raft::raftpb::Entry) -> Applied {
    let kind = entry.r#type() as i32;
    (entry.index(), entry.term(), kind, entry.data.unwrap_or_default())
}

fn tuning(id: u64, seed: u64) -> Config {
    Config {
        max_message_bytes: 400,
        max_inflight_messages: 4,
        apply_unpersisted: seed % 2 == 0,
        ..Config::new(MemberId(id), seed.wrapping_mul(31).wrapping_add(id))
    }
}
