//! Ways that are cut.

use crate::world::World;
use crate::world::faults::Trouble;
use crate::world::happening::What;
use crate::world::plan::{MS, SECOND};

impl World {
    /// Two sides that do not hear each other.
    pub(super) fn partition(&mut self) {
        self.network.mend();
        let sides: Vec<bool> = self.seats.iter().map(|_| self.rng.once_in(2)).collect();
        self.cut_where(|from, to| sides[from] != sides[to]);
        self.mend_later();
    }

    /// One member alone, the leader as often as not.
    pub(super) fn isolate(&mut self) {
        let Some(alone) = self.victim() else { return };
        self.network.mend();
        self.cut_where(|from, to| from == alone || to == alone);
        self.mend_later();
    }

    /// One member is not heard, or does not hear.
    pub(super) fn cut_one_way(&mut self) {
        let Some(one) = self.victim() else { return };
        let other = self.rng.below(self.seats.len() as u64) as usize;
        match self.rng.below(3) {
            0 => self.cut_where(|from, _| from == one),
            1 => self.cut_where(|_, to| to == one),
            _ => self.network.cut(one, other),
        }
        self.mend_later();
    }

    /// For a while whoever begins to lead is soon alone: what it began, others may end.
    pub(super) fn begin_coups(&mut self) {
        self.network.coups_until_us = self.now_us + (2 + self.rng.below(10)) * SECOND;
    }

    /// A member leads.
    pub(crate) fn maybe_coup(&mut self, slot: usize) {
        if self.now_us < self.network.coups_until_us && !self.rng.once_in(4) {
            let most_us = 6 * self.plan.flight_us + 4 * self.plan.disk_us;
            let delay_us = self.rng.below(most_us);
            self.after(delay_us, What::Trouble(Trouble::Coup(slot)));
        }
    }

    /// The one before is let back in.
    pub(super) fn coup(&mut self, slot: usize) {
        self.network.mend();
        self.cut_where(|from, to| from == slot || to == slot);
        self.mend_later();
    }

    fn cut_where(&mut self, is_cut: impl Fn(usize, usize) -> bool) {
        let count = self.seats.len();
        for from in 0..count {
            for to in (0..count).filter(|to| *to != from) {
                if is_cut(from, to) {
                    self.network.cut(from, to);
                }
            }
        }
    }

    fn mend_later(&mut self) {
        self.network.round += 1;
        let round = self.network.round;
        let delay_us = 200 * MS + self.rng.below(6 * SECOND);
        self.after(delay_us, What::Trouble(Trouble::Mend { round }));
    }

    pub(super) fn mend(&mut self, round: u64) {
        if self.network.round == round {
            self.network.mend();
        }
    }

    /// A running member; the leader as often as not.
    pub(super) fn victim(&mut self) -> Option<usize> {
        let leader = self.leader();
        if self.rng.once_in(2) && leader.is_some() { leader } else { self.someone() }
    }
}
