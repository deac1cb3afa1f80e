//! Disks that are slow, stand still, fail, are full, or forget.

use std::path::PathBuf;

use ketch_env::Disk;
use ketch_env::sim::Fault;

use crate::world::World;
use crate::world::faults::Trouble;
use crate::world::happening::What;
use crate::world::member::Standing;
use crate::world::plan::{MS, SECOND};

impl World {
    pub(super) fn slow_disk(&mut self) {
        let Some(slot) = self.victim() else { return };
        self.seats[slot].slowness = 5 + self.rng.below(100);
        let delay_us = self.rng.below(5 * SECOND);
        self.after(delay_us, What::Trouble(Trouble::Fast(slot)));
    }

    pub(super) fn stall_disk(&mut self) {
        let Some(slot) = self.victim() else { return };
        let stall_us = 200 * MS + self.rng.below(4 * SECOND);
        self.seats[slot].stalled_until_us = self.now_us + stall_us;
    }

    /// Soon the disk refuses: a write or a sync.
    pub(super) fn fail_disk(&mut self, fault: Fault) {
        let Some(slot) = self.victim() else { return };
        self.seats[slot].failing = true;
        let count = self.rng.below(30);
        if self.rng.once_in(2) && fault == Fault::Io {
            self.seats[slot].disk.fail_sync_after(count, fault);
        } else {
            self.seats[slot].disk.fail_write_after(count, fault);
        }
    }

    pub(super) fn reclaim(&mut self) {
        let Some(slot) = self.someone() else { return };
        if let Some(life) = &mut self.seats[slot].life {
            life.reclaiming = true;
        }
    }

    /// A member goes down, and bits of its disk change meanwhile. Only few members at a time, so
    /// that the others have everything.
    pub(super) fn flip_bits(&mut self) {
        let Some(slot) = self.someone() else { return };
        let damaged = self.seats.iter().filter(|seat| seat.damaged).count();
        if damaged + 1 > self.voters_to_spare() || !self.operator.is_idle() {
            return;
        }
        let power = self.rng.once_in(2);
        self.crash(slot, power);
        for _ in 0..=self.rng.below(4) {
            self.flip_one(slot);
        }
        self.start_again(slot);
    }

    /// How many voters the cluster can do without; none while it cannot be known for sure.
    fn voters_to_spare(&self) -> usize {
        let mut wanted = self.seats.iter().filter(|seat| seat.standing == Standing::Wanted);
        let all_up = wanted.all(|seat| seat.life.is_some());
        let life = self.best_informed().and_then(|slot| self.seats[slot].life.as_ref());
        let voters = life.map_or(0, |life| life.shared.membership().voters().count());
        if all_up { voters.saturating_sub(1) / 2 } else { 0 }
    }

    fn flip_one(&mut self, slot: usize) {
        let disk = self.seats[slot].disk.clone();
        let mut files: Vec<PathBuf> = Vec::new();
        for folder in ["/member/wal", "/member/snap"] {
            let folder = PathBuf::from(folder);
            let names = disk.list(&folder).unwrap_or_default();
            files.extend(names.iter().map(|name| folder.join(name)));
        }
        files.retain(|file| disk.read(file).is_ok_and(|bytes| !bytes.is_empty()));
        let count = files.len() as u64;
        if count == 0 {
            return;
        }
        let file = &files[self.rng.below(count) as usize];
        let bytes = disk.read(file).unwrap_or_default();
        // Where something stands, mostly.
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64;
        let offset = self.rng.below(last + 1);
        let mask = 1 << self.rng.below(8);
        if disk.flip(file, offset, mask).is_ok() {
            self.seats[slot].damaged = true;
            self.recorder.count("bits flipped");
        }
    }
}
