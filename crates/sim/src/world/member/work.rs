//! What a member does by itself, and when: ticks, and the workers beside the node.

use std::collections::VecDeque;

use ketch_apply::{Answer, Applied};
use ketch_base::LeaseId;
use ketch_node::{ApplyJob, Event};
use ketch_proto::etcdserverpb::InternalRaftRequest;
use ketch_raft_proto::raftpb::{Entry, SnapshotMetadata};
use ketch_wal::Preparer;
use prost::Message;

use super::rights::{self, Stands};
use super::watch::WatchJob;
use crate::fact::{EntryMark, Fact};
use crate::world::World;
use crate::world::happening::{Place, What, Work};
use crate::world::plan::MS;

/// Something for the apply worker.
pub(crate) enum Task {
    Entries(ApplyJob),
    Leading(bool),
    Install(SnapshotMetadata),
}

impl World {
    /// A member's own work is due.
    pub(crate) fn work(&mut self, place: Place, work: Work) {
        let Place { slot, life } = place;
        let seat = &self.seats[slot];
        if seat.lives != life || seat.life.is_none() {
            return;
        }
        if seat.paused_until_us > self.now_us {
            let delay_us = seat.paused_until_us - self.now_us;
            self.after(delay_us, What::Work(place, work));
            return;
        }
        match work {
            Work::Tick => self.tick(slot),
            Work::Turn => self.turn(slot),
            Work::Log => self.write(slot),
            Work::Prepare => self.prepare(slot),
            Work::Apply => self.apply(slot),
            Work::Drain => self.drain(slot),
            Work::Compact => self.compact(slot),
            Work::Watch => self.watch_turn(slot),
            Work::Leases => self.look_for_leases(slot),
            Work::Progress => {
                self.watch_job(slot, WatchJob::ProgressTick);
                self.later(slot, 2_000 * MS, Work::Progress);
            }
            Work::Leave => self.leave(slot),
        }
    }

    fn tick(&mut self, slot: usize) {
        let tick_us = self.seats[slot].tick_us;
        self.later(slot, tick_us, Work::Tick);
        self.post(slot, Event::Tick);
    }

    fn write(&mut self, slot: usize) {
        let Some(life) = &mut self.seats[slot].life else { return };
        let jobs = std::mem::take(&mut life.writing);
        match life.log.run(jobs) {
            Ok(events) => {
                for event in events {
                    self.post(slot, event);
                }
                self.begin_write(slot);
                self.prepare_soon(slot);
            }
            Err(error) => self.halt(slot, format!("log: {error}")),
        }
    }

    fn prepare_soon(&mut self, slot: usize) {
        let Some(life) = &self.seats[slot].life else { return };
        if life.preparer.as_ref().is_some_and(Preparer::is_wanted) {
            let delay_us = self.disk_us(slot);
            self.later(slot, delay_us, Work::Prepare);
        }
    }

    fn prepare(&mut self, slot: usize) {
        let Some(life) = &self.seats[slot].life else { return };
        // Without one the log makes its own when it must.
        drop(life.preparer.as_ref().map(Preparer::prepare));
    }

    pub(crate) fn give_task(&mut self, slot: usize, task: Task) {
        let Some(life) = &mut self.seats[slot].life else { return };
        life.tasks.push_back(task);
        self.begin_apply(slot);
    }

    fn begin_apply(&mut self, slot: usize) {
        let Some(life) = &mut self.seats[slot].life else { return };
        if !life.applying && !life.tasks.is_empty() {
            life.applying = true;
            let most_us = match self.rng.below(1_000) {
                0 => 1_000 * MS,
                1..=20 => 20 * MS,
                _ => 100,
            };
            let delay_us = 20 + self.rng.below(most_us);
            self.later(slot, delay_us, Work::Apply);
        }
    }

    fn apply(&mut self, slot: usize) {
        let now_ms = self.lease_clock_ms(slot);
        let extend_ms = self.plan.tick_us * 10 / MS;
        let Some(life) = &mut self.seats[slot].life else { return };
        life.applying = false;
        match life.tasks.pop_front() {
            Some(Task::Entries(job)) => self.apply_entries(slot, job),
            Some(Task::Leading(true)) => life.lessor.promote(now_ms, extend_ms),
            Some(Task::Leading(false)) => life.lessor.demote(),
            Some(Task::Install(metadata)) => self.install(slot, &metadata),
            None => {}
        }
        self.begin_apply(slot);
    }

