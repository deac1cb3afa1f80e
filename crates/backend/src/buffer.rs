//! What was appended and is not yet in the file: chunks in order, the last one growing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use ketch_base::{RevisionKey, limits};

use crate::{Batch, Bucket};

/// Work after which a chunk is closed, so that what a view may force to be copied stays small.
const CHUNK_WORK: usize = limits::BACKEND_BATCH_ROWS / 10;
/// Bytes after which a chunk is closed.
const CHUNK_BYTES: usize = limits::BACKEND_STEP_BYTES / 4;
/// A chunk with less work than this is copied rather than closed when a view shares it.
const CLOSE_FOR_VIEW_WORK: usize = 64;
/// Memory of an entry besides its key and value, about.
const ENTRY_BYTES: usize = 64;
/// Cost of a removal in units of an appended row (measured: 3 against 1.1 microseconds).
const REMOVE_WORK: usize = 3;
/// Cost of a change in a small bucket, in the same unit: its keys come in any order.
const SMALL_WORK: usize = 8;

/// The last word on some rows and keys, over everything older.
#[derive(Clone, Default)]
pub(crate) struct Chunk {
    /// Ascending.
    pub(crate) rows: Vec<(RevisionKey, Bytes)>,
    /// Rows that are gone; never also in `rows`.
    pub(crate) removed: BTreeSet<RevisionKey>,
    /// By [`Bucket::place`]; `None` is gone.
    pub(crate) small: [BTreeMap<Bytes, Option<Bytes>>; Bucket::ALL.len()],
    bytes: usize,
    small_count: usize,
}

impl Chunk {
    fn apply(&mut self, batch: Batch) {
        for (key, row) in batch.rows {
            self.bytes += ENTRY_BYTES + row.as_ref().map_or(0, Bytes::len);
            match row {
                Some(row) => self.put_row(key, row),
                None => {
                    if let Ok(at) = self.find(key) {
                        self.rows.remove(at);
                    }
                    self.removed.insert(key);
                }
            }
        }
        for (bucket, key, value) in batch.small {
            let bytes = ENTRY_BYTES + key.len() + value.as_ref().map_or(0, Bytes::len);
            let entries = &mut self.small[bucket.place()];
            let before = entries.len();
            let replaced = entries.insert(key, value).flatten();
            if entries.len() > before {
                self.bytes += bytes;
                self.small_count += 1;
            } else {
                self.bytes += bytes.saturating_sub(ENTRY_BYTES + replaced.map_or(0, |v| v.len()));
            }
        }
    }

    fn put_row(&mut self, key: RevisionKey, row: Bytes) {
        self.removed.remove(&key);
        if self.rows.last().is_none_or(|(last, _)| *last < key) {
            self.rows.push((key, row));
            return;
        }
        match self.find(key) {
            Ok(at) => self.rows[at].1 = row,
            Err(at) => self.rows.insert(at, (key, row)),
        }
    }

    fn find(&self, key: RevisionKey) -> Result<usize, usize> {
        self.rows.binary_search_by(|(k, _)| k.cmp(&key))
    }

    /// Cost of draining it, in appended rows.
    pub(crate) fn work(&self) -> usize {
        self.rows.len() + REMOVE_WORK * self.removed.len() + SMALL_WORK * self.small_count
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn is_empty(&self) -> bool {
        self.work() == 0
    }

    /// `None`: says nothing. `Some(None)`: the row is gone.
    fn row(&self, key: RevisionKey) -> Option<Option<&Bytes>> {
        let outside = |range: Option<(&RevisionKey, &RevisionKey)>| {
            range.is_none_or(|(first, last)| key < *first || *last < key)
        };
        let ends = self.rows.first().map(|f| &f.0).zip(self.rows.last().map(|l| &l.0));
        if !outside(ends)
            && let Ok(at) = self.find(key)
        {
            return Some(Some(&self.rows[at].1));
        }
        let gone = !outside(self.removed.first().zip(self.removed.last()));
        (gone && self.removed.contains(&key)).then_some(None)
    }
}

/// Every undrained change, oldest first. Cloning it is cheap: a consistent copy.
#[derive(Clone, Default)]
pub(crate) struct Chunks(VecDeque<Arc<Chunk>>);

impl Chunks {
    /// `None`: nothing is known here. `Some(None)`: the row is gone.
    pub(crate) fn row(&self, key: RevisionKey) -> Option<Option<&Bytes>> {
        self.0.iter().rev().find_map(|chunk| chunk.row(key))
    }

    /// As [`Chunks::row`], for a bucket other than [`Bucket::Key`].
    pub(crate) fn get(&self, bucket: Bucket, key: &[u8]) -> Option<Option<&Bytes>> {
        let place = bucket.place();
        self.0.iter().rev().find_map(|chunk| chunk.small[place].get(key)).map(Option::as_ref)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Chunk>> {
        self.0.iter()
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Buffer {
    chunks: Chunks,
    bytes: usize,
    /// Whether the last chunk may still grow.
    open: bool,
}

impl Buffer {
    /// Adds a batch, whole, to one chunk.
    pub(crate) fn append(&mut self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        if !self.open {
            self.chunks.0.push_back(Arc::default());
            self.open = true;
        }
        let Some(last) = self.chunks.0.back_mut() else { return };
        let chunk = Arc::make_mut(last);
        let before = chunk.bytes;
        chunk.apply(batch);
        self.bytes += chunk.bytes - before;
        self.open = chunk.work() < CHUNK_WORK && chunk.bytes < CHUNK_BYTES;
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn chunks(&self) -> &Chunks {
        &self.chunks
    }

    /// A consistent copy that later appends do not change.
    pub(crate) fn share(&mut self) -> Chunks {
        let large = |chunk: &Arc<Chunk>| chunk.work() >= CLOSE_FOR_VIEW_WORK;
        if self.chunks.0.back().is_some_and(large) {
            self.open = false;
        }
        self.chunks.clone()
    }

    /// The oldest chunks that fit one transaction, at least one if there is any; they are closed.
    pub(crate) fn oldest(&mut self) -> Vec<Arc<Chunk>> {
        let (mut work, mut bytes) = (0, 0);
        let fits = |chunk: &&Arc<Chunk>| {
            let first = work == 0;
            work += chunk.work();
            bytes += chunk.bytes();
            first || work <= limits::BACKEND_BATCH_ROWS && bytes <= limits::BACKEND_STEP_BYTES
        };
        let taken: Vec<_> = self.chunks.0.iter().take_while(fits).cloned().collect();
        if taken.len() == self.chunks.0.len() {
            self.open = false;
        }
        taken
    }

    /// Forgets the `count` oldest chunks, now in the file. Returns them, for the caller to drop
    /// outside of any lock.
    pub(crate) fn forget(&mut self, count: usize) -> VecDeque<Arc<Chunk>> {
        let rest = self.chunks.0.split_off(count);
        let gone = std::mem::replace(&mut self.chunks.0, rest);
        self.bytes -= gone.iter().map(|chunk| chunk.bytes()).sum::<usize>();
        gone
    }

    /// Whether as much waits as one transaction moves.
    pub(crate) fn fills_a_step(&self) -> bool {
        let work: usize = self.chunks.iter().map(|chunk| chunk.work()).sum();
        work >= limits::BACKEND_BATCH_ROWS || self.bytes >= limits::BACKEND_STEP_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.0.iter().all(|chunk| chunk.is_empty())
    }
}
