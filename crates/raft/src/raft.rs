//! The state of one member, and what its driver may ask of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use ketch_base::planted::{self, Bug};
use ketch_base::{Index, MemberId};
use ketch_raft_proto::raftpb::{
    ConfChange, ConfChangeV2, ConfState, Entry, EntryType, HardState, Message, MessageType,
};
use prost::Message as _;

use crate::change::{Configuration, leave_joint};
use crate::config::{Config, Restored};
use crate::error::{ChangeError, NewError, Refused};
use crate::inflight::Inflight;
use crate::log::Log;
use crate::message;
use crate::outbox::Outbox;
use crate::progress::Progress;
use crate::read::{ReadAnswer, Reads};
use crate::ready::Leadership;
use crate::seed::Seed;

/// Ticks that a leader believed gone has at least to be heard after all: heartbeats come oftener.
const GONE_TICKS: u32 = 2;
/// Further ones are drawn from so many, for followers not to stand at once.
const GONE_TICKS_SPREAD: u32 = 3;

/// What a member is in its term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes entries from a leader, if one is known.
    Follower,
    /// Asks whether an election would succeed, without raising the term.
    PreCandidate,
    /// Asks for votes in a new term.
    Candidate,
    /// Takes proposals and replicates them.
    Leader,
}

/// One member of a cluster. See the crate's documentation for how it is driven.
#[derive(Debug)]
pub struct Raft {
    pub(crate) config: Config,
    pub(crate) id: u64,
    pub(crate) role: Role,
    /// Never falls.
    pub(crate) term: u64,
    /// Whom this member voted for in `term`; 0 is nobody. Changes only with the term or from 0.
    pub(crate) vote: u64,
    /// Who leads `term` as far as known; 0 is unknown. A leader names itself.
    pub(crate) leader: u64,
    pub(crate) log: Log,
    pub(crate) members: Configuration,
    /// One for each of `members`, this one included. Meaningful while leading.
    pub(crate) progress: BTreeMap<u64, Progress>,
    /// Ticks for which a call to stand, heard while a committed change was unapplied, still holds.
    pub(crate) called_ticks: u32,
    /// Votes received while campaigning.
    pub(crate) votes: BTreeMap<u64, bool>,
    /// Ticks since the last word of a leader, or since a leader last checked its quorum.
    pub(crate) election_elapsed: u32,
    pub(crate) heartbeat_elapsed: u32,
    /// Drawn anew for each term. Invariant: `election_ticks <= it < 2 * election_ticks`.
    pub(crate) election_timeout: u32,
    /// To whom leadership is being handed; 0 is nobody. Only while leading.
    pub(crate) transferee: u64,
    /// No membership change may be proposed before this index is applied. Only while leading.
    pub(crate) pending_change: u64,
    /// Data bytes in the own term's entries that are not committed. Only while leading.
    pub(crate) uncommitted_bytes: usize,
    /// The oldest write under way at the last tick, and for how many ticks it has been so.
    pub(crate) stalled: (u64, u32),
    pub(crate) reads: Reads,
    pub(crate) answered: Vec<ReadAnswer>,
    /// Proposals on their way to the leader, sent together.
    pub(crate) forwarded: Vec<Entry>,
    /// Whether followers may have to be sent something at the next ready.
    pub(crate) replicate_due: bool,
    pub(crate) outbox: Outbox,
    /// The hard state as last handed out for writing.
    pub(crate) written: HardState,
    /// The leadership as last reported.
    pub(crate) reported: Leadership,
    /// The number of the newest write.
    pub(crate) job: u64,
    seed: Seed,
}

impl Raft {
    /// Begins as a follower with the state the member had before.
    pub fn new(config: Config, restored: Restored) -> Result<Self, NewError> {
        if config.id.0 == 0 {
            return Err(NewError::NoId);
        }
        let (election_ticks, heartbeat_ticks) = (config.election_ticks, config.heartbeat_ticks);
        if heartbeat_ticks == 0 || election_ticks <= heartbeat_ticks {
            return Err(NewError::Timing { election_ticks, heartbeat_ticks });
        }
        let Restored { hard_state, before, entries, conf_state, applied } = restored;
        let log = Log::new(before, entries, hard_state.commit().max(before.index), applied.0)?;
        let id = config.id.0;
        let mut raft = Self {
            seed: Seed::new(config.seed, id),
            config,
            id,
            role: Role::Follower,
            term: hard_state.term().max(log.last_id().term),
            vote: match hard_state.term() < log.last_id().term {
                false if !planted::is(Bug::ForgottenVote) => hard_state.vote(),
                _ => 0,
            },
            leader: 0,
            log,
            members: Configuration::from_conf_state(&conf_state)?,
            progress: BTreeMap::new(),
            called_ticks: 0,
            votes: BTreeMap::new(),
            election_elapsed: 0,
            heartbeat_elapsed: 0,
            election_timeout: election_ticks,
            transferee: 0,
            pending_change: 0,
            uncommitted_bytes: 0,
            stalled: (0, 0),
            reads: Reads::default(),
            answered: Vec::new(),
            forwarded: Vec::new(),
            replicate_due: false,
            outbox: Outbox::default(),
            written: HardState::default(),
            reported: Leadership::default(),
            job: 0,
        };
        raft.sync_progress();
        raft.become_follower(raft.term, 0);
        raft.written = raft.hard_state();
        raft.reported = raft.leadership();
        raft.check();
        Ok(raft)
    }

