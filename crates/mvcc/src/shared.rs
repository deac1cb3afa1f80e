//! What the writer, the readers and the compactor of one store share.
//!
//! Invariant: every lock here is a leaf; nobody takes a second one while holding it.
//! Invariant: the index may know versions newer than `revision` (a transaction under way);
//! readers ask for a revision and never see them.
//! Invariant: another database is another generation. The marks of a new one are set while the
//! index is locked for writing, the generation last: whoever saw the new index, or reads its
//! generation, reads the new marks too.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use ketch_backend::{Backend, Bucket};
use ketch_base::{Code, Revision, RevisionKey};
use parking_lot::RwLock;

use crate::compactor::Jobs;
use crate::error::Error;
use crate::hash::Hashes;
use crate::index::Index;
use crate::pins::{Pin, Pins};
use crate::range::{Budget, Rows};
use crate::store::SCHEDULED;

pub(crate) struct Shared {
    pub(crate) backend: Backend,
    pub(crate) index: RwLock<Index>,
    pub(crate) pins: Pins,
    pub(crate) jobs: Jobs,
    pub(crate) hashes: Hashes,
    /// What ranges may read ahead.
    pub(crate) windows: Arc<Budget>,
    /// Main revision of the last committed transaction.
    revision: AtomicI64,
    /// Nothing below it can be asked for; -1 before the first compaction.
    compacted: AtomicI64,
    /// The last compaction whose rows are gone.
    finished: AtomicI64,
    /// Of the database that the index was built from.
    generation: AtomicU64,
}

/// What a store starts with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub(crate) revision: i64,
    pub(crate) compacted: i64,
    pub(crate) finished: i64,
    pub(crate) generation: u64,
}

impl Shared {
    pub(crate) fn new(backend: Backend, index: Index, marks: Marks) -> Self {
        Self {
            backend,
            index: RwLock::new(index),
            pins: Pins::default(),
            jobs: Jobs::default(),
            hashes: Hashes::default(),
            windows: Arc::default(),
            revision: AtomicI64::new(marks.revision),
            compacted: AtomicI64::new(marks.compacted),
            finished: AtomicI64::new(marks.finished),
            generation: AtomicU64::new(marks.generation),
        }
    }

    /// Makes another history the current one, and gives the old index to be dropped unlocked.
    pub(crate) fn replace(&self, index: Index, marks: Marks) -> Index {
        let mut slot = self.index.write();
        let old = std::mem::replace(&mut *slot, index);
        self.compacted.store(marks.compacted, Ordering::SeqCst);
        self.finished.store(marks.finished, Ordering::SeqCst);
        self.revision.store(marks.revision, Ordering::SeqCst);
        self.generation.store(marks.generation, Ordering::SeqCst);
        old
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Whether another database is in place whose history is not taken up yet.
    pub(crate) fn is_between(&self) -> bool {
        self.backend.generation() != self.generation()
    }

    /// For readers who hold `at` since a generation: a pin holds rows of that one only.
    pub(crate) fn check_held(&self, generation: u64, at: i64) -> Result<(), Code> {
        if self.generation() == generation { Ok(()) } else { self.check_compacted(at) }
    }

    /// What it means that a row was not found by a reader at `at`. Another database may have
    /// come, compacted further, even before its history is taken up.
    pub(crate) fn explain(&self, at: i64, error: Error) -> Error {
        match error {
            Error::Missing(_) if at < self.compacted().max(self.scheduled()) => {
                Code::Compacted.into()
            }
            other => other,
        }
    }

    /// The last compaction asked for, as the database says; -1 if it does not say.
    fn scheduled(&self) -> i64 {
        let mark = self.backend.view().get(Bucket::Meta, SCHEDULED.as_bytes()).ok().flatten();
        mark.and_then(|bytes| Revision::from_bytes(&bytes)).map_or(-1, |revision| revision.main)
    }

    pub(crate) fn revision(&self) -> i64 {
        self.revision.load(Ordering::SeqCst)
    }

    pub(crate) fn publish(&self, revision: i64) {
        self.revision.store(revision, Ordering::SeqCst);
    }

    pub(crate) fn compacted(&self) -> i64 {
        self.compacted.load(Ordering::SeqCst)
    }

    pub(crate) fn compact(&self, at: i64) {
        self.compacted.store(at, Ordering::SeqCst);
    }

    pub(crate) fn finished(&self) -> i64 {
        self.finished.load(Ordering::SeqCst)
    }

    /// A compaction of that generation is done; one of an earlier history says nothing.
    pub(crate) fn finish(&self, generation: u64, at: i64) {
        let _index = self.index.write();
        if self.generation() == generation {
            self.finished.store(at, Ordering::SeqCst);
        }
    }

    /// The revision meant by a request (at or below 0: the newest, here `current`).
    pub(crate) fn resolve(&self, asked: i64, current: i64) -> Result<i64, Code> {
        if asked > current {
            return Err(Code::FutureRev);
        }
        let at = if asked <= 0 { current } else { asked };
        self.check_compacted(at)?;
        Ok(at)
    }

    pub(crate) fn check_compacted(&self, at: i64) -> Result<(), Code> {
        if at < self.compacted() { Err(Code::Compacted) } else { Ok(()) }
    }

    /// Holds a revision. The check comes after the hold: the compactor reads the pins after it
    /// has raised the compacted revision, so one of the two sees the other.
    pub(crate) fn pin(self: &Arc<Self>, at: i64) -> Result<Pin, Code> {
        let pin = Pin::new(self.clone(), at);
        self.check_compacted(at)?;
        Ok(pin)
    }
}

impl Rows for Shared {
    fn row(&self, key: RevisionKey) -> Result<Bytes, Error> {
        self.backend.row(key)?.ok_or(Error::Missing(key))
    }
}
