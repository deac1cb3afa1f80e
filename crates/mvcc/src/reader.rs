//! Reading from any thread.

use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::Backend;
use ketch_base::{Code, Revision, RevisionKey};
use ketch_proto::etcdserverpb::RangeRequest;

use crate::compactor::Compactor;
use crate::error::Error;
use crate::hash::{self, HashKv};
use crate::index::KeyState;
use crate::pins::Pin;
use crate::range::{Plan, RangeAnswer, Rows};
use crate::shared::Shared;

/// The read side of a store. Clones are the same store.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// Sizes, for metrics and status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Keys alive now.
    pub keys: u64,
    /// Versions in the index, tombstones included.
    pub versions: u64,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Main revision of the last committed transaction.
    pub fn revision(&self) -> i64 {
        self.shared.revision()
    }

    /// The revision of the last compaction asked for; -1 if there was none.
    pub fn compact_revision(&self) -> i64 {
        self.shared.compacted()
    }

    /// The last compaction whose rows are gone from the storage; -1 if there was none. What a
    /// physical compaction waits for.
    pub fn finished_compaction(&self) -> i64 {
        self.shared.finished()
    }

    /// Finds what a range answers; the rows are read when they are asked for.
    ///
    /// # Errors
    /// `Compacted`, `FutureRev`, or `InvalidSortOption`.
    pub fn plan(&self, request: &RangeRequest) -> Result<Plan, Code> {
        Plan::new(&self.shared, request)
    }

    /// A whole answer in memory. For read-only transactions; others use [`Reader::plan`].
    ///
    /// # Errors
    /// As [`Reader::plan`], or the storage failed.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeAnswer, Error> {
        self.plan(request)?.collect()
    }

    /// The newest state of a key, `None` if it is not alive.
    pub fn current(&self, key: &[u8]) -> Option<KeyState> {
        let index = self.shared.index.read();
        index.state(key, self.shared.revision())
    }

    /// The state of a key at a main revision (at or below 0: the newest).
    ///
    /// # Errors
    /// `Compacted` or `FutureRev`.
    pub fn state_at(&self, key: &[u8], at: i64) -> Result<Option<KeyState>, Code> {
        let at = self.shared.resolve(at, self.shared.revision())?;
        let state = self.shared.index.read().state(key, at);
        self.shared.check_compacted(at)?;
        Ok(state)
    }

    /// The version of a key right before `revision`, `None` if it was not alive there or if that
    /// is compacted: what `prev_kv` of the event at `revision` shows.
    pub fn version_before(&self, key: &[u8], revision: Revision) -> Option<RevisionKey> {
        let version = self.shared.index.read().before(key, revision)?;
        (!version.is_tombstone()).then(|| version.row_key())
    }

    /// The encoded `mvccpb.KeyValue` that a put made.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none, `Compacted` if it may have been compacted, or the
    /// storage failed.
    pub fn row(&self, revision: Revision) -> Result<Bytes, Error> {
        let row = self.shared.row(RevisionKey { revision, tombstone: false });
        // A change that is not the last of its key in its revision goes with that revision.
        row.map_err(|error| self.shared.explain(revision.main - 1, error))
    }

    /// Holds everything visible at or after a main revision until it is dropped.
    ///
    /// # Errors
    /// `Compacted` if it is too late.
    pub fn pin(&self, revision: i64) -> Result<Pin, Code> {
        self.shared.pin(revision)
    }

    /// The hash of the history up to `revision` (0: the newest), equal on all members.
    ///
    /// # Errors
    /// `Compacted`, `FutureRev`, or the storage failed.
    pub fn hash_kv(&self, revision: i64) -> Result<HashKv, Error> {
        hash::hash_kv(&self.shared, revision)
    }

    /// The worker that removes compacted rows. There should be one.
    pub fn compactor(&self) -> Compactor {
        Compactor::new(self.shared.clone())
    }

    /// Of the database whose history this is.
    pub(crate) fn generation(&self) -> u64 {
        self.shared.generation()
    }

    /// The storage below.
    pub fn backend(&self) -> &Backend {
        &self.shared.backend
    }

    /// Sizes as of now.
    pub fn stats(&self) -> Stats {
        let summary = self.shared.index.read().summary();
        Stats { keys: summary.live, versions: summary.versions() }
    }

    /// Bytes of memory the index holds. Walks all of it: for measurements, not for metrics.
    pub fn index_bytes(&self) -> usize {
        self.shared.index.read().heap_bytes()
    }
}
