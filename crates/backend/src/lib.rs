//! Working storage behind one door: a write buffer over a redb file.
//!
//! [`Backend::append`] takes what one applied entry changed into memory, readable at once;
//! [`Drain::step`] moves it into the file in durable transactions. Reads look into the buffer
//! first and then into the last commit, and never wait for the next one. [`Drain::install`] puts
//! another database in the place of this one.
//!
//! Invariant: nobody outside knows redb, its transactions or its errors.
//! Invariant: a [`Batch`] is in the file whole or not at all, and in append order.
//! Invariant: what a row means, which revision is current and what a lease is, is not known here.
//! Invariant: no byte is served from the file without its page's checksum having been checked.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! use ketch_backend::{Backend, Batch, Config};
//! use ketch_base::{Revision, RevisionKey};
//! let disk = std::sync::Arc::new(ketch_env::real::RealDisk);
//! let (backend, mut drain) =
//!     Backend::open(disk, &folder.path().join("ketch.redb"), Config::default())?;
//! let key = RevisionKey { revision: Revision { main: 2, sub: 0 }, tombstone: false };
//! let mut batch = Batch::new();
//! batch.put_row(key, "row".into());
//! backend.append(batch);
//! assert_eq!(backend.row(key)?.as_deref(), Some(b"row".as_slice()));
//! assert_eq!(drain.step()?.rows, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backend;
mod batch;
mod bucket;
mod buffer;
mod checked_file;
mod database;
mod drain;
mod error;
mod files;
mod install;
mod merge;
mod origin;
mod page_sums;
mod reclaim;
mod retired;
mod schema;
mod view;
mod writer;

pub use backend::{Backend, Config, Durable};
pub use batch::Batch;
pub use bucket::Bucket;
pub use drain::{Drain, Step};
pub use error::{Error, OpenError};
pub use reclaim::Progress;
pub use view::{Entries, Items, Rows, View};

#[cfg(test)]
mod tests;
