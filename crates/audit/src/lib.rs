//! The audit log: who did what, a line of JSON each, never in a call's way.
//!
//! A call leaves its line in memory that its thread shares with nobody but the writer, under a leaf
//! lock; a thread of its own writes many at a time. What does not fit is dropped, counted, and told
//! of in the file itself.
//!
//! Invariant: no call waits for the disk.
//! Invariant: what it holds is bounded in bytes (`limits`).
//! Invariant: knows nothing of requests; what an entry may tell is decided by
//! `ketch_api::ports::Entry`, which has no place for a value, a password, or a token.
//!
//! ```
//! use ketch_audit::{Identity, Log};
//! let folder = tempfile::tempdir().expect("a folder");
//! let path = folder.path().join("audit.log");
//! let log = Log::open(&path, Identity { member: 1, cluster: 2 }).expect("can be written");
//! log.stop();
//! let text = std::fs::read_to_string(path).expect("written");
//! assert!(text.ends_with("\"opened\":true,\"member\":\"1\",\"cluster\":\"2\"}\n"), "{text}");
//! ```

mod json;
pub mod limits;
mod line;
mod log;
mod queue;
mod target;
mod writer;

pub use log::{Identity, Log, OpenError};
