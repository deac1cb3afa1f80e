//! One walk over the index that finds how much an answer holds, and its first rows.

use bytes::Bytes;
use parking_lot::RwLock;

use super::query::{Query, What};
use crate::bounds;
use crate::index::{Entry, History, Index, Key, Span, Summary, Version, Visit};
use crate::row::{self, Row};

/// Of an answer as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Keys of the range that are alive; no filter or limit applies.
    pub(crate) count: u64,
    /// Rows of the answer.
    pub(crate) rows: u64,
    /// Their bytes, as `kvs` fields.
    pub(crate) bytes: u64,
    /// Something passed the filters and not the limit.
    pub(crate) more: bool,
}

/// One row to be brought.
pub(crate) enum Pick {
    /// As it is stored.
    Stored(Version),
    /// Already made, from the index alone.
    Made(Bytes),
}

/// Counts a range and picks its first rows.
pub(crate) struct Measure<'a> {
    query: &'a Query,
    pub(crate) totals: Totals,
    pub(crate) picks: Vec<Pick>,
    /// Rows are being picked, up to the limit; else they are only counted.
    picking: bool,
}

impl<'a> Measure<'a> {
    /// Picks at most a chunk of rows from `from` on; returns where to go on.
    pub(crate) fn pick(
        query: &'a Query,
        index: &RwLock<Index>,
        from: &[u8],
    ) -> (Self, Option<Key>) {
        let mut measure =
            Self { query, totals: Totals::default(), picks: Vec::new(), picking: true };
        let span = Span { from, end: query.range.end() };
        let next = index.read().walk(span, bounds::CHUNK_KEYS, &mut measure);
        (measure, next)
    }

    /// Only counts.
    pub(crate) fn counting(query: &'a Query) -> Self {
        Self { query, totals: Totals::default(), picks: Vec::new(), picking: false }
    }

    /// Counts everything from `from` to the end of the range, one bounded hold of the lock after
    /// the other.
    pub(crate) fn count_rest(&mut self, index: &RwLock<Index>, from: &[u8]) {
        self.picking = false;
        let end = self.query.range.end();
        let mut next = index.read().walk(Span { from, end }, bounds::CHUNK_KEYS, self);
        while let Some(from) = next {
            let span = Span { from: from.as_slice(), end };
            next = index.read().walk(span, bounds::CHUNK_KEYS, self);
        }
    }

    fn is_full(&self) -> bool {
        self.totals.rows >= self.query.limit
    }

    fn pick_entry(&mut self, entry: &Entry, place: usize, version: Version) {
        self.picks.push(match self.query.rows {
            What::Name => Pick::Made(name(entry.key.as_slice(), &entry.history, place, version)),
            _ => Pick::Stored(version),
        });
    }
}

impl Visit for Measure<'_> {
    fn subtree(&mut self, summary: &Summary) -> bool {
        if summary.newest > self.query.at {
            return false;
        }
        if summary.live == 0 {
            return true;
        }
        if self.picking {
            return false;
        }
        let totals = &mut self.totals;
        let counts_only = self.query.rows == What::Count || totals.more;
        let whole = self.query.is_plain() && totals.rows + summary.live <= self.query.limit;
        if whole && !counts_only {
            totals.rows += summary.live;
            totals.bytes += summary.bytes;
        }
        if whole || counts_only {
            totals.count += summary.live;
        }
        whole || counts_only
    }

    fn entry(&mut self, entry: &Entry) -> bool {
        if self.picking && self.is_full() {
            return false;
        }
        let Some((place, version)) = entry.history.seen(self.query.at) else { return true };
        self.totals.count += 1;
        if self.query.rows == What::Count
            || !self.query.admits(version, || entry.history.birth(place))
        {
            return true;
        }
        if self.is_full() {
            self.totals.more = true;
            return true;
        }
        self.totals.rows += 1;
        self.totals.bytes += row::kvs_bytes(self.query.row_bytes(
            entry.key.as_slice().len(),
            &entry.history,
            place,
            version,
        ));
        if self.picking {
            self.pick_entry(entry, place, version);
        }
        true
    }
}

/// The row of a `keys_only` answer.
pub(crate) fn name(key: &[u8], history: &History, place: usize, version: Version) -> Bytes {
    let birth = history.birth(place);
    let (create, number) = (birth.create, birth.number);
    Row { key, create, modified: version.main(), version: number, ..Row::default() }.encode()
}