    fn apply_entries(&mut self, slot: usize, job: ApplyJob) {
        let Some(life) = &mut self.seats[slot].life else { return };
        let mut entries: VecDeque<Entry> = job.entries.iter().cloned().collect();
        let reader = life.reader.clone();
        let (auth, backend) = (life.auth.clone(), life.backend.clone());
        let issued = &mut self.issued;
        let mut done: Vec<(Applied, i64, Option<Stands>)> = Vec::new();
        let event = life.apply.run(job, &mut |applied| {
            let stands = rights::is_about(&applied).then(|| {
                let token = rights::token_of(&applied).filter(|token| !issued.contains(token));
                issued.extend(token.cloned());
                Stands::of(&auth, &backend, issued)
            });
            done.push((applied, reader.revision(), stands));
        });
        let number = self.seats[slot].lives;
        for (applied, revision, stands) in done {
            while entries.front().is_some_and(|entry| entry.index() < applied.index.0) {
                entries.pop_front();
            }
            let Some(entry) = entries.pop_front() else { break };
            self.one_applied(slot, &entry, applied, revision, stands);
            if self.seats[slot].lives != number || self.seats[slot].life.is_none() {
                return;
            }
        }
        match event {
            Ok(event) => {
                self.post(slot, event);
                self.serve_applied(slot);
            }
            Err(error) => self.halt(slot, format!("apply: {error}")),
        }
    }

    fn one_applied(
        &mut self,
        slot: usize,
        entry: &Entry,
        applied: Applied,
        revision: i64,
        stands: Option<Stands>,
    ) {
        let member = self.seats[slot].id;
        self.note(Fact::Applied { member, entry: EntryMark::of(entry), revision });
        if let (Ok(Answer::LeaseRevoke(_)), Some(lease)) = (&applied.result, revoked(entry)) {
            self.note(Fact::LeaseGone { member, lease });
        }
        if let Some(stands) = stands {
            self.note_change(slot, entry, &applied, revision, stands);
        }
        let Some(life) = &mut self.seats[slot].life else { return };
        life.applied = applied.index;
        if let Some(committed) = applied.committed {
            self.watch_job(slot, WatchJob::Committed(committed));
        }
        if applied.change.as_ref().is_some_and(|change| change.removed_self) {
            self.leave_soon(slot);
        }
        if let Some(id) = applied.request {
            self.answer_waiter(slot, id, applied.index, applied.result);
        }
    }

    fn drain(&mut self, slot: usize) {
        let interval_us = self.plan.drain_us + self.disk_us(slot);
        self.later(slot, interval_us, Work::Drain);
        if self.seats[slot].stalled_until_us > self.now_us {
            return;
        }
        let budget_bytes = 4 * 1024;
        let Some(life) = &mut self.seats[slot].life else { return };
        if life.reclaiming {
            match life.drain.reclaim(budget_bytes) {
                Ok(ketch_backend::Progress::More) => {}
                // A reclaim that fails leaves the database as it was; the next step tells.
                Ok(ketch_backend::Progress::Done { .. }) | Err(_) => life.reclaiming = false,
            }
        }
        match life.drain.step() {
            Ok(step) => self.post(slot, Event::Durable { index: step.durable_index }),
            Err(error) => self.halt(slot, format!("backend: {error}")),
        }
    }

    fn compact(&mut self, slot: usize) {
        let Some(life) = &mut self.seats[slot].life else { return };
        match life.compactor.step() {
            Ok(ketch_mvcc::CompactStep::Idle) => self.later(slot, 300 * MS, Work::Compact),
            Ok(_) => self.later(slot, 10 * MS, Work::Compact),
            Err(error) => self.halt(slot, format!("compactor: {error}")),
        }
    }

    /// The member's own clock for leases; it goes forward only.
    pub(crate) fn lease_clock_ms(&self, slot: usize) -> u64 {
        self.now_ms() + self.seats[slot].clock_ms
    }
}

/// The lease an entry revokes.
fn revoked(entry: &Entry) -> Option<LeaseId> {
    let request = InternalRaftRequest::decode(entry.data.clone()?).ok()?;
    request.lease_revoke.map(|revoke| LeaseId(revoke.id))
}
