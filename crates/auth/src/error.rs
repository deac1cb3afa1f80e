//! Why the state cannot be opened.

use bytes::Bytes;

/// The buckets are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database cannot be read.
    #[error(transparent)]
    Backend(#[from] ketch_backend::Error),
    /// A row is not what its bucket holds.
    #[error("bucket {bucket}: row {key:02x?} cannot be read")]
    Row {
        /// Name of the bucket.
        bucket: &'static str,
        /// The key of the row.
        key: Bytes,
    },
}
