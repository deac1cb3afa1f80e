//! History: key index, revisions, write transactions, ranges, hashes, compaction.
//!
//! A [`Store`] is the only writer and belongs to the thread that applies entries. [`Reader`]s
//! are for everyone else. Rows live in the backend, keyed by revision; the index in memory knows
//! which rows a key has and how long they are, so counts and sizes need no row. When another
//! database was installed below, [`Store::reload`] takes up its history.
//!
//! Invariant: a reader at a revision sees all of it and nothing later, while writes go on.
//! Invariant: no answer is held in memory as a whole; see [`Plan`].
//! Invariant: locks are held for a bounded number of keys, and never two at a time.
//! Invariant: what a lease, an alarm, a request over the wire or a disk is, is not known here.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! use ketch_backend::{Backend, Batch, Config};
//! use ketch_mvcc::Store;
//! # let disk = std::sync::Arc::new(ketch_env::real::RealDisk);
//! # let path = folder.path().join("ketch.redb");
//! let (backend, _drain) = Backend::open(disk, &path, Config::default())?;
//! let mut store = Store::open(backend)?;
//! let mut txn = store.write();
//! assert!(txn.put("a".into(), "1".into(), 0).is_none());
//! assert_eq!(txn.commit(Batch::new()).revision, 2);
//! assert_eq!(store.reader().hash_kv(0)?.hash, 2_587_454_935);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bounds;
mod compactor;
mod error;
mod event;
mod hash;
mod index;
mod pins;
mod range;
mod reader;
mod restore;
mod row;
mod shared;
mod store;
#[cfg(test)]
mod tests;
pub mod watch;
mod write;

pub use compactor::{CompactStep, Compactor};
pub use error::{Error, OpenError};
pub use event::{Committed, Event};
pub use hash::HashKv;
pub use index::KeyState;
pub use pins::Pin;
pub use range::{Plan, RangeAnswer};
pub use reader::{Reader, Stats};
pub use store::Store;
pub use write::WriteTxn;
