//! Database snapshots as etcd's tools know them: a bbolt file, then its SHA-256.
//!
//! [`bolt::File`] reads such a file page by page. [`Export`] builds one from any [`Source`] of
//! sorted rows and hands it out in chunks, strictly from the first byte to the last, so that it
//! can be streamed while it is made. [`verify`] checks the digest at the end, [`read_out`] feeds
//! the rows of a file to whoever installs them.
//!
//! Invariant: knows nothing of keys, revisions or members: buckets are names, rows are bytes.
//! Invariant: no byte of a file is believed: what lies outside of its page, its file or its order
//! is an error that names file and offset, never a panic.
//! Invariant: memory is one page (with the overflow a big value brings) per level of a tree.
//!
//! ```
//! # use bytes::Bytes;
//! use ketch_snapshot::{BoxError, Export, Row, Source};
//! struct One;
//! impl Source for One {
//!     fn buckets(&self) -> Result<Vec<Bytes>, BoxError> {
//!         Ok(vec![Bytes::from_static(b"meta")])
//!     }
//!     fn rows(&self, _: &[u8]) -> Box<dyn Iterator<Item = Result<Row, BoxError>> + Send> {
//!         Box::new([Ok((Bytes::from_static(b"k"), Bytes::from_static(b"v")))].into_iter())
//!     }
//! }
//! let mut export = Export::plan(One)?;
//! assert_eq!(export.size_bytes() % 4096, 0);
//! let mut bytes = 0;
//! while let Some(chunk) = export.next_chunk()? {
//!     bytes += chunk.len() as u64;
//! }
//! assert_eq!(bytes, export.size_bytes());
//! assert!(export.digest().is_some());
//! # Ok::<(), ketch_snapshot::ExportError>(())
//! ```

pub mod bolt;
mod export;
mod install;
mod seal;

pub use export::{BoxError, CHUNK_BYTES, Export, ExportError, Row, Source};
pub use install::{InstallError, read_out};
pub use seal::{DIGEST_BYTES, Seal, verify};

#[cfg(test)]
mod tests;
