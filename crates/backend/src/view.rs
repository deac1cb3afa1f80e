//! A consistent point of the database, read at leisure.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use ketch_base::{Revision, RevisionKey};

use crate::buffer::Chunks;
use crate::database::Snapshot;
use crate::merge::Merge;
use crate::schema::{parse_row_key, row_key};
use crate::{Bucket, Error};

/// Everything appended before [`crate::Backend::view`] was called, and nothing later.
///
/// While it lives, freed pages it can see are not reused: let go of it soon.
pub struct View {
    chunks: Chunks,
    snapshot: Arc<Snapshot>,
    generation: u64,
}

/// Items in key order; ends after the first error.
pub struct Items<K> {
    inner: Box<dyn Iterator<Item = Result<(K, Bytes), Error>> + Send>,
}

/// Rows in revision order.
pub type Rows = Items<RevisionKey>;
/// Keys and values of a bucket, in byte order of the keys.
pub type Entries = Items<Bytes>;

impl<K> Iterator for Items<K> {
    type Item = Result<(K, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.inner.next()
    }
}

impl View {
    pub(crate) fn new(chunks: Chunks, snapshot: Arc<Snapshot>, generation: u64) -> Self {
        Self { chunks, snapshot, generation }
    }

    /// The [`crate::Backend::generation`] that the view is of.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The row at `key`, an encoded `mvccpb.KeyValue`.
    pub fn row(&self, key: RevisionKey) -> Result<Option<Bytes>, Error> {
        match self.chunks.row(key) {
            Some(known) => Ok(known.cloned()),
            None => self.snapshot.row(key),
        }
    }

    /// Rows from `from` on, up to and without `to`. Holds one page of the file in memory, and
    /// those undrained changes that are in range.
    pub fn rows(&self, from: Revision, to: Revision) -> Rows {
        let (from, to) = (first_key(from), first_key(to));
        if from >= to {
            return Items { inner: Box::new(std::iter::empty()) };
        }
        let range = match self.snapshot.rows(row_key(from), row_key(to)) {
            Ok(range) => range,
            Err(error) => return Items { inner: Box::new(std::iter::once(Err(error))) },
        };
        let origin = self.snapshot.origin().clone();
        let disk = range.map(move |item| {
            let (key, row) = item.map_err(|e| origin.error(e))?;
            let key = parse_row_key(key.value()).ok_or_else(|| origin.malformed("bad row key"))?;
            Ok((key, Bytes::copy_from_slice(row.value())))
        });
        Items { inner: Box::new(Merge::new(disk, self.rows_over(from, to))) }
    }

    /// As [`View::rows`], without copying rows that are already in the file: what the rebuild of
    /// an index wants. Stops early when told so.
    pub fn for_each_row(
        &self,
        from: Revision,
        to: Revision,
        mut each: impl FnMut(RevisionKey, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (first, last) = (first_key(from), first_key(to));
        if first >= last {
            return Ok(());
        }
        if !self.rows_over(first, last).is_empty() {
            for item in self.rows(from, to) {
                let (key, row) = item?;
                if each(key, &row).is_break() {
                    break;
                }
            }
            return Ok(());
        }
        let origin = self.snapshot.origin();
        for item in self.snapshot.rows(row_key(first), row_key(last))? {
            let (key, row) = item.map_err(|e| origin.error(e))?;
            let key = parse_row_key(key.value()).ok_or_else(|| origin.malformed("bad row key"))?;
            if each(key, row.value()).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The value of a key in a bucket; for [`Bucket::Key`] the key is an encoded row key.
    pub fn get(&self, bucket: Bucket, key: &[u8]) -> Result<Option<Bytes>, Error> {
        if bucket == Bucket::Key {
            return RevisionKey::decode(key).map_or(Ok(None), |key| self.row(key));
        }
        match self.chunks.get(bucket, key) {
            Some(known) => Ok(known.cloned()),
            None => self.snapshot.get(bucket, key),
        }
    }

    /// All of a bucket; [`Bucket::Key`] gives encoded row keys.
    pub fn iter(&self, bucket: Bucket) -> Entries {
        let range = match self.snapshot.iter(bucket) {
            Ok(Some(range)) => range,
            Ok(None) => return self.encoded_rows(),
            Err(error) => return Items { inner: Box::new(std::iter::once(Err(error))) },
        };
        let origin = self.snapshot.origin().clone();
        let disk = range.map(move |item| {
            let (key, value) = item.map_err(|e| origin.error(e))?;
            Ok((Bytes::copy_from_slice(key.value()), Bytes::copy_from_slice(value.value())))
        });
        let mut over = BTreeMap::new();
        for chunk in self.chunks.iter() {
            let entries = &chunk.small[bucket.place()];
            over.extend(entries.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        Items { inner: Box::new(Merge::new(disk, over)) }
    }

    fn encoded_rows(&self) -> Entries {
        let rows = self.rows(Revision::default(), Revision { main: i64::MAX, sub: i64::MAX });
        let inner = rows.map(|item| {
            let (key, row) = item?;
            Ok((Bytes::copy_from_slice(key.encode(&mut [0; 18])), row))
        });
        Items { inner: Box::new(inner) }
    }

    fn rows_over(
        &self,
        from: RevisionKey,
        to: RevisionKey,
    ) -> BTreeMap<RevisionKey, Option<Bytes>> {
        let mut over = BTreeMap::new();
        for chunk in self.chunks.iter() {
            over.extend(chunk.removed.range(from..to).map(|key| (*key, None)));
            let start = chunk.rows.partition_point(|(key, _)| *key < from);
            let rows = chunk.rows[start..].iter().take_while(|(key, _)| *key < to);
            over.extend(rows.map(|(key, row)| (*key, Some(row.clone()))));
        }
        over
    }
}

/// The lowest row key of a revision.
fn first_key(revision: Revision) -> RevisionKey {
    RevisionKey { revision, tombstone: false }
}
