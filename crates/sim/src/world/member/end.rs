//! The end of a life: by a fault, by its own decision, or because it was removed.

use ketch_env::sim::Fault;
use ketch_node::Event;

use super::{Life, Standing};
use crate::fact::Fact;
use crate::world::World;
use crate::world::happening::{What, Work};
use crate::world::plan::{MS, SECOND};

impl World {
    /// The machine loses power, or the process is killed.
    pub(crate) fn crash(&mut self, slot: usize, power: bool) {
        let Some(mut life) = self.seats[slot].life.take() else { return };
        let member = self.seats[slot].id;
        self.half_done(slot, &mut life);
        self.note(Fact::Crashed { member });
        self.bury(slot, life, power);
    }

    /// A member stops itself: something it needs does not work.
    pub(crate) fn halt(&mut self, slot: usize, why: String) {
        let Some(life) = self.seats[slot].life.take() else { return };
        let seat = &self.seats[slot];
        let (member, sound) = (seat.id, !seat.failing && !seat.damaged);
        self.recorder.count("member halted");
        self.note(Fact::Halted { member, why: why.clone() });
        if sound {
            self.violate(format!("member {member} stops without cause: {why}"));
        }
        let power = self.rng.once_in(2);
        self.bury(slot, life, power);
        if self.seats[slot].damaged {
            self.replace(slot);
        }
        let delay_us = self.rng.below(2 * SECOND);
        self.after(delay_us, What::Start(slot));
    }

    /// The member was told to end and has: everything is on disk.
    pub(crate) fn stopped(&mut self, slot: usize) {
        let Some(mut life) = self.seats[slot].life.take() else { return };
        let member = self.seats[slot].id;
        let mut jobs = std::mem::take(&mut life.writing);
        jobs.append(&mut life.log_jobs);
        let written = life.log.run(jobs).is_ok();
        while written && life.drain.step().is_ok_and(|step| step.more) {}
        self.recorder.count("member stopped in order");
        self.note(Fact::Halted { member, why: "told to stop".to_string() });
        self.bury(slot, life, false);
        let delay_us = self.rng.below(SECOND);
        self.after(delay_us, What::Start(slot));
    }

    /// What the workers were busy with is done by half.
    fn half_done(&mut self, slot: usize, life: &mut Life) {
        let disk = &self.seats[slot].disk;
        let fault = Fault::Io;
        match self.rng.below(4) {
            0 => disk.fail_sync_after(self.rng.below(2), fault),
            1 => disk.fail_write_after(self.rng.below(3), fault),
            2 => {}
            _ => return,
        }
        // Whatever comes of it, nobody will hear.
        if !life.writing.is_empty() {
            drop(life.log.run(std::mem::take(&mut life.writing)));
        }
        if self.rng.once_in(2) {
            drop(life.drain.step());
        }
    }

    fn bury(&mut self, slot: usize, life: Box<Life>, power: bool) {
        let seat = &mut self.seats[slot];
        if power {
            seat.disk.crash();
        } else {
            seat.disk.kill();
        }
        seat.failing = false;
        seat.paused_until_us = 0;
        for (watch, epoch) in life.watches() {
            let delay_us = self.rng.below(SECOND);
            self.after(delay_us, What::WatchMove { watch, epoch });
        }
        self.refuse_links(slot, power);
        // Only now: what it would still write while it is taken down does not count.
        drop(life);
    }

    /// The host of a process that ended refuses what comes next; one without power is silent.
    fn refuse_links(&mut self, slot: usize, power: bool) {
        for to in (0..self.seats.len()).filter(|to| *to != slot && !power) {
            let delay_us = self.rng.below(200 * MS);
            self.after(delay_us, What::Refused { by: slot, to });
        }
    }

    /// A member hears that nobody listens at another one; by now it may listen again.
    pub(crate) fn nobody_listens(&mut self, by: usize, to: usize) {
        if !self.network.is_cut(by, to) && !self.network.is_cut(to, by) {
            let peer = self.seats[by].id;
            self.recorder.count("told that nobody listens");
            self.post(to, Event::Gone { peer });
        }
    }

    /// It was told, one way or another, that it was removed.
    pub(crate) fn leave_soon(&mut self, slot: usize) {
        let delay_us = 100 * MS + self.rng.below(400 * MS);
        self.later(slot, delay_us, Work::Leave);
    }

    /// A member keeps links to the others of its membership; one that knows better tells it.
    pub(crate) fn dial(&mut self, slot: usize) {
        let id = self.seats[slot].id;
        let Some(life) = &self.seats[slot].life else { return };
        let own = life.shared.membership();
        let knows_better = |(other, seat): (usize, &super::Seat)| {
            let reached = own.member(seat.id).is_some()
                && !self.network.is_cut(slot, other)
                && !self.network.is_cut(other, slot);
            let their = seat.life.as_ref().map(|life| life.shared.membership());
            reached && their.is_some_and(|their| their.is_removed(id))
        };
        if self.seats.iter().enumerate().any(knows_better) {
            self.leave_soon(slot);
        }
    }

    pub(crate) fn leave(&mut self, slot: usize) {
        let Some(life) = self.seats[slot].life.take() else { return };
        let member = self.seats[slot].id;
        self.seats[slot].standing = Standing::Gone;
        self.note(Fact::Halted { member, why: "removed from the cluster".to_string() });
        self.bury(slot, life, false);
    }

    /// It hears nothing now: it is paused.
    pub(crate) fn is_away(&self, slot: usize) -> bool {
        self.seats[slot].paused_until_us > self.now_us
    }
}
