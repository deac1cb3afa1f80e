//! Orders the index does not have: everything is looked at, little is kept.
//!
//! Rows with equal sort keys stay in key order. (etcd's order among them is that of an unstable
//! sort; up to twelve rows it is the same.)

use std::cmp::Ordering;

use bytes::Bytes;
use ketch_proto::etcdserverpb::range_request::SortTarget;
use parking_lot::RwLock;

use super::Rows;
use super::measure::Totals;
use super::query::{Query, Sort, What};
use crate::bounds;
use crate::error::Error;
use crate::index::{Entry, Index, Key, Span, Summary, Version, Visit};
use crate::row;

/// A row by what it is sorted for.
#[derive(Clone, Copy)]
pub(crate) struct Ranked {
    rank: i64,
    pub(crate) version: Version,
    bytes: u32,
}

/// A row with its value, which is a part of it.
struct Valued {
    value: Bytes,
    row: Bytes,
}

/// Sorts by key, version or revision: without reading a row.
pub(crate) fn by_rank(query: &Query, sort: Sort, index: &RwLock<Index>) -> (Vec<Ranked>, Totals) {
    let mut kept = Kept::new(query, |a: &Ranked, b| sort.turn(a.rank.cmp(&b.rank)));
    let mut gather = Gather::new(query, sort.target);
    while gather.step(index) {
        kept.extend(gather.found.drain(..));
    }
    let (ranked, more) = kept.finish();
    let totals = Totals {
        count: gather.count,
        rows: ranked.len() as u64,
        bytes: ranked.iter().map(|ranked| row::kvs_bytes(ranked.bytes)).sum(),
        more,
    };
    (ranked, totals)
}

/// Sorts by value. The one answer whose rows are held: as many as the limit allows, twice.
pub(crate) fn by_value(
    query: &Query,
    sort: Sort,
    index: &RwLock<Index>,
    rows: &dyn Rows,
) -> Result<(Vec<Bytes>, Totals), Error> {
    let mut kept = Kept::new(query, |a: &Valued, b| sort.turn(a.value.cmp(&b.value)));
    let mut gather = Gather::new(query, sort.target);
    while gather.step(index) {
        for ranked in gather.found.drain(..) {
            let row = stored(ranked.version, rows)?;
            let parsed = row::parse(&row).ok_or(Error::Malformed(ranked.version.row_key()))?;
            let value = row.slice_ref(parsed.value);
            kept.extend([Valued { value, row }]);
        }
    }
    let (valued, more) = kept.finish();
    let made = valued.into_iter().map(|valued| match query.rows {
        What::Bare => row::without_value(&valued.row).unwrap_or_default(),
        _ => valued.row,
    });
    let made: Vec<Bytes> = made.collect();
    let totals = Totals {
        count: gather.count,
        rows: made.len() as u64,
        bytes: made.iter().map(|row| row::kvs_bytes(length(row))).sum(),
        more,
    };
    Ok((made, totals))
}

/// The row of a version; its length must be what the index announced.
pub(crate) fn stored(version: Version, rows: &dyn Rows) -> Result<Bytes, Error> {
    let row = rows.row(version.row_key())?;
    if length(&row) == version.length() {
        Ok(row)
    } else {
        Err(Error::Malformed(version.row_key()))
    }
}

/// The row of a version without its value.
pub(crate) fn bare(version: Version, rows: &dyn Rows) -> Result<Bytes, Error> {
    let row = stored(version, rows)?;
    row::without_value(&row).ok_or(Error::Malformed(version.row_key()))
}

/// The row of a version without value and lease.
pub(crate) fn name(version: Version, rows: &dyn Rows) -> Result<Bytes, Error> {
    let row = stored(version, rows)?;
    row::name_only(&row).ok_or(Error::Malformed(version.row_key()))
}

/// Rows are bounded by the size of a request, far below four gigabytes.
pub(crate) fn length(row: &Bytes) -> u32 {
    u32::try_from(row.len()).unwrap_or(u32::MAX)
}

impl Sort {
    fn turn(self, order: Ordering) -> Ordering {
        if self.descending { order.reverse() } else { order }
    }
}

/// The best rows so far; at most twice the limit of them.
struct Kept<T, C> {
    rows: Vec<T>,
    limit: usize,
    dropped: bool,
    compare: C,
}

impl<T, C: Fn(&T, &T) -> Ordering> Kept<T, C> {
    fn new(query: &Query, compare: C) -> Self {
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        Self { rows: Vec::new(), limit, dropped: false, compare }
    }

    /// Takes rows in key order.
    fn extend(&mut self, rows: impl IntoIterator<Item = T>) {
        self.rows.extend(rows);
        let room = self.limit.max(bounds::CHUNK_KEYS).saturating_mul(2);
        if self.rows.len() > room {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.rows.sort_by(&self.compare);
        self.dropped |= self.rows.len() > self.limit;
        self.rows.truncate(self.limit);
    }

    fn finish(mut self) -> (Vec<T>, bool) {
        self.cut();
        (self.rows, self.dropped)
    }
}

/// Visits the whole range, a chunk at a time.
struct Gather<'a> {
    query: &'a Query,
    target: SortTarget,
    count: u64,
    found: Vec<Ranked>,
    next: Option<Key>,
    begun: bool,
}

impl<'a> Gather<'a> {
    fn new(query: &'a Query, target: SortTarget) -> Self {
        Self { query, target, count: 0, found: Vec::new(), next: None, begun: false }
    }

    /// Finds the next rows; `false` after the last.
    fn step(&mut self, index: &RwLock<Index>) -> bool {
        if self.begun && self.next.is_none() {
            return false;
        }
        self.begun = true;
        let from = self.next.take();
        let query = self.query;
        let from = from.as_ref().map_or(query.range.start(), Key::as_slice);
        let span = Span { from, end: query.range.end() };
        self.next = index.read().walk(span, bounds::CHUNK_KEYS, self);
        true
    }
}

impl Visit for Gather<'_> {
    fn subtree(&mut self, summary: &Summary) -> bool {
        summary.live == 0 && summary.newest <= self.query.at
    }

    fn entry(&mut self, entry: &Entry) -> bool {
        let history = &entry.history;
        let Some((place, version)) = history.seen(self.query.at) else { return true };
        self.count += 1;
        let wanted = self.count <= self.query.sorted_rows;
        if wanted && self.query.admits(version, || history.birth(place)) {
            let rank = match self.target {
                SortTarget::Key => self.count as i64,
                SortTarget::Mod => version.main(),
                SortTarget::Create => history.birth(place).create,
                SortTarget::Version => history.birth(place).number,
                SortTarget::Value => 0,
            };
            let key_bytes = entry.key.as_slice().len();
            let bytes = self.query.row_bytes(key_bytes, history, place, version);
            self.found.push(Ranked { rank, version, bytes });
        }
        true
    }
}
