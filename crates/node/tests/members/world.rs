//! A few members and the network between them, stepped by hand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use ketch_apply::Member as Description;
use ketch_base::{Index, MemberId, RequestId};
use ketch_env::sim::SimDisk;
use ketch_node::recover::{Begin, Founder, Founding};
use ketch_node::{Event, Role};
use ketch_proto::etcdserverpb::{InternalRaftRequest, PutRequest, RequestHeader};
use ketch_raft_proto::raftpb::{ConfChange, ConfChangeType, Message};
use prost::Message as _;

use crate::member::{CLUSTER, Cut, Member, Outgoing, Parcel};

#[derive(Default)]
pub(crate) struct World {
    pub(crate) members: BTreeMap<u64, Member>,
    pub(crate) network: VecDeque<Message>,
    pub(crate) parcels: VecDeque<Parcel>,
    /// Who neither hears nor is heard.
    pub(crate) cut_off: BTreeSet<u64>,
    /// Parcels wait for [`World::hand_over`].
    pub(crate) holds_parcels: bool,
    /// Snapshots sent so far.
    pub(crate) sent_parcels: u64,
    pub(crate) refused: Vec<(u64, ketch_base::Code)>,
    pub(crate) reads: Vec<(u64, u64, Index)>,
    pub(crate) removed: BTreeSet<u64>,
    /// The power goes at this member there, once.
    pub(crate) power_cut: Option<(u64, Cut)>,
    lives: u64,
    requests: u64,
}

pub(crate) fn describe(id: u64, is_learner: bool) -> Description {
    Description {
        id: MemberId(id),
        peer_urls: vec![format!("http://10.0.0.{id}:2380")],
        is_learner,
        ..Description::default()
    }
}

