//! The rows of one answer, brought piece by piece.
//!
//! Invariant: what is held is one chunk of the index, whatever the size of the answer. Sorted
//! answers are the exception: they hold 32 bytes a row, or the rows when sorted by value.

use bytes::Bytes;
use ketch_base::KeyRange;
use parking_lot::RwLock;

use super::Rows;
use super::measure::{Measure, Pick, Totals, name};
use super::query::{Query, Sort, What};
use super::sorted::{self, Ranked};
use crate::error::Error;
use crate::index::{Index, Key};
use crate::row;

/// See the module.
pub(crate) struct Selection {
    source: Source,
    /// The next row, looked at but not taken.
    ahead: Option<Pick>,
}

enum Source {
    Done,
    Walk(Box<Walk>),
    /// In order; the flag says that only names are wanted.
    Ranked(std::vec::IntoIter<Ranked>, bool),
    Made(std::vec::IntoIter<Bytes>),
}

struct Walk {
    query: Query,
    picks: std::vec::IntoIter<Pick>,
    /// Where the index is to be entered for the next chunk.
    next: Option<Key>,
    /// Rows not yet picked.
    left: u64,
}

impl Selection {
    /// Finds the rows of a query. Rows are read only to sort them by value.
    pub(crate) fn new(
        query: Query,
        index: &RwLock<Index>,
        rows: &dyn Rows,
    ) -> Result<(Self, Totals), Error> {
        if let KeyRange::Key(key) = &query.range {
            return Self::one(&query, key, index, rows);
        }
        match (query.rows, query.sort) {
            (What::Count, _) => {
                let mut measure = Measure::counting(&query);
                measure.count_rest(index, query.range.start());
                Ok((Self::from_source(Source::Done), measure.totals))
            }
            (_, None) => Ok(Self::walk(query, index)),
            (_, Some(sort)) => Self::sorted(&query, sort, index, rows),
        }
    }

    fn walk(query: Query, index: &RwLock<Index>) -> (Self, Totals) {
        let (mut measure, next) = Measure::pick(&query, index, query.range.start());
        let picks = std::mem::take(&mut measure.picks);
        if let Some(next) = &next {
            measure.count_rest(index, next.as_slice());
        }
        let totals = measure.totals;
        let left = totals.rows - picks.len() as u64;
        let walk = Walk { query, picks: picks.into_iter(), next, left };
        (Self::from_source(Source::Walk(Box::new(walk))), totals)
    }

    /// One key: no order, no chunk, and the shortest way.
    fn one(
        query: &Query,
        key: &[u8],
        index: &RwLock<Index>,
        rows: &dyn Rows,
    ) -> Result<(Self, Totals), Error> {
        let (pick, mut totals) = look(query, key, &index.read());
        let ahead = match pick {
            Some(Pick::Stored(version)) if query.rows == What::Bare => {
                let bare = sorted::bare(version, rows)?;
                totals.bytes = row::kvs_bytes(sorted::length(&bare));
                Some(Pick::Made(bare))
            }
            pick => pick,
        };
        Ok((Self { source: Source::Done, ahead }, totals))
    }

    fn sorted(
        query: &Query,
        sort: Sort,
        index: &RwLock<Index>,
        rows: &dyn Rows,
    ) -> Result<(Self, Totals), Error> {
        if sort.is_by_value() {
            let (made, totals) = sorted::by_value(query, sort, index, rows)?;
            return Ok((Self::from_source(Source::Made(made.into_iter())), totals));
        }
        let (ranked, totals) = sorted::by_rank(query, sort, index);
        let names = query.rows == What::Name;
        Ok((Self::from_source(Source::Ranked(ranked.into_iter(), names)), totals))
    }

    fn from_source(source: Source) -> Self {
        Self { source, ahead: None }
    }

    /// Without rows.
    pub(crate) fn empty() -> Self {
        Self::from_source(Source::Done)
    }

    /// Reads the next row now, so that later calls need no storage for it.
    pub(crate) fn read_ahead(
        &mut self,
        index: &RwLock<Index>,
        rows: &dyn Rows,
    ) -> Result<(), Error> {
        self.ahead = self.next_row(index, rows)?.map(Pick::Made);
        Ok(())
    }

    /// All rows that are left.
    pub(crate) fn collect(
        &mut self,
        index: &RwLock<Index>,
        rows: &dyn Rows,
    ) -> Result<Vec<Bytes>, Error> {
        let mut all = Vec::new();
        while let Some(row) = self.next_row(index, rows)? {
            all.push(row);
        }
        Ok(all)
    }

    /// The next row, as the index knows it.
    pub(crate) fn next_pick(
        &mut self,
        index: &RwLock<Index>,
        rows: &dyn Rows,
    ) -> Result<Option<Pick>, Error> {
        match self.ahead.take() {
            Some(pick) => Ok(Some(pick)),
            None => self.source.next(index, rows),
        }
    }

    /// The next row.
    pub(crate) fn next_row(
        &mut self,
        index: &RwLock<Index>,
        rows: &dyn Rows,
    ) -> Result<Option<Bytes>, Error> {
        match self.next_pick(index, rows)? {
            None => Ok(None),
            Some(Pick::Made(bytes)) => Ok(Some(bytes)),
            Some(Pick::Stored(version)) => sorted::stored(version, rows).map(Some),
        }
    }
}

impl Source {
    fn next(&mut self, index: &RwLock<Index>, rows: &dyn Rows) -> Result<Option<Pick>, Error> {
        match self {
            Self::Done => Ok(None),
            Self::Walk(walk) => Ok(walk.next(index)),
            Self::Made(made) => Ok(made.next().map(Pick::Made)),
            Self::Ranked(ranked, false) => Ok(ranked.next().map(|r| Pick::Stored(r.version))),
            Self::Ranked(ranked, true) => match ranked.next() {
                Some(ranked) => sorted::name(ranked.version, rows).map(|row| Some(Pick::Made(row))),
                None => Ok(None),
            },
        }
    }
}

impl Walk {
    fn next(&mut self, index: &RwLock<Index>) -> Option<Pick> {
        loop {
            if let Some(pick) = self.picks.next() {
                return Some(pick);
            }
            let from = self.next.take()?;
            if self.left == 0 {
                return None;
            }
            self.query.limit = self.left;
            let (measure, next) = Measure::pick(&self.query, index, from.as_slice());
            self.left -= measure.picks.len() as u64;
            self.picks = measure.picks.into_iter();
            self.next = next;
        }
    }
}

/// What the index says of a single key.
fn look(query: &Query, key: &[u8], index: &Index) -> (Option<Pick>, Totals) {
    let mut totals = Totals::default();
    let found = index.history(key).and_then(|history| Some((history, history.seen(query.at)?)));
    let Some((history, (place, version))) = found else { return (None, totals) };
    totals.count = 1;
    if query.rows == What::Count || !query.admits(version, || history.birth(place)) {
        return (None, totals);
    }
    totals.rows = 1;
    totals.bytes = row::kvs_bytes(query.row_bytes(key.len(), history, place, version));
    let pick = match query.rows {
        What::Name => Pick::Made(name(key, history, place, version)),
        _ => Pick::Stored(version),
    };
    (Some(pick), totals)
}
