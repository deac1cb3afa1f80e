//! The node: Raft with its proposals, reads and log release, as one state machine.

use ketch_base::{Index, MemberId, Term};
use ketch_raft::{
    ChangeError, Config, Leadership, NewError, PeerStatus, Raft, Ready, Restored, Role, Status,
    StepError, Write, widen,
};
use ketch_raft_proto::raftpb::{Message, MessageType};
use ketch_raft_proto::walpb;

use crate::effect::{ApplyJob, Effect, LogJob};
use crate::event::{AppliedChange, Event};
use crate::proposals::{Payload, Proposals};
use crate::reads::Reads;
use crate::release::Release;
use crate::settings::Settings;

/// One member's consensus side. See the crate's documentation for how it is driven.
pub struct Node {
    raft: Raft,
    settings: Settings,
    proposals: Proposals,
    reads: Reads,
    release: Release,
    ticks: u64,
    /// See [`Node::alone_from`].
    alone_from: Option<Index>,
    /// Set by [`Event::Stop`]; nothing is taken after it.
    stopped: bool,
}

impl Node {
    /// Starts from what [`crate::recover`] found; `marked` is the newest snapshot mark in the log.
    /// A sole voter leads as soon as it has applied what it had committed, without waiting for a
    /// tick.
    pub fn start(
        config: Config,
        settings: Settings,
        restored: Restored,
        marked: Index,
    ) -> Result<Self, NewError> {
        let (applied, state) = (restored.applied, restored.conf_state.clone());
        let mut node = Self {
            raft: Raft::new(config, restored)?,
            proposals: Proposals::new(settings.tail_bytes),
            reads: Reads::new(settings.first_question),
            release: Release::new(applied, state, marked),
            settings,
            ticks: 0,
            alone_from: None,
            stopped: false,
        };
        node.lead_if_alone();
        Ok(node)
    }

    /// Lets silence pass that is known to have been (etcd's `--initial-election-tick-advance`).
    pub fn advance(&mut self, ticks: u32) {
        self.raft.advance(ticks);
    }

    /// Takes one event. Refusals come at once, everything else at the next [`Node::flush`].
    pub fn handle(&mut self, event: Event, effects: &mut Vec<Effect>) {
        if self.stopped {
            refuse(event, effects);
            return;
        }
        match event {
            Event::Tick => self.tick(effects),
            Event::Propose { id, data } => {
                let payload = Payload::Data(data);
                self.proposals.offer(&mut self.raft, id, payload, self.ticks, effects);
            }
            Event::ProposeChange { id, change } => {
                let payload = Payload::Change(Box::new(change));
                self.proposals.offer(&mut self.raft, id, payload, self.ticks, effects);
            }
            Event::Message(message) => self.step(*message, effects),
            Event::Read { token } => self.reads.add(token, self.ticks, effects),
            Event::Persisted { job } => self.raft.persisted(job),
            Event::Applied { index, changes } => self.applied(index, &changes, effects),
            Event::Durable { index } => self.durable(index, effects),
            Event::Installed { index } => {
                self.raft.applied(index);
                self.release.installed(index, self.raft.conf_state());
            }
            Event::Unreachable { peer } => self.raft.unreachable(peer),
            Event::Gone { peer } => self.raft.peer_gone(peer),
            Event::SnapshotSent { peer, arrived } => self.raft.snapshot_sent(peer, arrived),
            // Nobody to ask is nobody to wait for: who wished it watches the leader.
            Event::Transfer { to } => drop(self.raft.transfer(to)),
            Event::Stop => self.stop(effects),
        }
    }

    /// Gives all effects that are due.
    pub fn flush(&mut self, effects: &mut Vec<Effect>) {
        loop {
            while let Some(ready) = self.raft.ready() {
                self.carry_out(ready, effects);
            }
            // Only now: a change of leader would have made the question void.
            self.reads.ask(&mut self.raft, self.ticks);
            if !self.raft.has_ready() {
                break;
            }
        }
        self.alone_from = if self.raft.is_alone_in_charge() {
            self.alone_from.or_else(|| Some(self.raft.committed()))
        } else {
            None
        };
    }

    /// Set while this member leads a cluster of its own: once this index is applied, a read needs
    /// no question, as all that is acknowledged was applied here first. As of the last
    /// [`Node::flush`]; whoever reads by it must hear that it is over before the effects of that
    /// flush are carried out.
    pub fn alone_from(&self) -> Option<Index> {
        self.alone_from
    }

    /// Where the member stands.
    pub fn status(&self) -> Status {
        self.raft.status()
    }

