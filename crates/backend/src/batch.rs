//! What one applied entry changes: indivisible on disk.

use bytes::Bytes;
use ketch_base::RevisionKey;

use crate::Bucket;

/// Changes that become durable together or not at all. Later ones of the same key win.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) rows: Vec<(RevisionKey, Option<Bytes>)>,
    pub(crate) small: Vec<(Bucket, Bytes, Option<Bytes>)>,
}

impl Batch {
    /// No change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row: an encoded `mvccpb.KeyValue`. Rows should come in ascending order; others are
    /// taken but cost more.
    pub fn put_row(&mut self, key: RevisionKey, row: Bytes) {
        self.rows.push((key, Some(row)));
    }

    /// Removes a row; nothing happens if there is none.
    pub fn delete_row(&mut self, key: RevisionKey) {
        self.rows.push((key, None));
    }

    /// Sets a key of a bucket.
    ///
    /// # Panics
    /// For [`Bucket::Key`]: rows have their own door.
    pub fn put(&mut self, bucket: Bucket, key: Bytes, value: Bytes) {
        assert!(bucket != Bucket::Key, "rows go through put_row");
        self.small.push((bucket, key, Some(value)));
    }

    /// Removes a key of a bucket; nothing happens if there is none.
    ///
    /// # Panics
    /// For [`Bucket::Key`]: rows have their own door.
    pub fn delete(&mut self, bucket: Bucket, key: Bytes) {
        assert!(bucket != Bucket::Key, "rows go through delete_row");
        self.small.push((bucket, key, None));
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.small.is_empty()
    }
}
