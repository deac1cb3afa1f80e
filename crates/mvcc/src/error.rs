//! What can go wrong: a refusal is the client's, everything else stops the member.

use ketch_base::{Code, RevisionKey};

/// A request that cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client asked for what is not there (any more).
    #[error(transparent)]
    Refused(#[from] Code),
    /// The storage failed.
    #[error(transparent)]
    Backend(#[from] ketch_backend::Error),
    /// The index knows a row that the storage does not have.
    #[error("row {}{} is missing from the database", .0.revision, mark(*.0))]
    Missing(RevisionKey),
    /// A row is not an encoded key-value pair, or not that of its key.
    #[error("row {}{} of the database cannot be read", .0.revision, mark(*.0))]
    Malformed(RevisionKey),
}

/// Why the history cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The storage failed.
    #[error(transparent)]
    Backend(#[from] ketch_backend::Error),
    /// A row is not an encoded key-value pair.
    #[error("row {}{} of the database cannot be read", .0.revision, mark(*.0))]
    Malformed(RevisionKey),
    /// A row does not follow from the rows before it: one is missing.
    #[error("row {}{} of the database does not follow those before it", .0.revision, mark(*.0))]
    Gap(RevisionKey),
    /// The record of the last compaction is not a revision.
    #[error("compaction record {name} in the database cannot be read")]
    CompactionRecord {
        /// Its key in the meta bucket.
        name: &'static str,
    },
}

fn mark(key: RevisionKey) -> &'static str {
    if key.tombstone { "t" } else { "" }
}
