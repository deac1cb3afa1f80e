//! Client-facing: gRPC services and HTTP endpoints over ports that the server implements.
//!
//! Invariant: knows nothing of raft, storage or disk; all state is behind [`ports`].
//! Invariant: decides what can be decided from the request alone, and nothing else.
//! Invariant: holds at most one chunk (`RANGE_CHUNK_BYTES`) of a range at a time, however long.
//!
//! ```
//! use ketch_api::{Kind, Method};
//! let method = Method::from_path("/etcdserverpb.KV/Range").expect("in the table");
//! assert_eq!((method.service(), method.kind()), ("etcdserverpb.KV", Kind::Unary));
//! ```

mod body;
mod checks;
mod connection;
mod edge;
mod grpc;
pub mod limits;
mod method;
mod plain;
pub mod ports;
mod status;

pub use body::{Body, BodyError};
pub use connection::{ConnectionConfig, ConnectionError, serve_connection};
pub use edge::{Edge, EdgeConfig, Surface};
pub use method::{Kind, Method};

/// For the fuzz target: what becomes of a client's bytes on their way to the HTTP/2 library.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use crate::connection::turnstile::pieces::{Outcome, look};
}
