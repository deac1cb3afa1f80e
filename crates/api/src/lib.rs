//! Client-facing: gRPC services and HTTP endpoints over ports that the server implements.
//!
//! Invariant: knows nothing of raft, storage or disk; all state is behind [`ports`].
//! Invariant: decides what can be decided from the request alone, and nothing else.
//!
//! ```
//! use ketch_api::{Kind, Method};
//! let method = Method::from_path("/etcdserverpb.KV/Range").expect("in the table");
//! assert_eq!((method.service(), method.kind()), ("etcdserverpb.KV", Kind::Unary));
//! ```

mod method;
pub mod ports;

pub use method::{Kind, Method};
