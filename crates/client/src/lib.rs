//! The Rust client of an etcd cluster: many endpoints behind one handle, calls that fail over,
//! watches that resume, leases that stay alive.
//!
//! Requests and answers are the messages of `ketch-proto`, unchanged: whoever prints or compares
//! them sees what the server sent.
//!
//! Invariant: knows no command line, no output format and no server of ours; only the wire.
//! Invariant: a call that may change something is sent once; only reads are repeated.
//! Invariant: a password or a token is in no error, no `Debug` and no report of a failed call.
//! Invariant: an `https` endpoint is never spoken to without transport security.
//!
//! ```no_run
//! # async fn example() -> Result<(), ketch_client::Error> {
//! use ketch_client::{Client, Config};
//! use ketch_proto::etcdserverpb::PutRequest;
//!
//! let client = Client::new(Config::new(["127.0.0.1:2379"]))?;
//! let put = PutRequest { key: "a".into(), value: "1".into(), ..Default::default() };
//! let answer = client.kv().put(put).await?;
//! assert!(answer.header.is_some_and(|header| header.revision > 1));
//! # Ok(()) }
//! ```

mod auth;
mod call;
mod cluster;
mod config;
mod endpoint;
mod error;
mod kv;
mod lease;
mod link;
mod maintenance;
mod peer_urls;
mod pool;
mod preface;
mod session;
mod turn;
mod watch;

use std::sync::Arc;
use std::time::Duration;

pub use auth::Auth;
pub use cluster::Cluster;
pub use config::{Config, Failure, Observer};
pub use error::{Error, Status};
pub use kv::{Kv, RangeChunks};
pub use lease::{KeepAlive, Lease};
pub use maintenance::{Maintenance, Snapshot};
pub use session::Session;
pub use tonic::Code;
pub use turn::Turn;
pub use watch::{Events, Watcher, cancellation};

use crate::auth::Login;
use crate::pool::Pool;

/// A handle to a cluster; cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct Client {
    pool: Arc<Pool>,
    login: Arc<Login>,
    config: Arc<Config>,
    timeout: Option<Duration>,
}

impl Client {
    /// Reads the endpoints; dials on first use. Must be used inside a tokio runtime.
    ///
    /// # Errors
    /// No endpoint at all; a token and a user at once.
    pub fn new(config: Config) -> Result<Self, Error> {
        let pool = Arc::new(Pool::new(&config)?);
        let login = Arc::new(Login::new(&config)?);
        Ok(Self { pool, login, timeout: config.call_timeout, config: Arc::new(config) })
    }

    /// Logs in now rather than at the first call, within the dial timeout. Does nothing without a
    /// user, and is content with a cluster that knows no authentication.
    ///
    /// # Errors
    /// The server refuses the user, or there is none in time.
    pub async fn log_in(&self) -> Result<(), Error> {
        let limit = Some(self.config.dial_timeout).filter(|limit| !limit.is_zero());
        let until = limit.map(|limit| tokio::time::Instant::now() + limit);
        self.token(until).await.map(|_| ())
    }

    /// The same connections with another limit for whole calls; `None` waits for ever.
    #[must_use]
    pub fn with_timeout(&self, timeout: Option<Duration>) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// The endpoints as they were given.
    pub fn endpoints(&self) -> &[String] {
        &self.config.endpoints
    }

    /// Keys and values.
    pub fn kv(&self) -> Kv {
        Kv { client: self.clone() }
    }

    /// A new watch stream; it lives until it and all its [`Events`] are dropped.
    pub fn watch(&self) -> Watcher {
        Watcher::start(self.clone())
    }

    /// Leases.
    pub fn lease(&self) -> Lease {
        Lease { client: self.clone() }
    }

    /// Users, roles, and whether they count.
    pub fn auth(&self) -> Auth {
        Auth { client: self.clone() }
    }

    /// Membership.
    pub fn cluster(&self) -> Cluster {
        Cluster { client: self.clone() }
    }

    /// One member's health, space and snapshots. With several endpoints any may answer.
    pub fn maintenance(&self) -> Maintenance {
        Maintenance { client: self.clone() }
    }
}
