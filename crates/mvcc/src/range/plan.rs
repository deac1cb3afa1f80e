//! A range in flight: its head is known at once, its rows come in chunks.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ketch_base::{Code, KeyRange};
use ketch_proto::etcdserverpb::RangeRequest;

use super::measure::Totals;
use super::window::{self, Window};
use super::{Query, Selection};
use crate::error::Error;
use crate::pins::Pin;
use crate::row;
use crate::shared::Shared;

/// The answer to a range, before its rows are read.
///
/// Count, `more` and the exact size stand at once, so that a length can be announced before the
/// first row is read. While it lives, the rows at its revision stay.
pub struct Plan {
    /// Main revision of the store, for the header.
    pub revision: i64,
    /// Keys of the range alive at the asked revision; filters and limit do not change it.
    pub count: i64,
    /// Rows were left out because of the limit.
    pub more: bool,
    /// Exact bytes of all `kvs` fields of the answer, tags and lengths included.
    pub kvs_bytes: u64,
    shared: Arc<Shared>,
    generation: u64,
    at: i64,
    /// None where no row is read later.
    _pin: Option<Pin>,
    selection: Selection,
    /// None for a single row, which is at hand.
    window: Option<Box<Window>>,
    bytes_left: u64,
    failed: Option<Error>,
}

/// A whole answer in memory, for transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeAnswer {
    /// Encoded `mvccpb.KeyValue`s.
    pub rows: Vec<Bytes>,
    /// See [`Plan::more`].
    pub more: bool,
    /// See [`Plan::count`].
    pub count: i64,
    /// Main revision for the header.
    pub revision: i64,
}

impl Plan {
    pub(crate) fn new(shared: &Arc<Shared>, request: &RangeRequest) -> Result<Self, Code> {
        let generation = shared.generation();
        let revision = shared.revision();
        let at = shared.resolve(request.revision, revision)?;
        let query = Query::new(request, at)?;
        let single = matches!(query.range, KeyRange::Key(_));
        // A single row is read here and now, which saves the pin.
        let pin = if single { None } else { Some(shared.pin(at)?) };
        let found = Selection::new(query, &shared.index, &**shared);
        let found = found.and_then(|(mut selection, totals)| {
            if single {
                selection.read_ahead(&shared.index, &**shared)?;
            }
            Ok((selection, totals))
        });
        if single {
            // What was not found may have been compacted since the check above.
            shared.check_compacted(at)?;
        }
        shared.check_held(generation, at)?;
        let (selection, totals, failed) = match found.map_err(|e| shared.explain(at, e)) {
            Ok((selection, totals)) => (selection, totals, None),
            Err(Error::Refused(code)) => return Err(code),
            Err(error) => (Selection::empty(), Totals::default(), Some(error)),
        };
        Ok(Self {
            revision,
            count: signed(totals.count),
            more: totals.more,
            kvs_bytes: totals.bytes,
            shared: shared.clone(),
            generation,
            at,
            _pin: pin,
            selection,
            window: (!single).then(|| Box::new(Window::new(&shared.windows))),
            bytes_left: totals.bytes,
            failed,
        })
    }

    /// The next `kvs` fields, encoded: as many whole rows as fit into `bytes_max`, and at least
    /// one. `None` after the last. All chunks together have [`Plan::kvs_bytes`].
    ///
    /// # Errors
    /// `Compacted`, if the history was replaced by one that is compacted past this revision: the
    /// answer cannot be finished. Else the storage failed; the member must stop.
    pub fn next_chunk(&mut self, bytes_max: usize) -> Result<Option<Bytes>, Error> {
        let chunk = self.read_chunk(bytes_max);
        self.shared.check_held(self.generation, self.at)?;
        chunk.map_err(|error| self.shared.explain(self.at, error))
    }

    fn read_chunk(&mut self, bytes_max: usize) -> Result<Option<Bytes>, Error> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.bytes_left == 0 {
            return Ok(None);
        }
        let room = usize::try_from(self.bytes_left).unwrap_or(usize::MAX).min(bytes_max);
        let mut out = BytesMut::with_capacity(room);
        let from = window::From { index: &self.shared.index, rows: &*self.shared };
        match &mut self.window {
            None => {
                if let Some(row) = self.selection.next_row(from.index, from.rows)? {
                    row::put_kvs(&mut out, &row);
                }
            }
            Some(window) => window.put_kvs(&mut out, bytes_max, &mut self.selection, from)?,
        }
        self.bytes_left = self.bytes_left.saturating_sub(out.len() as u64);
        Ok((!out.is_empty()).then(|| out.freeze()))
    }

    /// All rows at once. For transactions, whose answers are held anyway.
    pub(crate) fn collect(mut self) -> Result<RangeAnswer, Error> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let rows = self.selection.collect(&self.shared.index, &*self.shared);
        self.shared.check_held(self.generation, self.at)?;
        let rows = rows.map_err(|error| self.shared.explain(self.at, error))?;
        let Self { more, count, revision, .. } = self;
        Ok(RangeAnswer { rows, more, count, revision })
    }
}

/// Counts of keys stay far below 2^63.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
