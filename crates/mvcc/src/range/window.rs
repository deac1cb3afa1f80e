//! Rows read before their turn, in the order of the storage.
//!
//! Keys in order lie anywhere in the storage, whose order is that of revisions: read one by one,
//! nearly each costs a page. So the rows of a window are read sorted by revision, while those of
//! the window before are given out; what one step reads keeps the pace of what it gives.
//!
//! Invariant: windows of all answers together hold [`limits::RANGE_WINDOWS_BYTES`], and one of
//! the first size each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use ketch_base::{RevisionKey, limits};
use parking_lot::RwLock;

use super::measure::Pick;
use super::sorted::{length, stored};
use super::{Rows, Selection};
use crate::bounds::{LARGE_ROW_BYTES, WINDOW_BYTES};
use crate::error::Error;
use crate::index::{Index, Version};
use crate::row;

/// The rows of one answer, a window of them at hand and the next one coming.
pub(crate) struct Window {
    ready: std::vec::IntoIter<Bytes>,
    /// Of the window that is being given, at its begin, and what of it is given.
    ready_bytes: usize,
    given_bytes: usize,
    coming: Coming,
    lent: Lent,
}

/// The next window, as far as it is chosen and read.
#[derive(Default)]
struct Coming {
    /// In the order of the answer; those not read yet are empty.
    rows: Vec<Bytes>,
    /// What is to be read, and where it goes.
    wanted: BTreeMap<RevisionKey, (usize, Version)>,
    bytes: usize,
    /// At this size the window is whole.
    bytes_max: usize,
    chosen: bool,
    /// Nothing comes after it.
    last: bool,
    /// Rows to be read when the choice was made.
    wanted_rows: usize,
}

/// Bytes that large answers may hold together, and how many of them there are.
#[derive(Default)]
pub(crate) struct Budget {
    taken_bytes: AtomicUsize,
    answers: AtomicUsize,
}

/// What one answer has of the budget; given back when dropped.
struct Lent {
    budget: Arc<Budget>,
    bytes: usize,
    counted: bool,
}

/// What a window needs to be filled.
#[derive(Clone, Copy)]
pub(crate) struct From<'a> {
    pub(crate) index: &'a RwLock<Index>,
    pub(crate) rows: &'a dyn Rows,
}

impl Window {
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        Self {
            ready: Vec::new().into_iter(),
            ready_bytes: 0,
            given_bytes: 0,
            coming: Coming { bytes_max: WINDOW_BYTES, ..Coming::default() },
            lent: Lent { budget: budget.clone(), bytes: 0, counted: false },
        }
    }

    /// Appends `kvs` fields, as many whole rows as fit into `bytes_max`, and at least one if there
    /// is one left.
    pub(crate) fn put_kvs(
        &mut self,
        out: &mut BytesMut,
        bytes_max: usize,
        selection: &mut Selection,
        from: From<'_>,
    ) -> Result<(), Error> {
        loop {
            if self.ready.as_slice().is_empty() {
                self.turn(selection, from)?;
            }
            let Some(row) = self.ready.as_slice().first() else { return Ok(()) };
            let field = usize::try_from(row::kvs_bytes(length(row))).unwrap_or(usize::MAX);
            if !out.is_empty() && out.len() + field > bytes_max {
                return self.keep_pace(selection, from);
            }
            row::put_kvs(out, row);
            self.given_bytes += row.len();
            self.ready.next();
        }
    }

    /// Brings the coming window as far as this one is given.
    fn keep_pace(&mut self, selection: &mut Selection, from: From<'_>) -> Result<(), Error> {
        let done = Share { part: self.given_bytes, whole: self.ready_bytes };
        self.coming.choose(done.of_first_quarter(self.coming.bytes_max), selection, from)?;
        self.coming.read(done.of_the_rest(self.coming.wanted_rows), from.rows)
    }

    /// The coming window becomes the one that is given, and the next one is begun.
    fn turn(&mut self, selection: &mut Selection, from: From<'_>) -> Result<(), Error> {
        self.coming.choose(self.coming.bytes_max, selection, from)?;
        self.coming.read(self.coming.wanted_rows, from.rows)?;
        let whole = std::mem::take(&mut self.coming);
        self.coming = match whole.last {
            true => Coming { chosen: true, last: true, ..Coming::default() },
            false => {
                let bytes_max = self.lent.next_size(whole.bytes_max, whole.wanted_bytes_next());
                Coming { bytes_max, ..Coming::default() }
            }
        };
        self.ready = whole.rows.into_iter();
        (self.ready_bytes, self.given_bytes) = (whole.bytes, 0);
        Ok(())
    }
}

