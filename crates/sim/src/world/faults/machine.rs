//! Machines that go down, stand still, or have a strange clock.

use crate::world::World;
use crate::world::happening::What;
use crate::world::plan::{MS, SECOND};

impl World {
    pub(super) fn crash_one(&mut self) {
        let Some(slot) = self.victim() else { return };
        let power = self.rng.once_in(2);
        self.crash(slot, power);
        self.start_again(slot);
    }

    /// A member is told to stop, and started again.
    pub(super) fn restart(&mut self) {
        if let Some(slot) = self.victim() {
            self.post(slot, ketch_node::Event::Stop);
        }
    }

    /// All go down, nearly at once.
    pub(super) fn crash_all(&mut self) {
        if !self.rng.once_in(3) {
            return self.crash_one();
        }
        for slot in 0..self.seats.len() {
            let power = !self.rng.once_in(4);
            self.crash(slot, power);
            self.start_again(slot);
        }
    }

    pub(super) fn start_again(&mut self, slot: usize) {
        let most_us = if self.rng.once_in(4) { 6 * SECOND } else { 500 * MS };
        let delay_us = self.rng.below(most_us);
        self.after(delay_us, What::Start(slot));
    }

    /// A member does nothing for a while; what is sent to it waits.
    pub(super) fn pause_one(&mut self) {
        let Some(slot) = self.victim() else { return };
        let most_us = if self.rng.once_in(3) { 6 * SECOND } else { 800 * MS };
        let pause_us = self.rng.below(most_us);
        self.seats[slot].paused_until_us = self.now_us + pause_us;
    }

    /// The clock of a member that keeps no leases jumps: only a leader's may not, for it has
    /// promised time to its clients.
    pub(super) fn jump_clock(&mut self) {
        let Some(slot) = self.someone() else { return };
        let seat = &mut self.seats[slot];
        if seat.life.as_ref().is_some_and(|life| !life.lessor.is_primary() && !life.leads) {
            seat.clock_ms += self.rng.below(100_000);
        }
    }

    pub(super) fn transfer(&mut self) {
        let Some(leader) = self.leader() else { return };
        let Some(to) = self.someone() else { return };
        let to = self.seats[to].id;
        self.post(leader, ketch_node::Event::Transfer { to });
    }
}
