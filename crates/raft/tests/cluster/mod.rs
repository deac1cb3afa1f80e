//! Members with a disk and a state machine that move only when told, and a network between them.

#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod show;

use std::collections::{BTreeMap, VecDeque};

use ketch_base::{Index, MemberId};
use ketch_raft::raftpb::{ConfState, Entry, HardState, Message};
use ketch_raft::{Config, EntryId, Raft, ReadAnswer, Ready, Restored, Role, Write, conf_change_of};

/// What survives a crash of one member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) hard_state: HardState,
    pub(crate) before: EntryId,
    pub(crate) entries: Vec<Entry>,
    /// How far the state machine is kept, and in which term that was.
    pub(crate) kept: EntryId,
    pub(crate) conf_state: ConfState,
}

/// One member and all that belongs to it.
pub(crate) struct Member {
    pub(crate) raft: Raft,
    pub(crate) config: Config,
    pub(crate) disk: Disk,
    /// Writes begun and not finished.
    pub(crate) writes: VecDeque<Write>,
    /// Entries handed out and not applied.
    pub(crate) applying: VecDeque<Entry>,
    /// Everything applied in this life or before, by index.
    pub(crate) applied: BTreeMap<u64, Entry>,
    /// The membership by the index that made it.
    pub(crate) states: Vec<(EntryId, ConfState)>,
    pub(crate) reads: Vec<ReadAnswer>,
    pub(crate) crashes: u64,
}

impl Member {
    pub(crate) fn new(config: Config, conf_state: ConfState) -> Self {
        let disk = Disk { conf_state, ..Disk::default() };
        Self::restore(config, disk, BTreeMap::new())
    }

    pub(crate) fn restore(config: Config, disk: Disk, applied: BTreeMap<u64, Entry>) -> Self {
        let restored = Restored {
            hard_state: disk.hard_state,
            before: disk.before,
            entries: disk.entries.clone(),
            conf_state: disk.conf_state.clone(),
            applied: Index(disk.kept.index),
        };
        let raft = Raft::new(config.clone(), restored).expect("what a disk holds is sound");
        Self {
            raft,
            config,
            states: vec![(disk.kept, disk.conf_state.clone())],
            disk,
            writes: VecDeque::new(),
            applying: VecDeque::new(),
            applied,
            reads: Vec::new(),
            crashes: 0,
        }
    }

    /// Takes the effects that are due; messages are for the caller to carry.
    pub(crate) fn take_ready(&mut self) -> Option<Ready> {
        let mut ready = self.raft.ready()?;
        if let Some(write) = ready.write.take() {
            ready.write = Some(Write { job: write.job, ..copy(&write) });
            self.writes.push_back(write);
        }
        self.applying.extend(ready.committed.iter().cloned());
        self.reads.extend(ready.reads.iter().cloned());
        Some(ready)
    }

    /// Finishes the oldest write; `false` if there is none.
    pub(crate) fn persist_one(&mut self) -> bool {
        let Some(write) = self.writes.pop_front() else { return false };
        let job = write.job;
        let installed = write.snapshot.as_ref().and_then(|snapshot| snapshot.metadata.clone());
        self.disk.take(write);
        self.raft.persisted(job);
        if let Some(metadata) = installed {
            let at = EntryId { term: metadata.term(), index: metadata.index() };
            self.states = vec![(at, metadata.conf_state.unwrap_or_default())];
            self.raft.applied(Index(at.index));
        }
        true
    }

    /// Applies up to `count` entries; the membership changes among them take effect.
    pub(crate) fn apply(&mut self, count: usize) {
        let count = count.min(self.applying.len());
        for entry in self.applying.drain(..count) {
            // A snapshot came meanwhile; its membership is in force.
            let is_stale = entry.index() <= self.states[0].0.index;
            let id = EntryId { term: entry.term(), index: entry.index() };
            let change = conf_change_of(&entry).expect("only sound changes are proposed");
            let change = change.filter(|_| !is_stale);
            if let Some(Ok(state)) = change.map(|change| self.raft.apply_change(&change)) {
                self.states.push((id, state));
            }
            self.raft.applied(Index(id.index));
            self.applied.insert(id.index, entry);
        }
    }

    /// The state machine is kept up to `index`, as far as it was applied.
    pub(crate) fn keep(&mut self, index: u64) {
        let index = index.min(self.raft.applied_index().0);
        let Some(term) = self.raft.term_at(Index(index)) else { return };
        if index <= self.disk.kept.index {
            return;
        }
        self.disk.kept = EntryId { term: term.0, index };
        let state = self.states.iter().rev().find(|(from, _)| from.index <= index);
        self.disk.conf_state = state.expect("the first is from the start").1.clone();
    }

    /// Loses everything but the disk and begins again.
    pub(crate) fn crash(&mut self) {
        let mut disk = self.disk.clone();
        disk.settle();
        let kept = disk.kept.index;
        let mut applied = std::mem::take(&mut self.applied);
        applied.split_off(&(kept + 1));
        let crashes = self.crashes + 1;
        let config = Config { seed: self.config.seed.wrapping_add(crashes), ..self.config.clone() };
        *self = Self { crashes, ..Self::restore(config, disk, applied) };
    }

    pub(crate) fn role(&self) -> Role {
        self.raft.status().role
    }
}

fn copy(write: &Write) -> Write {
    Write {
        job: write.job,
        entries: write.entries.clone(),
        hard_state: write.hard_state,
        snapshot: write.snapshot.clone(),
    }
}

