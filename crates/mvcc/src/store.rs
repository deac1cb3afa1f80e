//! The one writer of a store: made at start, owned by the thread that applies entries.

use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::{Backend, Batch, Bucket};
use ketch_base::{Code, Revision};

use crate::compactor::Job;
use crate::error::OpenError;
use crate::reader::Reader;
use crate::restore::{self, Restored};
use crate::shared::{Marks, Shared};
use crate::write::WriteTxn;

/// Key in the meta bucket: the last compaction asked for, a 17-byte revision.
pub(crate) const SCHEDULED: &str = "scheduledCompactRev";
/// Key in the meta bucket: the last compaction whose rows are gone, a 17-byte revision.
pub(crate) const FINISHED: &str = "finishedCompactRev";

/// History with one writer.
///
/// ```text
/// write() -> WriteTxn -> put, delete_range, range .. -> commit(batch) -> Committed
/// ```
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    leased: Vec<(Bytes, i64)>,
}

impl Store {
    /// Rebuilds the index from the rows of a database, and takes up a compaction that was
    /// under way.
    ///
    /// # Errors
    /// The database cannot be read, or its rows are not a history.
    pub fn open(backend: Backend) -> Result<Self, OpenError> {
        let Restored { index, marks, leased } = restore::restore(&backend)?;
        let shared = Arc::new(Shared::new(backend, index, marks));
        let mut store = Self { shared, leased };
        store.resume(marks);
        Ok(store)
    }

    /// Takes up the history of a database that was installed in place of the one before
    /// ([`ketch_backend::Drain::install`]). Readers go on with the old index until the new one
    /// is whole. One who holds a revision that the new history has compacted is told so; all
    /// others get what they would have got.
    ///
    /// # Errors
    /// As [`Store::open`]; the member must stop.
    pub fn reload(&mut self) -> Result<(), OpenError> {
        let Restored { index, marks, leased } = restore::restore(&self.shared.backend)?;
        self.shared.jobs.clear();
        let old = self.shared.replace(index, marks);
        self.shared.hashes.begin(marks.generation);
        self.leased = leased;
        self.resume(marks);
        drop(old);
        Ok(())
    }

    /// A compaction that was asked for and is not done.
    fn resume(&mut self, marks: Marks) {
        if marks.compacted > marks.finished {
            self.shared.jobs.push(Job::resumed(marks.compacted, marks.finished));
        }
    }

    /// A handle for all other threads.
    pub fn reader(&self) -> Reader {
        Reader::new(self.shared.clone())
    }

    /// Main revision of the last committed transaction; 1 for a new store.
    pub fn revision(&self) -> i64 {
        self.shared.revision()
    }

    /// The revision of the last compaction asked for; -1 if there was none.
    pub fn compact_revision(&self) -> i64 {
        self.shared.compacted()
    }

    /// Begins a write transaction.
    pub fn write(&mut self) -> WriteTxn<'_> {
        WriteTxn::new(&self.shared)
    }

    /// Compacts: from now on nothing below `at` is readable. The rows go later, in small steps
    /// of [`crate::Compactor`], which begin when `batch` has been appended to the backend.
    ///
    /// # Errors
    /// `Compacted` if `at` is not above the last compaction, `FutureRev` if it is above
    /// [`Store::revision`].
    pub fn compact(&mut self, at: i64, batch: &mut Batch) -> Result<(), Code> {
        let before = self.shared.compacted();
        if at <= before {
            return Err(Code::Compacted);
        }
        if at > self.shared.revision() {
            return Err(Code::FutureRev);
        }
        let (name, value) = mark(SCHEDULED, at);
        batch.put(Bucket::Meta, name, value);
        self.shared.compact(at);
        self.shared.jobs.push(Job::asked(at, before));
        Ok(())
    }

    /// The keys that were alive under a lease when the store was opened or reloaded, with their
    /// leases.
    /// Empty when called again.
    pub fn take_leased(&mut self) -> Vec<(Bytes, i64)> {
        std::mem::take(&mut self.leased)
    }
}

/// A compaction record for the meta bucket.
pub(crate) fn mark(name: &'static str, at: i64) -> (Bytes, Bytes) {
    let revision = Revision { main: at, sub: 0 };
    (Bytes::from_static(name.as_bytes()), Bytes::copy_from_slice(&revision.to_bytes()))
}
