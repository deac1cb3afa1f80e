//! The node thread: owns raft, turns events into effects, never blocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ketch_base::Code;
use ketch_node::{ApplyJob, Effect, Event, LogJob, Node};

use super::fatal;
use crate::mailbox::{Receiver, Sender};
use crate::progress::Progress;
use crate::read_gate::ReadGate;
use crate::waiters::Waiters;

/// The owner of the node.
pub(crate) struct NodeThread {
    pub(crate) node: Node,
    pub(crate) events: Receiver<Event>,
    /// To itself: reads that gathered while a question was under way.
    pub(crate) own: Sender<Event>,
    pub(crate) log: Sender<LogJob>,
    pub(crate) apply: Sender<ApplyTask>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) reads: Arc<ReadGate>,
    pub(crate) progress: Arc<Progress>,
    /// One Raft tick.
    pub(crate) heartbeat: Duration,
}

/// What the apply thread is told.
pub(crate) enum ApplyTask {
    /// Entries to apply.
    Entries(ApplyJob),
    /// Leadership came or went: leases are kept by the leader alone.
    Leading(bool),
    /// End.
    Stop,
}

impl NodeThread {
    /// Runs until `Event::Stop` was carried out.
    pub(crate) fn run(mut self) {
        let mut events = Vec::new();
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
            self.events.receive(&mut events, Some(next_tick));
            for event in events.drain(..) {
                self.node.handle(event, &mut effects);
            }
            if Instant::now() >= next_tick {
                self.node.handle(Event::Tick, &mut effects);
                next_tick += self.heartbeat;
                // A thread that slept too long must not make up for it in a burst of ticks.
                next_tick = next_tick.max(Instant::now());
            }
            self.node.flush(&mut effects);
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
                self.ask(self.reads.ready(token, index.0, &self.progress));
            }
            Effect::ReadRefused { token, code } => self.ask(self.reads.failed(token, code)),
            Effect::Refused { id, code } => self.waiters.answer(id, Err(code)),
            Effect::Leader { leader, term, is_self } => {
                let leader = leader.map_or(0, |leader| leader.0);
                let was_self = self.progress.is_leader();
                self.progress.set_leader(leader, term.0, is_self);
                tracing::info!(
                    leader = %format!("{leader:x}"), term = term.0, "raft leader changed"
                );
                if was_self != is_self {
                    self.apply.send_above_limit(ApplyTask::Leading(is_self));
                }
                if leader == 0 {
                    self.reads.abandon(Code::LeaderChanged);
                }
            }
            Effect::Fatal(error) => fatal("the raft core refused to go on", &error),
            // One member has nobody to send to.
            Effect::Send(_) | Effect::SendSnapshot(_) | Effect::Install(_) => {}
            Effect::Stopped => {}
        }
    }

    fn ask(&self, mut question: Option<u64>) {
        while let Some(token) = question {
            question = match self.own.try_send(Event::Read { token }) {
                Ok(()) => None,
                Err(_) => self.reads.failed(token, Code::RequestTooManyRequests),
            };
        }
    }
}
