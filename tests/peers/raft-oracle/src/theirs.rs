//! A member that is raft-rs, driven synchronously: what it hands out is durable and applied at once.

use bytes::Bytes;
use ketch_raft::raftpb;
use protobuf::Message as _;
use raft::eraftpb::{ConfChange, Entry, EntryType, Message, MessageType, Snapshot};
use raft::storage::MemStorage;
use raft::{Config, RawNode, StateRole, Storage as _};

use crate::wire;

/// One entry as applied: index, term, type, and data as etcd writes it.
pub(crate) type Applied = (u64, u64, i32, Bytes);

pub(crate) struct Theirs {
    pub(crate) node: RawNode<MemStorage>,
    storage: MemStorage,
    id: u64,
    pub(crate) applied: u64,
    /// Since last asked.
    pub(crate) news: Vec<Applied>,
    pub(crate) reads: Vec<(Bytes, u64)>,
    pub(crate) installed: u64,
}

impl Theirs {
    pub(crate) fn new(id: u64, voters: &[u64]) -> Self {
        let storage = MemStorage::new_with_conf_state((voters.to_vec(), vec![]));
        let node = begin(id, storage.clone(), 0);
        let mut theirs =
            Self { node, storage, id, applied: 0, news: vec![], reads: vec![], installed: 0 };
        theirs.draw();
        theirs
    }

    /// Loses everything but its storage and begins again.
    pub(crate) fn crash(&mut self) {
        self.node = begin(self.id, self.storage.clone(), self.applied);
        self.draw();
    }

    pub(crate) fn leads(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    pub(crate) fn step(&mut self, message: &raftpb::Message) {
        // A refusal is the sender's business.
        let _ = self.node.step(wire::to_theirs(message));
        self.draw();
    }

    pub(crate) fn tick(&mut self) {
        self.node.tick();
        self.draw();
    }

    /// Its own draw of the election timeout comes from the thread; runs must repeat.
    fn draw(&mut self) {
        let drawn = 10 + (self.id * 7 + self.node.raft.term * 3) % 10;
        self.node.raft.set_randomized_election_timeout(drawn as usize);
    }

    pub(crate) fn propose(&mut self, data: Bytes) {
        let _ = self.node.propose(vec![], data.to_vec());
    }

    pub(crate) fn propose_change(&mut self, etcds: &[u8]) {
        let mut entry = Entry::default();
        entry.set_entry_type(EntryType::EntryConfChange);
        entry.set_data(wire::wrap(etcds));
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.set_from(self.id);
        message.set_entries(vec![entry].into());
        let _ = self.node.raft.step(message);
    }

    pub(crate) fn voters(&self) -> Vec<u64> {
        let state = self.storage.initial_state().expect("memory does not fail").conf_state;
        state.get_voters().to_vec()
    }

    pub(crate) fn members(&self) -> Vec<u64> {
        let state = self.storage.initial_state().expect("memory does not fail").conf_state;
        state.get_voters().iter().chain(state.get_learners()).copied().collect()
    }

    /// Lets go of entries that are applied.
    pub(crate) fn compact(&mut self, keep: u64) {
        let index = self.applied.saturating_sub(keep);
        let first = self.storage.first_index().expect("memory does not fail");
        if index > first {
            self.storage.wl().compact(index).expect("the index was applied");
        }
    }

    /// Carries out what is due; gives the messages.
    pub(crate) fn ready(&mut self) -> Vec<raftpb::Message> {
        let mut out = Vec::new();
        while self.node.has_ready() {
            let mut ready = self.node.ready();
            out.extend(ready.take_messages());
            if *ready.snapshot() != Snapshot::default() {
                let snapshot = ready.snapshot().clone();
                self.applied = snapshot.get_metadata().index;
                self.installed += 1;
                self.storage.wl().apply_snapshot(snapshot).expect("it is ahead of the log");
            }
            for state in ready.take_read_states() {
                self.reads.push((state.request_ctx.into(), state.index));
            }
            self.apply(ready.take_committed_entries());
            self.storage.wl().append(ready.entries()).expect("entries follow the log");
            if let Some(state) = ready.hs() {
                self.storage.wl().set_hardstate(state.clone());
            }
            out.extend(ready.take_persisted_messages());
            let mut light = self.node.advance(ready);
            if let Some(commit) = light.commit_index() {
                self.storage.wl().mut_hard_state().set_commit(commit);
            }
            out.extend(light.take_messages());
            self.apply(light.take_committed_entries());
            self.node.advance_apply();
        }
        self.draw();
        out.into_iter().map(wire::to_ours).collect()
    }

    fn apply(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.applied = entry.index;
            let mut data: Bytes = entry.get_data().to_vec().into();
            if entry.get_entry_type() == EntryType::EntryConfChange {
                let change = ConfChange::parse_from_bytes(&data).expect("it went through wrap");
                data = wire::unwrap(&data);
                let state = self.node.apply_conf_change(&change).expect("the change is possible");
                self.storage.wl().set_conf_state(state);
                // raft-rs 0.7 panics when a leader that was removed goes on; its users stop it.
                if self.leads() && !self.members().contains(&self.id) {
                    let term = self.node.raft.term;
                    self.node.raft.become_follower(term, 0);
                }
            }
            let kind = entry.get_entry_type() as i32;
            self.news.push((entry.index, entry.term, kind, data));
        }
    }
}

fn begin(id: u64, storage: MemStorage, applied: u64) -> RawNode<MemStorage> {
    let config = Config {
        id,
        applied,
        election_tick: 10,
        heartbeat_tick: 1,
        max_size_per_msg: 400,
        max_inflight_msgs: 4,
        pre_vote: true,
        check_quorum: true,
        ..Config::default()
    };
    let silent = slog::Logger::root(slog::Discard, slog::o!());
    RawNode::new(&config, storage, &silent).expect("the configuration is sound")
}
