//! What the edge asks of the server. The server implements these traits; nothing here runs.
//!
//! Every call answers with a finished response, header included, or with the
//! [`ketch_base::Code`] that goes on the wire. Static checks (empty keys, sort options, operation
//! counts, duplicate keys)
//! are done before a port is called; what needs state (revisions, leases, quota, the size of the
//! encoded proposal) is the implementer's. Between the two stands the gate ([`Auth::pass`]); what
//! is proposed, or read late, takes the [`Pass`] along.
//!
//! Calls are generic, not `dyn`: a Put crosses this border without an allocation. Dropping a
//! returned future means the client has gone: the answer is not wanted, a proposal made stays.

mod audit;
mod auth;
mod cluster;
mod kv;
mod lease;
mod maintenance;
mod observer;
mod origin;
mod state;
mod watch;

pub use audit::{About, Audit, Entry, Fact, How, Op, Part};
pub use auth::{Auth, ClientName, Credentials, Pass};
pub use cluster::Cluster;
pub use kv::{Chunks, Kv, Kvs, RangeReply};
pub use lease::Lease;
pub use maintenance::{Blob, Maintenance, Snapshot};
pub use observer::Observer;
pub use origin::Origin;
pub use state::{State, Versions};
pub use watch::{Watch, WatchCommand, WatchCreate, WatchLink, WatchOutput};

/// Everything the edge needs from one server.
pub trait Ports: Kv + Watch + Lease + Cluster + Maintenance + Auth + State + Observer {}

impl<T> Ports for T where T: Kv + Watch + Lease + Cluster + Maintenance + Auth + State + Observer {}