fn change(kind: ConfChangeType, id: u64, context: Option<Bytes>) -> ConfChange {
    ConfChange { r#type: Some(kind as i32), node_id: Some(id), context, id: Some(1 << 60) }
}

pub(crate) fn addition(id: u64) -> ConfChange {
    let context = describe(id, false).context_json(Some(false));
    change(ConfChangeType::ConfChangeAddNode, id, Some(context))
}

pub(crate) fn learner(id: u64) -> ConfChange {
    let context = describe(id, true).context_json(Some(false));
    change(ConfChangeType::ConfChangeAddLearnerNode, id, Some(context))
}

pub(crate) fn promotion(id: u64) -> ConfChange {
    let context = describe(id, false).context_json(Some(true));
    change(ConfChangeType::ConfChangeAddNode, id, Some(context))
}

pub(crate) fn removal(id: u64) -> ConfChange {
    change(ConfChangeType::ConfChangeRemoveNode, id, None)
}

impl World {
    /// Members that found a cluster; the first is made to lead.
    pub(crate) fn found(ids: &[u64]) -> Self {
        let mut world = Self::default();
        let founder = |id: &u64| Founder {
            id: MemberId(*id),
            context: describe(*id, false).context_json(None),
        };
        let founders: Vec<Founder> = ids.iter().map(founder).collect();
        for id in ids {
            let founders = founders.clone();
            let founding = Founding { member: MemberId(*id), cluster: CLUSTER, founders };
            world.start(*id, &SimDisk::new(*id), Some(&Begin::Found(founding)));
        }
        world.settle();
        world.elect();
        world
    }

    fn start(&mut self, id: u64, disk: &SimDisk, begin: Option<&Begin>) {
        self.lives += 1;
        self.members.insert(id, Member::start(id, disk, begin, self.lives));
    }

    /// A member without a log begins, as one that was added.
    pub(crate) fn join(&mut self, id: u64) {
        let join = Begin::Join { member: MemberId(id), cluster: CLUSTER };
        self.start(id, &SimDisk::new(id), Some(&join));
    }

    /// The power goes and comes back.
    pub(crate) fn restart(&mut self, id: u64) {
        let disk = self.members.remove(&id).expect("a member").disk;
        disk.crash();
        self.start(id, &disk, None);
    }

    pub(crate) fn feed(&mut self, id: u64, event: Event) {
        self.members.get_mut(&id).expect("a member").events.push_back(event);
    }

    pub(crate) fn propose_change(&mut self, id: u64, change: ConfChange) {
        self.feed(id, Event::ProposeChange { id: RequestId(1 << 60), change });
    }

    /// Puts `count` keys through member `id`.
    pub(crate) fn put(&mut self, id: u64, count: u64) {
        for _ in 0..count {
            self.requests += 1;
            let request = InternalRaftRequest {
                header: Some(RequestHeader { id: self.requests, ..RequestHeader::default() }),
                put: Some(PutRequest {
                    key: format!("key-{}", self.requests).into(),
                    value: vec![b'v'; 100].into(),
                    ..PutRequest::default()
                }),
                ..InternalRaftRequest::default()
            };
            let data = request.encode_to_vec().into();
            self.feed(id, Event::Propose { id: RequestId(self.requests), data });
        }
    }

    fn turn(&mut self, id: u64) -> bool {
        let cut = self.power_cut.filter(|(who, _)| *who == id).map(|(_, cut)| cut);
        let mut out = Outgoing::default();
        let Some(member) = self.members.get_mut(&id) else { return false };
        let moved = member.turn(&mut out, cut);
        self.network.extend(out.messages);
        self.sent_parcels += out.parcels.len() as u64;
        self.parcels.extend(out.parcels);
        self.refused.extend(out.refused);
        self.reads.extend(out.reads.into_iter().map(|(token, index)| (id, token, index)));
        if out.removed_self {
            self.removed.insert(id);
        }
        moved.unwrap_or_else(|_| {
            self.power_cut = None;
            self.restart(id);
            true
        })
    }

    /// Until nothing is left to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let ids: Vec<u64> = self.members.keys().copied().collect();
            let mut moved = false;
            for id in ids {
                moved |= self.turn(id);
            }
            while let Some(message) = self.network.pop_front() {
                self.deliver(message);
                moved = true;
            }
            if !self.holds_parcels {
                moved |= self.hand_over();
            }
            if !moved {
                return;
            }
        }
        panic!("no end");
    }

    fn deliver(&mut self, message: Message) {
        let (from, to) = (message.from(), message.to());
        if self.cut_off.contains(&from) || self.cut_off.contains(&to) {
            return;
        }
        if let Some(member) = self.members.get_mut(&to) {
            // Nobody listens to those it knows to be removed.
            let membership = member.apply.machine().shared().membership();
            if !membership.is_removed(MemberId(from)) {
                member.events.push_back(Event::Message(Box::new(message)));
            }
        }
    }

    /// Parcels arrive; their senders hear of it.
    pub(crate) fn hand_over(&mut self) -> bool {
        let any = !self.parcels.is_empty();
        while let Some(parcel) = self.parcels.pop_front() {
            let (from, to) = (parcel.message.from(), parcel.message.to());
            let cut = self.power_cut.filter(|(who, _)| *who == to).map(|(_, cut)| cut);
            let is_lost = self.cut_off.contains(&to);
            let member = self.members.get_mut(&to).filter(|_| !is_lost);
            let arrived = member.is_some_and(|member| member.receive(&parcel, cut).is_ok());
            if !arrived && cut.is_some() && !is_lost {
                self.power_cut = None;
                self.restart(to);
            }
            self.feed(from, Event::SnapshotSent { peer: MemberId(to), arrived });
        }
        any
    }

    pub(crate) fn drain(&mut self) {
        self.members.values_mut().for_each(Member::drain);
        self.settle();
    }

    pub(crate) fn tick(&mut self, count: u64) {
        for _ in 0..count {
            self.members.values_mut().for_each(|member| member.events.push_back(Event::Tick));
            self.settle();
        }
    }

    pub(crate) fn leader(&self) -> Option<u64> {
        let leads = |member: &&Member| {
            member.node.status().role == Role::Leader && !self.cut_off.contains(&member.id)
        };
        let leaders = self.members.values().filter(leads);
        leaders.max_by_key(|member| member.node.status().term).map(|member| member.id)
    }

    /// Until somebody leads.
    pub(crate) fn elect(&mut self) -> u64 {
        for _ in 0..100 {
            self.tick(1);
            if let Some(leader) = self.leader() {
                return leader;
            }
        }
        panic!("nobody leads");
    }

    /// Everyone in `ids` has applied the same entries to the same state.
    pub(crate) fn check_equal(&self, ids: &[u64]) {
        let state = |id: &u64| {
            let member = &self.members[id];
            let reader = member.apply.machine().reader();
            let hash = reader.hash_kv(0).expect("not compacted");
            let membership = member.apply.machine().shared().membership();
            let members: Vec<_> = membership.members().cloned().collect();
            let conf_state = member.apply.machine().conf_state().clone();
            (member.node.status().applied, hash.hash, hash.revision, members, conf_state)
        };
        for pair in ids.windows(2) {
            assert_eq!(state(&pair[0]), state(&pair[1]), "{pair:?}");
        }
    }
}
