//! Raft, WAL and snapshot-file records with etcd's field numbers, generated from `proto/`.
//!
//! Our own crate rather than the published raft-proto, whose `ConfChangeType` and `Message`
//! numbers differ from etcd's; mixed clusters and etcd's WAL tools need etcd's.
//!
//! Invariant: every scalar has presence (proto2), because releases differ in which zeroes they
//! write: 3.4 to 3.6 write them all, 3.7 only what was set. Readers take both.
//!
//! ```
//! use ketch_raft_proto::raftpb::Entry;
//! assert_eq!(Entry::default().index(), 0);
//! ```

#![allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]

#[rustfmt::skip]
#[path = "generated"]
mod generated {
    pub mod raftpb;
    pub mod snappb;
    pub mod walpb;
}

pub use generated::{raftpb, snappb, walpb};
