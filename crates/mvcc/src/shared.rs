//! What the writer, the readers and the compactor of one store share.
//!
//! Invariant: every lock here is a leaf; nobody takes a second one while holding it.
//! Invariant: the index may know versions newer than `revision` (a transaction under way);
//! readers ask for a revision and never see them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use ketch_backend::Backend;
use ketch_base::{Code, RevisionKey};
use parking_lot::RwLock;

use crate::compactor::Jobs;
use crate::error::Error;
use crate::hash::Hashes;
use crate::index::Index;
use crate::pins::{Pin, Pins};
use crate::range::Rows;

pub(crate) struct Shared {
    pub(crate) backend: Backend,
    pub(crate) index: RwLock<Index>,
    pub(crate) pins: Pins,
    pub(crate) jobs: Jobs,
    pub(crate) hashes: Hashes,
    /// Main revision of the last committed transaction.
    revision: AtomicI64,
    /// Nothing below it can be asked for; -1 before the first compaction.
    compacted: AtomicI64,
    /// The last compaction whose rows are gone.
    finished: AtomicI64,
}

/// The three revisions a store starts with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub(crate) revision: i64,
    pub(crate) compacted: i64,
    pub(crate) finished: i64,
}

impl Shared {
    pub(crate) fn new(backend: Backend, index: Index, marks: Marks) -> Self {
        Self {
            backend,
            index: RwLock::new(index),
            pins: Pins::default(),
            jobs: Jobs::default(),
            hashes: Hashes::default(),
            revision: AtomicI64::new(marks.revision),
            compacted: AtomicI64::new(marks.compacted),
            finished: AtomicI64::new(marks.finished),
        }
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

    pub(crate) fn finish(&self, at: i64) {
        self.finished.store(at, Ordering::SeqCst);
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
