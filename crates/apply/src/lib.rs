//! The replicated state machine: a committed entry in, an answer and events out.
//!
//! ```text
//! Entry -> request -> guard (alarms) -> gate -> kv | txn | leases | cluster | auth -> Applied
//!                                            |
//!          one Batch: rows, buckets, applied index, term -> backend
//! ```
//!
//! Every member runs the same entries and must reach the same state, so nothing here depends on a
//! clock, on chance or on the size of the local file; the quota decides about the answer, never
//! about the change.
//!
//! Invariant: everything one entry changes, its index included, is one [`ketch_backend::Batch`].
//! Invariant: a refused request changes nothing but the applied index. What can be refused is
//! checked before the first write of a transaction.
//! Invariant: checks that need no state (empty keys, duplicate keys, too many operations) were
//! made at the edge and are not made again.
//! Invariant: knows nothing of Raft's roles, of who is connected, of the wire.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! use ketch_apply::{Answer, Config, Machine};
//! use ketch_proto::etcdserverpb::{InternalRaftRequest, PutRequest};
//! use ketch_raft_proto::raftpb::Entry;
//! use prost::Message;
//! # let disk = std::sync::Arc::new(ketch_env::real::RealDisk);
//! # let path = folder.path().join("ketch.redb");
//! # let (backend, _drain) =
//! #     ketch_backend::Backend::open(disk, &path, ketch_backend::Config::default())?;
//! let mut machine = Machine::open(backend, Config::default())?;
//! let put = PutRequest { key: "a".into(), value: "1".into(), ..Default::default() };
//! let request = InternalRaftRequest { id: 7, put: Some(put), ..Default::default() };
//! let data = Some(request.encode_to_vec().into());
//! let applied =
//!     machine.apply(&Entry { term: Some(1), index: Some(1), data, ..Default::default() })?;
//! let Ok(Answer::Put(answer)) = applied.result else { panic!("a put") };
//! assert_eq!(answer.header.unwrap_or_default().revision, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod alarms;
mod answer;
mod auth;
mod brief;
mod cluster;
mod compare;
mod conf;
mod error;
mod ids;
mod kv;
mod leases;
mod look;
mod machine;
mod member;
mod membership;
pub mod quota;
pub mod read;
mod request;
mod restore;
mod shared;
#[cfg(test)]
mod tests;
mod txn;

pub use alarms::Alarms;
pub use answer::{Answer, Applied, Change};
pub use auth::LeaseKeys;
pub use brief::is_brief;
pub use conf::{conf_state_from_json, conf_state_to_json};
pub use error::{Error, OpenError};
pub use ids::{RequestIds, cluster_id, member_id, member_id_at};
pub use machine::{Config, Machine};
pub use member::Member;
pub use membership::{Downgrade, Membership};
pub use quota::Quota;
pub use shared::Shared;
