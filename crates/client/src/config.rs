//! What a client is told: where to go, how long to wait, how much to carry.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ketch_base::limits;
use ketch_tls::Identity;
use tonic::Code;

/// Called once for every call that came back with an error, retried or not.
pub type Observer = Arc<dyn Fn(&Failure<'_>) + Send + Sync>;

/// One failed attempt, as seen by an [`Observer`].
#[derive(Debug)]
pub struct Failure<'a> {
    /// Path of the method, such as `/etcdserverpb.KV/Put`.
    pub method: &'a str,
    /// Address of the first endpoint, without scheme.
    pub target: &'a str,
    /// Remote and local address of the connection, where there was one.
    pub peer: Option<(&'a str, &'a str)>,
    /// Whether that connection was secured.
    pub secure: bool,
    /// 0 for the first try.
    pub attempt: u32,
    /// Status of the attempt.
    pub code: Code,
    /// Its text.
    pub message: &'a str,
}

/// Settings of a [`crate::Client`].
#[derive(Clone)]
pub struct Config {
    /// `host:port`, `http://host:port`, `https://host:port`, `unix:path` or `unixs:path`.
    pub endpoints: Vec<String>,
    /// Longest wait for one connection; zero waits as long as the call may take.
    pub dial_timeout: Duration,
    /// Longest wait for one whole call, retries and dialling included.
    pub call_timeout: Option<Duration>,
    /// Silence after which a connection is pinged; raised to the floor gRPC servers allow.
    pub keepalive_time: Duration,
    /// Silence after a ping that ends the connection.
    pub keepalive_timeout: Duration,
    /// Largest request, in encoded bytes.
    pub send_bytes_max: usize,
    /// Largest answer, in encoded bytes.
    pub recv_bytes_max: usize,
    /// Certificates and rules for endpoints with `https` and `unixs`, and for those that name no
    /// scheme or `unix`; `http` is plain whatever stands here. Without it `https` trusts the
    /// authorities of the system, and the others are plain. Changed files are read before a dial.
    pub security: Option<Arc<Identity>>,
    /// User to act as. Without a password too, calls go out as nobody's.
    pub username: String,
    /// That user's password.
    pub password: String,
    /// A token to send as it is, instead of a user: a JWT.
    pub token: String,
    /// Told of every failed attempt.
    pub on_failure: Option<Observer>,
}

/// etcd closes connections that ping more often than every 5 seconds; gRPC's own floor is twice
/// that.
pub(crate) const KEEPALIVE_FLOOR: Duration = Duration::from_secs(10);

impl Config {
    /// etcdctl's defaults for these endpoints: 2 s to dial, no limit for a call.
    pub fn new<E: Into<String>>(endpoints: impl IntoIterator<Item = E>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            dial_timeout: Duration::from_secs(2),
            call_timeout: None,
            keepalive_time: Duration::from_secs(2),
            keepalive_timeout: Duration::from_secs(6),
            send_bytes_max: limits::REQUEST_BYTES_DEFAULT + limits::GRPC_OVERHEAD_BYTES,
            recv_bytes_max: i32::MAX as usize,
            security: None,
            username: String::new(),
            password: String::new(),
            token: String::new(),
            on_failure: None,
        }
    }
}

/// Without the password and the token.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("endpoints", &self.endpoints)
            .field("dial_timeout", &self.dial_timeout)
            .field("call_timeout", &self.call_timeout)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
