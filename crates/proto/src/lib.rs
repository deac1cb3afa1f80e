//! etcd's messages, generated from `proto/` with the names and numbers of etcd 3.7.
//!
//! Feature `rpc` adds the tonic client and server stubs; the core builds without it.
//!
//! Invariant: this crate holds no behaviour, only shapes. It knows no transport unless `rpc` is on.
//! Invariant: `src/generated` is the output of `cargo xtask codegen`; CI compares.
//!
//! ```
//! use ketch_proto::mvccpb::KeyValue;
//! let row = KeyValue { key: "a".into(), create_revision: 2, ..Default::default() };
//! assert_eq!(row.version, 0);
//! ```

#![allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]

#[rustfmt::skip]
#[path = "generated"]
mod generated {
    pub mod authpb;
    pub mod etcdserverpb;
    pub mod leasepb;
    pub mod membershippb;
    pub mod mvccpb;
    pub mod v3electionpb;
    pub mod v3lockpb;
}

pub use generated::{authpb, etcdserverpb, leasepb, membershippb, mvccpb, v3electionpb, v3lockpb};

/// The encoded `FileDescriptorSet` of every message here, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptor.bin");
