//! Why a member must stop: its state and its log do not fit together.

use ketch_base::Index;

/// A failure while applying. The member must stop: going on would make it differ from others.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The storage failed, or its rows are not what the index says.
    #[error("entry {index}: {source}")]
    Store {
        /// The entry.
        index: Index,
        /// What failed.
        source: ketch_mvcc::Error,
    },
    /// The entry is not a request that this release, or any before it, writes.
    #[error("entry {index} cannot be decoded")]
    Undecodable {
        /// The entry.
        index: Index,
    },
    /// The entry asks for what this release does not do.
    #[error("entry {index} is a configuration change of several members at once")]
    JointChange {
        /// The entry.
        index: Index,
    },
    /// An entry was left out.
    #[error("entry {index} follows entry {applied}")]
    Gap {
        /// The entry.
        index: Index,
        /// The last one applied.
        applied: Index,
    },
}

/// Why the state cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The history cannot be read.
    #[error(transparent)]
    Store(#[from] ketch_mvcc::OpenError),
    /// The leases cannot be read.
    #[error(transparent)]
    Lease(#[from] ketch_lease::OpenError),
    /// Users and roles cannot be read.
    #[error(transparent)]
    Auth(#[from] ketch_auth::OpenError),
    /// The database cannot be read.
    #[error(transparent)]
    Backend(#[from] ketch_backend::Error),
    /// A row is not what its bucket holds.
    #[error("bucket {bucket}: row {key:02x?} cannot be read")]
    Row {
        /// Name of the bucket.
        bucket: &'static str,
        /// The key of the row.
        key: bytes::Bytes,
    },
}
