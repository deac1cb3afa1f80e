//! One connection to one endpoint.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::{Channel, Uri};

use crate::Config;
use crate::config::KEEPALIVE_FLOOR;
use crate::endpoint::{Dial, Endpoint};

/// A live connection; clones share it.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) channel: Channel,
    /// Remote and local address of the last dial.
    pub(crate) peer: Arc<Mutex<(String, String)>>,
    /// Which endpoint of the pool it belongs to.
    pub(crate) index: usize,
}

/// How connections are made.
#[derive(Clone)]
pub(crate) struct Dialer {
    timeout: Option<Duration>,
    keepalive_time: Duration,
    keepalive_timeout: Duration,
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

impl Dialer {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            timeout: Some(config.dial_timeout).filter(|limit| !limit.is_zero()),
            keepalive_time: config.keepalive_time.max(KEEPALIVE_FLOOR),
            keepalive_timeout: config.keepalive_timeout,
        }
    }

    /// Connects now; the error is gRPC's sentence for why not.
    pub(crate) async fn dial(&self, endpoint: &Endpoint, index: usize) -> Result<Link, String> {
        let peer = Arc::new(Mutex::new((String::new(), String::new())));
        let (seen, dial) = (peer.clone(), endpoint.dial.clone());
        let connector = tower::service_fn(move |_: Uri| {
            let (seen, dial) = (seen.clone(), dial.clone());
            async move { open(&dial, &seen).await.map(TokioIo::new) }
        });
        let transport = tonic::transport::Endpoint::from(authority(endpoint))
            .http2_keep_alive_interval(self.keepalive_time)
            .keep_alive_timeout(self.keepalive_timeout);
        let connecting = transport.connect_with_connector(connector);
        let result = match self.timeout {
            None => connecting.await,
            Some(limit) => tokio::time::timeout(limit, connecting)
                .await
                .map_err(|_| sentence(endpoint, "i/o timeout"))?,
        };
        match result {
            Ok(channel) => Ok(Link { channel, peer, index }),
            Err(error) => Err(sentence(endpoint, &root(&error))),
        }
    }
}

async fn open(dial: &Dial, seen: &Mutex<(String, String)>) -> io::Result<Box<dyn Socket>> {
    let note = |remote: String, local: String| {
        if let Ok(mut slot) = seen.lock() {
            *slot = (remote, local);
        }
    };
    match dial {
        Dial::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            note(stream.peer_addr()?.to_string(), stream.local_addr()?.to_string());
            Ok(Box::new(stream))
        }
        Dial::Unix(path) => {
            let stream = UnixStream::connect(path).await?;
            note(path.display().to_string(), "@".to_owned());
            Ok(Box::new(stream))
        }
        Dial::Never(why) => Err(io::Error::other(why.clone())),
    }
}

/// What goes into `:authority`; an address that cannot stand there becomes `localhost`.
fn authority(endpoint: &Endpoint) -> Uri {
    let named = match endpoint.dial {
        Dial::Unix(_) => None,
        _ => Uri::builder()
            .scheme("http")
            .authority(endpoint.address.as_str())
            .path_and_query("/")
            .build()
            .ok(),
    };
    named.unwrap_or_else(|| Uri::from_static("http://localhost/"))
}

fn sentence(endpoint: &Endpoint, why: &str) -> String {
    let dialled = match &endpoint.dial {
        Dial::Tcp(_) => format!("dial tcp {}: {why}", endpoint.address),
        Dial::Unix(path) => format!("dial unix {}: {why}", path.display()),
        Dial::Never(text) => text.clone(),
    };
    format!("connection error: desc = \"transport: Error while dialing: {dialled}\"")
}

/// The innermost reason, in the words of the operating system where it has some.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    let kind = error_kind(error);
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => "connect: connection refused".to_owned(),
        Some(io::ErrorKind::NotFound) => "connect: no such file or directory".to_owned(),
        _ => inner.to_string(),
    }
}

fn error_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        at = error.source();
    }
    None
}