    /// One unit of time has passed.
    pub fn tick(&mut self) {
        if self.role == Role::Leader { self.tick_leader() } else { self.tick_election() }
    }

    /// Lets `ticks` of silence pass that the driver knows about, without an election at once.
    pub fn advance(&mut self, ticks: u32) {
        let most = self.election_timeout.saturating_sub(1);
        self.election_elapsed = self.election_elapsed.saturating_add(ticks).min(most);
    }

    /// Proposes data. A follower forwards it to its leader, with no promise that it arrives.
    pub fn propose(&mut self, data: Bytes) -> Result<(), Refused> {
        let limit_bytes = self.config.max_proposal_bytes;
        if data.len() > limit_bytes {
            return Err(Refused::TooLarge { bytes: data.len(), limit_bytes });
        }
        self.propose_entry(Entry { data: Some(data), ..Entry::default() })
    }

    /// Proposes the change of one member, in the form that etcd writes.
    pub fn propose_change(&mut self, change: &ConfChange) -> Result<(), Refused> {
        self.propose_entry(Entry {
            r#type: Some(EntryType::EntryConfChange as i32),
            data: Some(change.encode_to_vec().into()),
            ..Entry::default()
        })
    }

    /// Proposes a change of many members, or the end of one.
    pub fn propose_change_v2(&mut self, change: &ConfChangeV2) -> Result<(), Refused> {
        self.propose_entry(Entry {
            r#type: Some(EntryType::EntryConfChangeV2 as i32),
            data: Some(change.encode_to_vec().into()),
            ..Entry::default()
        })
    }

    fn propose_entry(&mut self, entry: Entry) -> Result<(), Refused> {
        match self.role {
            Role::Leader => self.take_proposal(entry),
            Role::Follower if self.leader != 0 => {
                self.forwarded.push(entry);
                Ok(())
            }
            _ => Err(Refused::NoLeader),
        }
    }

    /// Makes a committed change take effect; called when its entry is applied, before
    /// [`Raft::applied`] covers it. Not called for a change that the application found invalid.
    pub fn apply_change(&mut self, change: &ConfChangeV2) -> Result<ConfState, ChangeError> {
        self.members = self.members.after(change)?;
        self.sync_progress();
        self.after_change();
        self.check();
        Ok(self.conf_state())
    }

    /// The membership in force.
    pub fn conf_state(&self) -> ConfState {
        self.members.to_conf_state()
    }

    /// Asks to make another voter the leader.
    pub fn transfer(&mut self, to: MemberId) -> Result<(), Refused> {
        if self.role == Role::Leader {
            self.begin_transfer(to.0);
            return Ok(());
        }
        if self.leader == 0 {
            return Err(Refused::NoLeader);
        }
        // The wish travels in the name of the one who is to lead.
        let wish = message::to(self.leader, MessageType::MsgTransferLeader);
        self.send(Message { from: Some(to.0), ..wish });
        Ok(())
    }

    /// Begins an election now, if this member may.
    pub fn campaign(&mut self) {
        self.hup(false);
    }

    /// The entries up to `index` took effect, or the snapshot at `index` is installed.
    pub fn applied(&mut self, index: Index) {
        self.log.applied_to(index.0);
        let due = self.members.auto_leave && self.members.is_joint();
        if due && self.role == Role::Leader && self.log.applied() >= self.pending_change {
            // If it is refused (a transfer is on), the next applied entry brings it up again.
            let _ = self.propose_change_v2(&leave_joint());
        }
        if self.called_ticks > 0 && self.role == Role::Follower {
            self.hup(true);
        }
        self.check();
    }

    /// All writes up to number `job` are durable.
    pub fn persisted(&mut self, job: u64) {
        let moved = self.log.end_writes(job);
        for promise in self.outbox.released_by(job) {
            self.keep_promise(promise);
        }
        if moved && self.role == Role::Leader {
            self.acknowledge_self();
        }
        self.check();
    }

    /// A promise became true: it leaves, or counts at once if it was made to oneself.
    pub(crate) fn keep_promise(&mut self, promise: Message) {
        if promise.to() != self.id {
            self.outbox.send(promise);
        } else if promise.term() == self.term && self.role == Role::Candidate {
            self.count_vote(self.id, true);
        }
    }

    /// Forgets entries up to `index` as far as they are applied and durable.
    pub fn compact(&mut self, index: Index) {
        self.log.compact(index.0);
        self.check();
    }

