//! The node: raft, its turns, and the thread that takes one when nobody else does.
//!
//! A turn takes all letters that wait, hands them to raft and begins what raft asks for; it never
//! blocks. Any thread may take it, one at a time: a lane with proposals and the log thread with
//! what is durable do so themselves, which spares each write two wake-ups. The node thread takes
//! the turns of everyone else, and the ticks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ketch_base::Code;
use ketch_node::{ApplyJob, Effect, Event, LogJob, Node, Role};
use ketch_peer::Links;
use ketch_raft_proto::raftpb::SnapshotMetadata;
use parking_lot::Mutex;

use super::{NodeTask, SnapshotSender, fatal};
use crate::mailbox::{Receiver, Sender};
use crate::metrics::{Counters, add};
use crate::progress::Progress;
use crate::read_gate::ReadGate;
use crate::waiters::Waiters;

/// Turns a thread takes one after the other on behalf of others before it leaves the next to the
/// node thread.
const TURNS: usize = 4;

/// The right to take a turn of the node, and the letters for it.
pub(crate) struct Turns {
    tasks: Receiver<NodeTask>,
    /// From the start of the node to its end.
    turn: Mutex<Option<Turn>>,
}

/// The node and where its effects go.
pub(crate) struct Turn {
    pub(crate) node: Node,
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
    /// Letters of this turn; kept for its room.
    pub(crate) taken: Vec<NodeTask>,
    /// What they came to; kept for its room.
    pub(crate) effects: Vec<Effect>,
    /// Whoever has this turn applies what it makes due, or has it applied.
    pub(crate) leaves_applying: bool,
    /// [`Event::Stop`] was carried out.
    pub(crate) stopped: bool,
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

impl Turns {
    /// For the node behind this mailbox, which has not started yet.
    pub(crate) fn new(tasks: Receiver<NodeTask>) -> Self {
        Self { tasks, turn: Mutex::default() }
    }

    /// Runs the node until `Event::Stop` was carried out.
    pub(crate) fn run(&self, mut turn: Turn) {
        let heartbeat = turn.heartbeat;
        // What recovery and a sole voter's election made due.
        turn.finish();
        *self.turn.lock() = Some(turn);
        let mut next_tick = Instant::now() + heartbeat;
        loop {
            self.tasks.wait_patiently(next_tick);
            let mut place = self.turn.lock();
            let Some(turn) = place.as_mut() else { return };
            turn.take(&self.tasks);
            turn.leaves_applying = false;
            let now = Instant::now();
            if now >= next_tick {
                turn.tick(now - next_tick);
                next_tick += heartbeat;
                // A thread that slept too long must not make up for it in a burst of ticks.
                next_tick = next_tick.max(now);
            }
            turn.finish();
            if turn.stopped {
                *place = None;
                self.tasks.close();
                return;
            }
        }
    }

    /// Sees to letters that were put in quietly: takes a turn, unless another thread is at it,
    /// which looks again when it is done.
    pub(crate) fn take(&self) {
        self.take_turns(false);
    }

    /// As [`Turns::take`], but what is to be applied wakes nobody: whoever calls this sees to it.
    pub(crate) fn take_and_apply_later(&self) {
        self.take_turns(true);
    }

    fn take_turns(&self, leaves_applying: bool) {
        for _ in 0..TURNS {
            let Some(mut place) = self.turn.try_lock() else { return };
            let Some(turn) = place.as_mut().filter(|turn| !turn.stopped) else { return };
            turn.leaves_applying = leaves_applying;
            if turn.take(&self.tasks) {
                turn.finish();
            }
            if turn.stopped {
                // Ends the thread's sleep, and with it the thread.
                self.tasks.close();
                return;
            }
            // Given back before the look: whoever found it taken has put its letter in before.
            drop(place);
            if self.tasks.is_empty() {
                return;
            }
        }
        self.tasks.wake();
    }
}

impl Turn {
    /// Hands the letters that wait to the node; whether there were any.
    fn take(&mut self, tasks: &Receiver<NodeTask>) -> bool {
        let mut taken = std::mem::take(&mut self.taken);
        let some = tasks.take(&mut taken);
        for task in taken.drain(..) {
            self.hand_over(task);
        }
        self.taken = taken;
        some
    }

    /// Begins all that the node asks for.
    fn finish(&mut self) {
        self.node.flush(&mut self.effects);
        // First: a message of this turn may be what lets another member acknowledge a write.
        self.progress.set_alone_from(self.node.alone_from());
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            self.carry_out(effect);
        }
        self.effects = effects;
    }

    fn hand_over(&mut self, task: NodeTask) {
        let effects = &mut self.effects;
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

    fn tick(&mut self, late: Duration) {
        self.node.handle(Event::Tick, &mut self.effects);
        self.progress.set_peers(self.node.peers());
        if late > self.heartbeat && self.progress.is_leader() && self.progress.has_others() {
            add(&self.counters.late_heartbeats, 1);
            tracing::warn!(
                heartbeat_interval = ?self.heartbeat, exceeded_duration = ?late,
                "leader failed to send out heartbeat on time; took too long, leader is overloaded"
            );
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Append(job) => self.log.send_above_limit(job),
            Effect::Apply(job) => {
                if let Some(last) = job.entries.last() {
                    self.progress.set_committed(last.index());
                }
                let task = ApplyTask::Entries(job);
                if self.leaves_applying {
                    self.apply.send_quietly_above_limit(task);
                } else {
                    self.apply.send_above_limit(task);
                }
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
            Effect::Stopped => self.stopped = true,
        }
    }
}
