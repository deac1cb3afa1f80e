//! A write transaction: one main revision, however many changes.

use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::Batch;
use ketch_base::{KeyRange, Revision, RevisionKey};
use ketch_proto::etcdserverpb::RangeRequest;

use crate::bounds;
use crate::error::Error;
use crate::event::{Committed, Event};
use crate::index::{Change, Entry, Index, Key, KeyState, Outcome, Span, Summary, Visit, What};
use crate::range::{Query, RangeAnswer, Rows, Selection, signed};
use crate::row::{self, Row};
use crate::shared::Shared;

/// Changes under way. Readers see none of them before [`WriteTxn::commit`]; dropped without it,
/// they never were.
pub struct WriteTxn<'a> {
    shared: &'a Arc<Shared>,
    /// The main revision that the changes get.
    main: i64,
    /// The place of an event is its sub revision.
    events: Vec<Event>,
}

impl<'a> WriteTxn<'a> {
    pub(crate) fn new(shared: &'a Arc<Shared>) -> Self {
        Self { shared, main: shared.revision() + 1, events: Vec::new() }
    }

    /// Main revision of what the transaction sees: that of the store, and one more as soon as
    /// something has changed.
    pub fn revision(&self) -> i64 {
        if self.events.is_empty() { self.main - 1 } else { self.main }
    }

    /// Writes a key and gives its state before, if it was alive.
    pub fn put(&mut self, key: Bytes, value: Bytes, lease: i64) -> Option<KeyState> {
        let revision = self.next();
        let bare = Row { key: &key, modified: self.main, value: &value, lease, ..Row::default() };
        let full = |create, version| Row { create, version, ..bare };
        let outcome = self.change(&Change {
            key: &key,
            revision,
            what: What::Put(&|birth| full(birth.create, birth.number).length()),
        });
        let (create, version) = outcome.birth.map_or((0, 0), |birth| (birth.create, birth.number));
        let row = full(create, version).encode();
        self.events.push(Event {
            tombstone: false,
            revision,
            key: row.slice(row::key_part(key.len())),
            row,
            created: outcome.previous.is_none(),
            previous: outcome.previous.map(put_key),
        });
        outcome.previous
    }

    /// Deletes the living keys of a range and gives them in order, with their states before.
    pub fn delete_range(&mut self, range: &KeyRange) -> Vec<(Bytes, KeyState)> {
        let mut deleted = Vec::new();
        if let KeyRange::Key(key) = range {
            deleted.extend(self.delete(key));
            return deleted;
        }
        let mut from = Some(Key::new(range.start()));
        while let Some(start) = from {
            let mut living = Living { at: self.main, keys: Vec::new() };
            let span = Span { from: start.as_slice(), end: range.end() };
            from = self.shared.index.read().walk(span, bounds::CHUNK_KEYS, &mut living);
            for key in living.keys {
                deleted.extend(self.delete(key.as_slice()));
            }
        }
        deleted
    }

    fn delete(&mut self, key: &[u8]) -> Option<(Bytes, KeyState)> {
        let revision = self.next();
        let previous = self.change(&Change { key, revision, what: What::Delete }).previous?;
        let seen = row::tombstone(key, self.main);
        let key = seen.slice(row::key_part(key.len()));
        self.events.push(Event {
            tombstone: true,
            revision,
            key: key.clone(),
            row: seen,
            created: false,
            previous: Some(put_key(previous)),
        });
        Some((key, previous))
    }

    /// Answers a range as of now, own changes included.
    ///
    /// # Errors
    /// `Compacted`, `FutureRev`, `InvalidSortOption`, or the storage failed.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeAnswer, Error> {
        let revision = self.revision();
        let at = self.shared.resolve(request.revision, revision)?;
        let query = Query::new(request, at)?;
        // No pin: this thread is the one that would compact.
        let (mut selection, totals) = Selection::new(query, &self.shared.index, self)?;
        let rows = selection.collect(&self.shared.index, self)?;
        Ok(RangeAnswer { rows, more: totals.more, count: signed(totals.count), revision })
    }

    /// The state of a key as of now, `None` if it is not alive.
    pub fn current(&self, key: &[u8]) -> Option<KeyState> {
        self.shared.index.read().state(key, self.main)
    }

    /// The encoded `mvccpb.KeyValue` that the put at `revision` made, own changes included.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none, or the storage failed.
    pub fn row(&self, revision: Revision) -> Result<Bytes, Error> {
        Rows::row(self, RevisionKey { revision, tombstone: false })
    }

    /// Makes the changes visible and hands them, together with those of `batch`, to the backend
    /// as one. If nothing changed, the revision stays.
    pub fn commit(mut self, mut batch: Batch) -> Committed {
        let events = std::mem::take(&mut self.events);
        for event in &events {
            let RevisionKey { revision, tombstone } = row_key(event);
            let row = if tombstone {
                row::stored_tombstone(&event.row, event.key.len())
            } else {
                event.row.clone()
            };
            batch.put_row(RevisionKey { revision, tombstone }, row);
        }
        if !batch.is_empty() {
            self.shared.backend.append(batch);
        }
        let revision = if events.is_empty() { self.main - 1 } else { self.main };
        self.shared.publish(revision);
        Committed { revision, events: events.into() }
    }

    fn next(&self) -> Revision {
        Revision { main: self.main, sub: self.events.len() as i64 }
    }

    fn change(&self, change: &Change<'_>) -> Outcome {
        let index: &mut Index = &mut self.shared.index.write();
        index.change(change)
    }
}

impl Drop for WriteTxn<'_> {
    fn drop(&mut self) {
        for event in self.events.iter().rev() {
            self.change(&Change { key: &event.key, revision: event.revision, what: What::Undo });
        }
    }
}

impl Rows for WriteTxn<'_> {
    fn row(&self, key: RevisionKey) -> Result<Bytes, Error> {
        if key.revision.main != self.main {
            return Rows::row(&**self.shared, key);
        }
        let place = usize::try_from(key.revision.sub).unwrap_or(usize::MAX);
        let event = self.events.get(place).filter(|event| !event.tombstone);
        event.map(|event| event.row.clone()).ok_or(Error::Missing(key))
    }
}

fn put_key(state: KeyState) -> RevisionKey {
    RevisionKey { revision: state.revision, tombstone: false }
}

fn row_key(event: &Event) -> RevisionKey {
    RevisionKey { revision: event.revision, tombstone: event.tombstone }
}

/// Collects the living keys of a chunk.
struct Living {
    at: i64,
    keys: Vec<Key>,
}

impl Visit for Living {
    fn subtree(&mut self, summary: &Summary) -> bool {
        summary.live == 0
    }

    fn entry(&mut self, entry: &Entry) -> bool {
        if entry.history.seen(self.at).is_some() {
            self.keys.push(entry.key.clone());
        }
        true
    }
}
