//! One change of one key, as the index remembers it: 16 bytes.

use ketch_base::{Revision, RevisionKey};

/// Where a row stands and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) main: i64,
    sub: u32,
    /// Bytes of the row; 0 marks a tombstone (a put always has its revisions to store).
    length: u32,
}

impl Version {
    /// A put whose row has `length` bytes.
    pub(crate) fn put(revision: Revision, length: u32) -> Self {
        debug_assert!(length > 0, "a put stores at least its revisions");
        Self { main: revision.main, sub: sub(revision), length }
    }

    pub(crate) fn tombstone(revision: Revision) -> Self {
        Self { main: revision.main, sub: sub(revision), length: 0 }
    }

    pub(crate) fn is_tombstone(self) -> bool {
        self.length == 0
    }

    /// Bytes of the row; 0 for a tombstone.
    pub(crate) fn length(self) -> u32 {
        self.length
    }

    pub(crate) fn revision(self) -> Revision {
        Revision { main: self.main, sub: i64::from(self.sub) }
    }

    pub(crate) fn row_key(self) -> RevisionKey {
        RevisionKey { revision: self.revision(), tombstone: self.is_tombstone() }
    }
}

/// Four billion changes in one transaction do not fit in memory; on disk the field is 64 bits
/// wide, and a row above the bound is refused when the store is opened.
fn sub(revision: Revision) -> u32 {
    u32::try_from(revision.sub).unwrap_or(u32::MAX)
}