impl Coming {
    /// How large the window after this one should be. Rows that have pages of their own are read
    /// soonest before they are given: no page would be read twice, and what is given still lies in
    /// the processor's cache.
    fn wanted_bytes_next(&self) -> usize {
        let large = self.rows.len().saturating_mul(LARGE_ROW_BYTES) <= self.bytes;
        if large { WINDOW_BYTES } else { self.bytes_max.saturating_mul(2) }
    }

    /// Chooses rows until there are so many bytes.
    fn choose(
        &mut self,
        bytes: usize,
        selection: &mut Selection,
        from: From<'_>,
    ) -> Result<(), Error> {
        while !self.chosen && self.bytes < bytes {
            match selection.next_pick(from.index, from.rows)? {
                None => (self.chosen, self.last) = (true, true),
                Some(Pick::Made(row)) => {
                    self.bytes += row.len().max(1);
                    self.rows.push(row);
                }
                Some(Pick::Stored(version)) => {
                    self.bytes += version.length() as usize;
                    self.wanted.insert(version.row_key(), (self.rows.len(), version));
                    self.rows.push(Bytes::new());
                }
            }
        }
        if !self.chosen && self.bytes >= self.bytes_max {
            self.chosen = true;
        }
        if self.chosen && self.wanted_rows == 0 {
            self.wanted_rows = self.wanted.len();
        }
        Ok(())
    }

    /// Reads until so many of the wanted rows are there.
    fn read(&mut self, rows_read: usize, rows: &dyn Rows) -> Result<(), Error> {
        while self.chosen && self.wanted_rows - self.wanted.len() < rows_read {
            let Some((_, (place, version))) = self.wanted.pop_first() else { return Ok(()) };
            self.rows[place] = stored(version, rows)?;
        }
        Ok(())
    }
}

/// How far a window is given out. The next one is chosen during the first quarter, and read
/// during the rest.
struct Share {
    part: usize,
    whole: usize,
}

impl Share {
    fn of_first_quarter(&self, all: usize) -> usize {
        let part = self.part.saturating_mul(4).min(self.whole);
        scaled(all, part, self.whole)
    }

    fn of_the_rest(&self, all: usize) -> usize {
        let quarter = self.whole / 4;
        scaled(all, self.part.saturating_sub(quarter), self.whole - quarter)
    }
}

/// `all * part / whole`, rounded up; all of nothing.
fn scaled(all: usize, part: usize, whole: usize) -> usize {
    let (all_wide, part, whole) = (all as u128, part as u128, whole as u128);
    let scaled = (all_wide * part).checked_div(whole).map_or(all_wide, |part| part + 1);
    usize::try_from(scaled).unwrap_or(all).min(all)
}

impl Lent {
    /// The size of the window after one of `bytes`: what is wanted, as far as the budget goes.
    fn next_size(&mut self, bytes: usize, wanted: usize) -> usize {
        if !self.counted {
            self.counted = true;
            self.budget.answers.fetch_add(1, Ordering::Relaxed);
        }
        let answers = self.budget.answers.load(Ordering::Relaxed).max(1);
        let fair = limits::RANGE_WINDOWS_BYTES / answers;
        let wanted = wanted.min(fair);
        // Two windows share the room of one: what is given of the first, the second may hold.
        // While they are of different sizes, it is that of the larger.
        let held = wanted.max(bytes);
        if held > self.bytes && !self.budget.take(held - self.bytes) {
            return WINDOW_BYTES;
        }
        if held < self.bytes {
            self.budget.give(self.bytes - held);
        }
        self.bytes = held;
        wanted.max(WINDOW_BYTES)
    }
}

impl Budget {
    fn take(&self, bytes: usize) -> bool {
        let grown = |taken: usize| {
            let grown = taken + bytes;
            (grown <= limits::RANGE_WINDOWS_BYTES).then_some(grown)
        };
        self.taken_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok()
    }

    fn give(&self, bytes: usize) {
        self.taken_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.budget.give(self.bytes);
        if self.counted {
            self.budget.answers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
