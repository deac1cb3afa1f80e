//! The node's turn: what has come goes in, and what it asks for is begun.

use ketch_base::{Index, MemberId, Term};
use ketch_node::{Effect, Event, LogJob};

use super::work::Task;
use crate::fact::{EntryMark, Fact};
use crate::world::World;
use crate::world::happening::Work;

impl World {
    /// Gives a member's node an event.
    pub(crate) fn post(&mut self, slot: usize, event: Event) {
        if let Some(life) = &mut self.seats[slot].life {
            life.events.push(event);
            self.post_nothing(slot);
        }
    }

    /// Lets the node look at what has come, soon.
    pub(crate) fn post_nothing(&mut self, slot: usize) {
        let Some(life) = &mut self.seats[slot].life else { return };
        if !std::mem::replace(&mut life.turn_due, true) {
            let delay_us = self.rng.below(50);
            self.later(slot, delay_us, Work::Turn);
        }
    }

    pub(crate) fn turn(&mut self, slot: usize) {
        let Some(life) = &mut self.seats[slot].life else { return };
        life.turn_due = false;
        let mut effects = Vec::new();
        for event in life.events.drain(..) {
            life.node.handle(event, &mut effects);
        }
        life.node.flush(&mut effects);
        let number = self.seats[slot].lives;
        for effect in effects {
            if self.seats[slot].life.is_none() || self.seats[slot].lives != number {
                return;
            }
            self.carry_out(slot, effect);
        }
    }

    fn carry_out(&mut self, slot: usize, effect: Effect) {
        match effect {
            Effect::Append(job) => self.append(slot, job),
            Effect::Apply(job) => self.give_task(slot, Task::Entries(job)),
            Effect::Send(messages) => self.send(slot, messages),
            Effect::SendSnapshot(message) => self.send_snapshot(slot, *message),
            Effect::Install(metadata) => self.give_task(slot, Task::Install(metadata)),
            Effect::ReadReady { token, index } => self.read_ready(slot, token, index),
            Effect::ReadRefused { token, code } => self.read_refused(slot, token, code),
            Effect::Refused { id, code } => self.refused(slot, id, code),
            Effect::Leader { term, is_self, .. } => self.leader_changed(slot, term, is_self),
            Effect::Fatal(error) => self.halt(slot, format!("raft: {error}")),
            Effect::Stopped => self.stopped(slot),
        }
    }

    fn leader_changed(&mut self, slot: usize, term: Term, is_self: bool) {
        let member = self.seats[slot].id;
        let Some(life) = &mut self.seats[slot].life else { return };
        let was = std::mem::replace(&mut life.leads, is_self);
        if is_self {
            self.note(Fact::Leads { member, term });
            self.maybe_coup(slot);
        }
        if was != is_self {
            self.give_task(slot, Task::Leading(is_self));
        }
    }

    /// A job for the log.
    fn append(&mut self, slot: usize, job: LogJob) {
        let member = self.seats[slot].id;
        if let Some(received) = &job.received {
            let (index, term) = (Index(received.index()), Term(received.term()));
            self.note(Fact::Received { member, index, term });
        }
        let Some(life) = &mut self.seats[slot].life else { return };
        if !job.entries.is_empty() || job.hard_state.is_some() {
            life.hard_state = job.hard_state.unwrap_or(life.hard_state);
            let state = life.hard_state;
            self.note(Fact::Logged {
                member,
                entries: job.entries.iter().map(EntryMark::of).collect(),
                term: Term(state.term()),
                vote: MemberId(state.vote()),
                commit: Index(state.commit()),
            });
        }
        let Some(life) = &mut self.seats[slot].life else { return };
        life.log_jobs.push(job);
        self.begin_write(slot);
    }

    /// The log worker takes all that waits, if it is free.
    pub(crate) fn begin_write(&mut self, slot: usize) {
        let Some(life) = &mut self.seats[slot].life else { return };
        if life.writing.is_empty() && !life.log_jobs.is_empty() {
            life.writing = std::mem::take(&mut life.log_jobs);
            let delay_us = self.disk_us(slot);
            self.later(slot, delay_us, Work::Log);
        }
    }

    /// How long a write with its sync takes now.
    pub(crate) fn disk_us(&mut self, slot: usize) -> u64 {
        let usual = self.plan.disk_us + self.rng.below(self.plan.disk_us);
        let seat = &self.seats[slot];
        let stalled_us = seat.stalled_until_us.saturating_sub(self.now_us);
        usual * seat.slowness + stalled_us
    }
}