    /// The place from which on those want the log that were sent a snapshot and are not yet served
    /// by a log that begins at `usual`; `None` if there is nobody.
    pub fn wanted_from(&mut self, usual: Index) -> Option<Index> {
        let before = self.log.before().index;
        let mut wanted: Option<u64> = None;
        for progress in self.progress.values_mut() {
            let Some(from) = progress.wanted_from() else { continue };
            let has_it = progress.matched >= progress.behind_snapshot;
            if from < before || (has_it && from >= usual.0) {
                progress.behind_snapshot = 0;
            } else {
                wanted = Some(wanted.map_or(from, |least| least.min(from)));
            }
        }
        wanted.map(Index)
    }

    /// Whether this member leads and would pass over a membership change proposed now, since one is
    /// under way.
    pub fn is_change_pending(&self) -> bool {
        self.role == Role::Leader && self.pending_change > self.log.applied()
    }

    /// A peer could not be reached.
    pub fn unreachable(&mut self, peer: MemberId) {
        if let (Role::Leader, Some(progress)) = (self.role, self.progress.get_mut(&peer.0)) {
            progress.lost_contact();
        }
    }

    /// A peer's host says that nobody listens there any more: its process has ended.
    ///
    /// A follower whose leader that is need not wait for the rest of its election timeout, and
    /// keeps nobody else from standing. It still waits some ticks, by lot, so that not all stand
    /// at once; a leader that is heard after all is followed as before. (Beyond the paper and
    /// etcd; safety does not rest on any timeout.)
    pub fn peer_gone(&mut self, peer: MemberId) {
        if self.role == Role::Follower && self.leader == peer.0 {
            self.become_follower(self.term, 0);
            let wait = GONE_TICKS + self.seed.below(GONE_TICKS_SPREAD);
            self.election_elapsed = self.election_timeout.saturating_sub(wait);
        }
    }

    /// The snapshot sent to a peer arrived there, or did not.
    pub fn snapshot_sent(&mut self, peer: MemberId, arrived: bool) {
        if let (Role::Leader, Some(progress)) = (self.role, self.progress.get_mut(&peer.0)) {
            progress.snapshot_ended(arrived);
        }
    }

    /// Brings `progress` in line with `members`; kept members keep what is known of them.
    pub(crate) fn sync_progress(&mut self) {
        let everyone = self.members.everyone();
        self.progress.retain(|id, _| everyone.binary_search(id).is_ok());
        for id in everyone {
            let learner = self.members.learners.contains(&id);
            let next = self.log.last();
            let window =
                || Inflight::new(self.config.max_inflight_messages, self.config.max_inflight_bytes);
            let progress = self.progress.entry(id).or_insert_with(|| Progress {
                // A newcomer must not fail the next quorum check before it could speak.
                active: true,
                ..Progress::new(next, learner, window())
            });
            progress.learner = learner;
        }
    }

    /// Fills in sender and term and lets the message go.
    pub(crate) fn send(&mut self, message: Message) {
        let message = self.address(message);
        self.outbox.send(message);
    }

    /// Keeps the message until everything up to now is durable.
    pub(crate) fn send_when_durable(&mut self, message: Message) {
        let message = self.address(message);
        if planted::is(Bug::EarlyAck) && message.r#type() == MessageType::MsgAppResp {
            return self.outbox.send(message);
        }
        self.outbox.send_when_durable(message);
    }

    fn address(&self, mut message: Message) -> Message {
        if message.from.is_none() {
            message.from = Some(self.id);
        }
        // What is forwarded to a leader belongs to no term; votes name theirs themselves.
        let forwarded =
            matches!(message.r#type(), MessageType::MsgProp | MessageType::MsgReadIndex);
        if message.term.is_none() && !forwarded {
            message.term = Some(self.term);
        }
        message
    }

    /// A fresh start in `term`, common to all roles.
    pub(crate) fn reset(&mut self, term: u64) {
        if self.term != term {
            self.term = term;
            self.vote = 0;
        }
        self.leader = 0;
        self.election_elapsed = 0;
        self.heartbeat_elapsed = 0;
        self.draw_timeout();
        self.transferee = 0;
        self.pending_change = 0;
        self.uncommitted_bytes = 0;
        self.stalled = (0, 0);
        self.called_ticks = 0;
        self.replicate_due = false;
        self.votes.clear();
        self.reads = Reads::default();
        self.forwarded.clear();
        self.progress.clear();
        self.sync_progress();
        for progress in self.progress.values_mut() {
            progress.next = self.log.last() + 1;
            progress.active = false;
        }
    }

    pub(crate) fn draw_timeout(&mut self) {
        let ticks = self.config.election_ticks;
        self.election_timeout = ticks + self.seed.below(ticks);
    }

    pub(crate) fn hard_state(&self) -> HardState {
        HardState {
            term: message::nonzero(self.term),
            vote: message::nonzero(self.vote),
            commit: message::nonzero(self.log.committed()),
        }
    }
}
