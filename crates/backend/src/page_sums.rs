//! The checksums of a database file's pages, all in memory: one thousandth of the file.

use std::io;

use ketch_env::File;

use crate::checked_file::sums_at;
use crate::error::Damage;

/// Bytes of a page; the engine's default.
pub(crate) const PAGE: usize = 4096;
/// Pages whose checksums fill one page.
pub(crate) const GROUP_PAGES: u64 = (PAGE / 4) as u64;

/// The checksum of a page at its place, so that a page written elsewhere is found too. Never 0,
/// which stands for a page never written.
pub(crate) fn page_sum(page: u64, data: &[u8]) -> u32 {
    let seed = crc32c::crc32c(&page.to_le_bytes());
    crc32c::crc32c_append(seed, data).max(1)
}

struct Group {
    sums: Box<[u32]>,
    dirty: bool,
}

impl Group {
    fn empty() -> Self {
        Self { sums: vec![0; PAGE / 4].into_boxed_slice(), dirty: false }
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct PageSums {
    groups: Vec<Group>,
    pages: u64,
    written: u64,
}

impl PageSums {
    /// Reads the checksum pages of a file with `physical_pages` pages after its first.
    pub(crate) fn load(file: &dyn File, physical_pages: u64) -> io::Result<Self> {
        let groups = physical_pages.div_ceil(GROUP_PAGES + 1);
        let mut this = Self { groups: Vec::new(), pages: physical_pages - groups, written: 0 };
        let mut block = vec![0; PAGE];
        for number in 0..groups {
            let at = sums_at(number);
            if file.read_at(&mut block, at)? < PAGE {
                return Err(Damage { offset: at, what: "file ends too early".into() }.into());
            }
            let mut group = Group::empty();
            for (sum, bytes) in group.sums.iter_mut().zip(block.chunks_exact(4)) {
                *sum = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                this.written += u64::from(*sum != 0);
            }
            this.groups.push(group);
        }
        Ok(this)
    }

    /// Pages of the engine, holes included.
    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }

    /// Pages of the file that were ever written.
    pub(crate) fn used_pages(&self) -> u64 {
        // The first page, the engine's header page, and the checksums themselves.
        2 + self.groups.len() as u64 + self.written
    }

    /// The checksum of a page, 0 if it was never written.
    pub(crate) fn get(&self, page: u64) -> u32 {
        let (group, slot) = place(page);
        self.groups.get(group).map_or(0, |group| group.sums[slot])
    }

    /// Notes a written page.
    pub(crate) fn set(&mut self, page: u64, sum: u32) {
        let (group, slot) = place(page);
        while self.groups.len() <= group {
            self.groups.push(Group::empty());
        }
        let group = &mut self.groups[group];
        self.written += u64::from(group.sums[slot] == 0);
        group.sums[slot] = sum;
        group.dirty = true;
        self.pages = self.pages.max(page + 1);
    }

    /// Grows or cuts; what was cut is forgotten.
    pub(crate) fn set_pages(&mut self, pages: u64) {
        let groups = usize::try_from(pages.div_ceil(GROUP_PAGES)).unwrap_or(usize::MAX);
        for group in self.groups.iter().skip(groups) {
            self.written -= written_in(&group.sums);
        }
        self.groups.truncate(groups);
        let slot = place(pages).1;
        if slot > 0
            && pages < self.pages
            && self.groups.len() == groups
            && let Some(last) = self.groups.last_mut()
        {
            self.written -= written_in(&last.sums[slot..]);
            last.sums[slot..].fill(0);
            last.dirty = true;
        }
        self.groups.resize_with(groups, Group::empty);
        self.pages = pages;
    }

    /// Checksum pages to be written before the next sync, with their group numbers.
    pub(crate) fn take_dirty(&mut self) -> Vec<(u64, Vec<u8>)> {
        let mut out = Vec::new();
        for (number, group) in (0..).zip(&mut self.groups) {
            if std::mem::take(&mut group.dirty) {
                out.push((number, group.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect()));
            }
        }
        out
    }
}

fn place(page: u64) -> (usize, usize) {
    let group = usize::try_from(page / GROUP_PAGES).unwrap_or(usize::MAX);
    // A remainder by 1024 fits every usize.
    (group, (page % GROUP_PAGES) as usize)
}

fn written_in(sums: &[u32]) -> u64 {
    sums.iter().filter(|sum| **sum != 0).count() as u64
}