    /// How a leader sees the members; empty elsewhere.
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.raft.peers()
    }

    fn tick(&mut self, effects: &mut Vec<Effect>) {
        self.ticks += 1;
        self.raft.tick();
        self.lead_if_alone();
        let before = |ticks: u64| self.ticks.saturating_sub(ticks);
        if self.reads.is_overdue(before(self.settings.read_retry_ticks)) {
            self.reads.withdraw();
        }
        self.reads.expire(before(self.settings.wait_ticks), effects);
        self.proposals.expire(before(self.settings.wait_ticks), effects);
        // A transfer may have been given up without the leader changing.
        if !self.proposals.is_empty() {
            self.proposals.retry(&mut self.raft, effects);
        }
    }

    fn step(&mut self, message: Message, effects: &mut Vec<Effect>) {
        if self.is_full_for(&message) {
            return;
        }
        // Anything but a lost log is the sender's problem, and it will send again.
        if let Err(error @ StepError::LogLost { .. }) = self.raft.step(message) {
            effects.push(Effect::Fatal(error));
        }
    }

    /// Whether the message brings entries for which there is no room: applying, or its storage, is
    /// behind. A leader sends them again with each heartbeat that is answered; who forwarded a
    /// proposal times out.
    fn is_full_for(&self, message: &Message) -> bool {
        let brings = matches!(message.r#type(), MessageType::MsgApp | MessageType::MsgProp);
        brings && !message.entries.is_empty() && self.raft.tail_bytes() > self.settings.tail_bytes
    }

    fn applied(&mut self, index: Index, changes: &[AppliedChange], effects: &mut Vec<Effect>) {
        // What was still being applied when a snapshot came says nothing about who belongs to the
        // cluster now.
        let received = self.raft.status().before.index;
        for AppliedChange { index, change } in changes.iter().filter(|c| c.index.0 > received) {
            match self.raft.apply_change(&widen(change.clone())) {
                Ok(state) => self.release.changed(*index, state),
                // The leader let only one change through at a time, and applying checked it.
                Err(error) => effects.push(Effect::Fatal(membership_split(error))),
            }
        }
        self.raft.applied(index);
        self.lead_if_alone();
    }

    /// Nobody has to be asked, so nothing is gained by waiting for an election timeout.
    fn lead_if_alone(&mut self) {
        // One that stands already waits for its own vote to be durable.
        if self.raft.is_sole_voter() && self.raft.role() == Role::Follower {
            self.raft.campaign();
        }
    }

    fn durable(&mut self, index: Index, effects: &mut Vec<Effect>) {
        let mark = self.release.durable(index, &mut self.raft, &self.settings);
        if let Some(mark) = mark {
            // The commit goes first: etcd ignores a mark beyond the last commit in the log.
            let job = self.raft.write_commit().map(log_job).unwrap_or_default();
            effects.push(Effect::Append(LogJob {
                mark: Some(Box::new(mark.snapshot)),
                release: Some(mark.release),
                ..job
            }));
        }
    }

    fn stop(&mut self, effects: &mut Vec<Effect>) {
        self.flush(effects);
        self.proposals.stop(effects);
        self.reads.stop(effects);
        effects.extend(self.raft.write_commit().map(log_job).map(Effect::Append));
        effects.push(Effect::Stopped);
        self.stopped = true;
    }

    fn carry_out(&mut self, ready: Ready, effects: &mut Vec<Effect>) {
        let received = ready.write.as_ref().and_then(|write| write.snapshot.clone());
        effects.extend(ready.write.map(log_job).map(Effect::Append));
        if let Some(metadata) = received.and_then(|snapshot| snapshot.metadata) {
            effects.push(Effect::Install(metadata));
        }
        send(ready.messages, effects);
        if !ready.committed.is_empty() {
            effects.push(Effect::Apply(ApplyJob { entries: ready.committed }));
        }
        for answer in &ready.reads {
            self.reads.answer(answer, effects);
        }
        if let Some(leadership) = ready.leadership {
            self.leader_changed(leadership, effects);
        }
    }

    fn leader_changed(&mut self, leadership: Leadership, effects: &mut Vec<Effect>) {
        let Leadership { leader, term, is_self } = leadership;
        let leader = (leader != 0).then_some(MemberId(leader));
        effects.push(Effect::Leader { leader, term: Term(term), is_self });
        // What was asked of the last leader may have been lost with it.
        self.reads.withdraw();
        if leader.is_some() {
            self.proposals.retry(&mut self.raft, effects);
        }
    }
}

/// Snapshots take another way than small messages.
fn send(messages: Vec<Message>, effects: &mut Vec<Effect>) {
    let is_snapshot = |message: &Message| message.r#type() == MessageType::MsgSnap;
    if !messages.iter().any(is_snapshot) {
        effects.extend((!messages.is_empty()).then_some(Effect::Send(messages)));
        return;
    }
    let (snapshots, others): (Vec<_>, Vec<_>) = messages.into_iter().partition(is_snapshot);
    effects.extend((!others.is_empty()).then_some(Effect::Send(others)));
    effects.extend(snapshots.into_iter().map(|snapshot| Effect::SendSnapshot(Box::new(snapshot))));
}

fn log_job(write: Write) -> LogJob {
    let metadata = write.snapshot.and_then(|snapshot| snapshot.metadata);
    LogJob {
        job: write.job,
        received: metadata.map(|metadata| {
            Box::new(walpb::Snapshot {
                index: metadata.index,
                term: metadata.term,
                conf_state: metadata.conf_state,
            })
        }),
        entries: write.entries,
        hard_state: write.hard_state,
        mark: None,
        release: None,
    }
}

/// Raft and the state machine no longer agree on who belongs to the cluster.
fn membership_split(_: ChangeError) -> StepError {
    StepError::Malformed("an applied membership change is impossible for raft")
}

/// After the stop everything is refused.
fn refuse(event: Event, effects: &mut Vec<Effect>) {
    let code = ketch_base::Code::Stopped;
    match event {
        Event::Propose { id, .. } | Event::ProposeChange { id, .. } => {
            effects.push(Effect::Refused { id, code });
        }
        Event::Read { token } => effects.push(Effect::ReadRefused { token, code }),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
