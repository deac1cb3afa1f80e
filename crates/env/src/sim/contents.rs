//! The bytes of one simulated file: what is visible, and what a crash would leave.

use std::collections::BTreeMap;

use super::random::SimRng;

/// The unit a disk writes whole or not at all.
pub(super) const SECTOR_BYTES: u64 = 512;
const SECTOR: usize = SECTOR_BYTES as usize;

type Sector = Box<[u8; SECTOR]>;

/// Sectors not present are zeroes, so that a prepared log segment costs nothing.
#[derive(Debug, Default)]
pub(super) struct Contents {
    visible: BTreeMap<u64, Sector>,
    length: u64,
    durable_length: u64,
    /// For each sector changed since the last sync, what the disk holds (`None`: zeroes).
    dirty: BTreeMap<u64, Option<Sector>>,
}

impl Contents {
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let n = usize::try_from(self.length.saturating_sub(offset))
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let mut done = 0;
        while done < n {
            let (number, within) = place(offset + done as u64);
            let part = (SECTOR - within).min(n - done);
            let target = &mut buffer[done..done + part];
            match self.visible.get(&number) {
                Some(sector) => target.copy_from_slice(&sector[within..within + part]),
                None => target.fill(0),
            }
            done += part;
        }
        n
    }

    pub(super) fn write(&mut self, data: &[u8], offset: u64) {
        let mut done = 0;
        while done < data.len() {
            let (number, within) = place(offset + done as u64);
            let part = (SECTOR - within).min(data.len() - done);
            let sector = self.touch(number);
            sector[within..within + part].copy_from_slice(&data[done..done + part]);
            done += part;
        }
        self.length = self.length.max(offset + data.len() as u64);
    }

    /// Changes bytes on the disk itself, as rot does.
    pub(super) fn spoil(&mut self, offset: u64, mask: u8) {
        let (number, within) = place(offset);
        if let Some(Some(sector)) = self.dirty.get_mut(&number) {
            sector[within] ^= mask;
        }
        self.visible.entry(number).or_insert_with(zeroes)[within] ^= mask;
    }

    pub(super) fn set_len(&mut self, length: u64) {
        if length < self.length {
            let (number, within) = place(length);
            if within > 0 && self.visible.contains_key(&number) {
                self.touch(number)[within..].fill(0);
            }
            let first = number + u64::from(within > 0);
            let gone: Vec<u64> = self.visible.range(first..).map(|(number, _)| *number).collect();
            for number in gone {
                self.touch(number);
                self.visible.remove(&number);
            }
        }
        self.length = length;
    }

    pub(super) fn zero(&mut self, length: u64) {
        self.visible.clear();
        self.length = length;
        self.sync();
    }

    pub(super) fn sync(&mut self) {
        self.dirty.clear();
        self.durable_length = self.length;
    }

    /// Keeps of the unsynced sectors those that chance keeps.
    pub(super) fn crash(&mut self, rng: &mut SimRng) {
        // One coin for the whole file first, so that "all" and "nothing" stay likely.
        let keep_all = rng.once_in(4);
        let keep_none = rng.once_in(3);
        for (number, durable) in std::mem::take(&mut self.dirty) {
            let keep = keep_all || !keep_none && rng.once_in(2);
            if !keep {
                match durable {
                    Some(sector) => self.visible.insert(number, sector),
                    None => self.visible.remove(&number),
                };
            }
        }
        if !keep_all && rng.once_in(2) {
            self.length = self.durable_length;
        }
        let end = self.length.div_ceil(SECTOR_BYTES);
        self.visible.retain(|number, _| *number < end);
        let (number, within) = place(self.length);
        if let Some(sector) = self.visible.get_mut(&number) {
            sector[within..].fill(0);
        }
        self.durable_length = self.length;
    }

    fn touch(&mut self, number: u64) -> &mut Sector {
        let visible = &self.visible;
        self.dirty.entry(number).or_insert_with(|| visible.get(&number).cloned());
        self.visible.entry(number).or_insert_with(zeroes)
    }
}

fn zeroes() -> Sector {
    Box::new([0; SECTOR])
}

fn place(offset: u64) -> (u64, usize) {
    (offset / SECTOR_BYTES, (offset % SECTOR_BYTES) as usize)
}
