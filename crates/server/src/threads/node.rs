//! The node thread: owns raft, turns events into effects, never blocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ketch_base::Code;
use ketch_node::{ApplyJob, Effect, Event, LogJob, Node, Role};
use ketch_peer::Links;
use ketch_raft_proto::raftpb::SnapshotMetadata;

use super::{NodeTask, SnapshotSender, fatal};
use crate::mailbox::{Receiver, Sender};
use crate::metrics::{Counters, add};
use crate::progress::Progress;
use crate::read_gate::ReadGate;
use crate::waiters::Waiters;

/// The owner of the node.
pub(crate) struct NodeThread {
    pub(crate) node: Node,
    pub(crate) tasks: Receiver<NodeTask>,
    pub(crate) log: Sender<LogJob>,
    pub(crate) apply: Sender<ApplyTask>,
    pub(crate) links: Links,
    pub(crate) snapshots: SnapshotSender,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) reads: Arc<ReadGate>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) counters: Arc<Counters>,
    /// One Raft tick.
    pub(crate) heartbeat: Duration,
}

/// What the apply thread is told.
pub(crate) enum ApplyTask {
    /// Entries to apply.
    Entries(ApplyJob),
    /// A received snapshot to take the place of the state.
    Install(SnapshotMetadata),
    /// Leadership came or went: leases are kept by the leader alone.
    Leading(bool),
    /// End.
    Stop,
}

impl NodeThread {
    /// Runs until `Event::Stop` was carried out.
    pub(crate) fn run(mut self) {
        let mut tasks = Vec::new();
        let mut effects = Vec::new();
        let mut next_tick = Instant::now() + self.heartbeat;
        // What recovery and a sole voter's election made due.
        self.node.flush(&mut effects);
        loop {
            for effect in effects.drain(..) {
                if matches!(effect, Effect::Stopped) {
                    return;
                }
                self.carry_out(effect);
            }
            self.tasks.receive_patiently(&mut tasks, Some(next_tick));
            for task in tasks.drain(..) {
                self.take(task, &mut effects);
            }
            let now = Instant::now();
            if now >= next_tick {
                self.tick(now - next_tick, &mut effects);
                next_tick += self.heartbeat;
                // A thread that slept too long must not make up for it in a burst of ticks.
                next_tick = next_tick.max(now);
            }
            self.node.flush(&mut effects);
        }
    }

    fn take(&mut self, task: NodeTask, effects: &mut Vec<Effect>) {
        match task {
            NodeTask::Event(event) => self.node.handle(event, effects),
            NodeTask::AsLeader { term, id, data } => {
                let status = self.node.status();
                if status.role == Role::Leader && status.term.0 == term {
                    self.node.handle(Event::Propose { id, data }, effects);
                } else {
                    self.waiters.answer(id, Err(Code::NotLeader));
                }
            }
            NodeTask::Advance(ticks) => self.node.advance(ticks),
        }
    }

    fn tick(&mut self, late: Duration, effects: &mut Vec<Effect>) {
        self.node.handle(Event::Tick, effects);
        self.progress.set_peers(self.node.peers());
        if late > self.heartbeat && self.progress.is_leader() && self.progress.has_others() {
            add(&self.counters.late_heartbeats, 1);
            tracing::warn!(
                heartbeat_interval = ?self.heartbeat, exceeded_duration = ?late,
                "leader failed to send out heartbeat on time; took too long, leader is overloaded"
            );
        }
    }

    fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Append(job) => self.log.send_above_limit(job),
            Effect::Apply(job) => {
                if let Some(last) = job.entries.last() {
                    self.progress.set_committed(last.index());
                }
                self.apply.send_above_limit(ApplyTask::Entries(job));
            }
            Effect::ReadReady { token, index } => {
                self.reads.ready(token, index.0, &self.progress);
            }
            Effect::ReadRefused { token, code } => self.reads.failed(token, code),
            Effect::Refused { id, code } => self.waiters.answer(id, Err(code)),
            Effect::Leader { leader, term, is_self } => {
                let leader = leader.map_or(0, |leader| leader.0);
                let was_self = self.progress.is_leader();
                // Who asks the new leader need not wait for its first tick.
                self.progress.set_peers(self.node.peers());
                self.progress.set_leader(leader, term.0, is_self);
                tracing::info!(
                    leader = %format!("{leader:x}"), term = term.0, "raft leader changed"
                );
                if was_self != is_self {
                    self.apply.send_above_limit(ApplyTask::Leading(is_self));
                }
            }
            Effect::Fatal(error) => fatal("the raft core refused to go on", &error),
            Effect::Send(messages) => self.links.send(messages),
            Effect::SendSnapshot(message) => self.snapshots.send(message),
            Effect::Install(metadata) => {
                self.apply.send_above_limit(ApplyTask::Install(metadata));
            }
            Effect::Stopped => {}
        }
    }
}
