//! Words of the domain, shared by every layer: ids, revisions, key ranges, error codes, limits.
//!
//! Invariant: no I/O, no clock, no allocation policy; depends on nothing of ours.
//! Invariant: every bound of the system stands in [`limits`], with its unit in its name.
//!
//! ```
//! use ketch_base::{KeyRange, Revision};
//! let range = KeyRange::new(b"a".as_slice().into(), b"c".as_slice().into());
//! assert!(range.contains(b"b") && !range.contains(b"c"));
//! assert_eq!(Revision { main: 8, sub: 2 }.to_bytes()[8], b'_');
//! ```

mod code;
mod ids;
mod key_range;
pub mod limits;
pub mod planted;
mod revision;

pub use code::{Code, GrpcCode};
pub use ids::{ClusterId, Index, LeaseId, MemberId, RequestId, Term};
pub use key_range::KeyRange;
pub use revision::{Revision, RevisionKey};