impl Disk {
    fn take(&mut self, write: Write) {
        if let Some(metadata) = write.snapshot.and_then(|snapshot| snapshot.metadata) {
            self.before = EntryId { term: metadata.term(), index: metadata.index() };
            self.entries.clear();
            // The state came with the message and was stored before it was handed in.
            self.kept = self.before;
            self.conf_state = metadata.conf_state.unwrap_or_default();
        }
        for entry in write.entries {
            let place = (entry.index() - self.before.index - 1) as usize;
            assert!(place <= self.entries.len(), "a write leaves no hole");
            self.entries.truncate(place);
            self.entries.push(entry);
        }
        self.hard_state = write.hard_state.unwrap_or(self.hard_state);
    }

    fn last(&self) -> EntryId {
        self.entries
            .last()
            .map_or(self.before, |entry| EntryId { term: entry.term(), index: entry.index() })
    }

    /// As at a start: a state machine that is ahead of the log counts as a snapshot.
    fn settle(&mut self) {
        let kept = self.kept;
        let at = kept.index.checked_sub(self.before.index + 1).map(|place| place as usize);
        let there = match at {
            None => self.before.index == kept.index,
            Some(place) => self.entries.get(place).is_some_and(|e| e.term() == kept.term),
        };
        if !there {
            let stale = |entry: &Entry| entry.index() <= kept.index || entry.term() < kept.term;
            let behind = self.entries.iter().skip_while(|entry| stale(entry)).cloned();
            let behind: Vec<Entry> = behind.collect();
            let follows = behind.first().is_some_and(|entry| entry.index() == kept.index + 1);
            self.entries = if follows { behind } else { Vec::new() };
            self.before = kept;
        }
        let commit = self.hard_state.commit().max(kept.index).min(self.last().index);
        self.hard_state.commit = Some(commit);
        self.hard_state.term = Some(self.hard_state.term().max(kept.term));
    }
}

/// Members by id, and messages on their way.
#[derive(Default)]
pub(crate) struct Cluster {
    pub(crate) members: BTreeMap<u64, Member>,
    pub(crate) network: Vec<Message>,
    /// Members whose messages are lost in both directions.
    pub(crate) cut: Vec<u64>,
}

impl Cluster {
    /// `voters` then `learners` of one cluster, each with `tune` over the default configuration.
    pub(crate) fn new(voters: &[u64], learners: &[u64], tune: impl Fn(&mut Config)) -> Self {
        let conf_state = ConfState {
            voters: voters.to_vec(),
            learners: learners.to_vec(),
            ..ConfState::default()
        };
        let mut cluster = Self::default();
        for id in voters.iter().chain(learners) {
            cluster.add(*id, conf_state.clone(), &tune);
        }
        cluster
    }

    pub(crate) fn add(&mut self, id: u64, conf_state: ConfState, tune: impl Fn(&mut Config)) {
        let mut config = Config::new(MemberId(id), 1);
        tune(&mut config);
        self.members.insert(id, Member::new(config, conf_state));
    }

    pub(crate) fn member(&mut self, id: u64) -> &mut Member {
        self.members.get_mut(&id).expect("a member of the test")
    }

    pub(crate) fn raft(&mut self, id: u64) -> &mut Raft {
        &mut self.member(id).raft
    }

    /// The member's effects, messages put on their way.
    pub(crate) fn ready(&mut self, id: u64) -> Option<Ready> {
        let ready = self.member(id).take_ready()?;
        self.network.extend(ready.messages.iter().cloned());
        Some(ready)
    }

    /// Takes the oldest message for `to` off the network.
    pub(crate) fn next_for(&mut self, to: u64) -> Option<Message> {
        let place = self.network.iter().position(|message| message.to() == to)?;
        Some(self.network.remove(place))
    }

    /// Whether the message gets through; snapshots also tell their sender.
    pub(crate) fn deliver(&mut self, message: Message) {
        let lost = self.cut.contains(&message.from()) || self.cut.contains(&message.to());
        let to = message.to();
        if let (false, Some(member)) = (lost, self.members.get_mut(&to)) {
            // A refusal of a message is the sender's business.
            let _ = member.raft.step(message);
        }
    }

    /// Everything that can happen without time passing happens; `false` if it never ends.
    pub(crate) fn settle(&mut self) -> bool {
        for _ in 0..10_000 {
            let ids: Vec<u64> = self.members.keys().copied().collect();
            let mut busy = false;
            for id in ids {
                while self.ready(id).is_some() {
                    busy = true;
                }
                while self.member(id).persist_one() {
                    busy = true;
                }
                let member = self.member(id);
                busy |= !member.applying.is_empty();
                member.apply(usize::MAX);
            }
            for message in std::mem::take(&mut self.network) {
                busy = true;
                self.deliver(message);
            }
            if !busy {
                return true;
            }
        }
        false
    }

    /// Elects `id` and lets everything settle.
    pub(crate) fn elect(&mut self, id: u64) {
        self.raft(id).campaign();
        assert!(self.settle());
        assert_eq!(self.member(id).role(), Role::Leader, "{id} can be elected");
    }

    pub(crate) fn tick(&mut self, id: u64, ticks: u32) {
        for _ in 0..ticks {
            self.raft(id).tick();
        }
    }

    pub(crate) fn leaders(&self) -> Vec<u64> {
        let leads = |(id, member): (&u64, &Member)| (member.role() == Role::Leader).then_some(*id);
        self.members.iter().filter_map(leads).collect()
    }
}
