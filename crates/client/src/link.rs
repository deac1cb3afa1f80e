//! One connection to one endpoint.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use ketch_tls::{Alpn, Files, HandshakeError, Identity, Rules, limits};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::{Channel, Uri};

use crate::config::KEEPALIVE_FLOOR;
use crate::endpoint::{Dial, Endpoint, Secure};
use crate::preface::{self, Herald};
use crate::{Config, Error};

/// A live connection; clones share it.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) channel: Channel,
    /// Remote and local address of the last dial.
    pub(crate) peer: Arc<Mutex<(String, String)>>,
    /// Which endpoint of the pool it belongs to.
    pub(crate) index: usize,
    pub(crate) secure: bool,
}

/// How connections are made.
#[derive(Clone)]
pub(crate) struct Dialer {
    timeout: Option<Duration>,
    keepalive_time: Duration,
    keepalive_timeout: Duration,
    /// For endpoints that leave it open.
    configured: Option<Arc<Identity>>,
    /// For those that ask for it.
    demanded: Option<Arc<Identity>>,
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

impl Dialer {
    pub(crate) fn new(config: &Config, endpoints: &[Endpoint]) -> Result<Self, Error> {
        let configured = config.security.clone();
        let demanded = match &configured {
            None if endpoints.iter().any(|endpoint| endpoint.secure == Secure::Always) => {
                let system = Identity::load(Files::default(), Rules::default(), Alpn::Clients);
                Some(system.map_err(|error| Error::Security(error.to_string()))?)
            }
            _ => configured.clone(),
        };
        Ok(Self {
            timeout: Some(config.dial_timeout).filter(|limit| !limit.is_zero()),
            keepalive_time: config.keepalive_time.max(KEEPALIVE_FLOOR),
            keepalive_timeout: config.keepalive_timeout,
            configured,
            demanded,
        })
    }

    /// Connects now, and waits until the server has spoken; the error is gRPC's sentence for why
    /// not.
    pub(crate) async fn dial(&self, endpoint: &Endpoint, index: usize) -> Result<Link, String> {
        let connecting = self.connect(endpoint, index);
        match self.timeout {
            None => connecting.await,
            Some(limit) => tokio::time::timeout(limit, connecting)
                .await
                .unwrap_or_else(|_| Err(sentence(endpoint, "i/o timeout"))),
        }
    }

    async fn connect(&self, endpoint: &Endpoint, index: usize) -> Result<Link, String> {
        let peer = Arc::new(Mutex::new((String::new(), String::new())));
        let (herald, spoken) = preface::pair();
        let identity = match endpoint.secure {
            Secure::Never => None,
            Secure::IfConfigured => self.configured.clone(),
            Secure::Always => self.demanded.clone(),
        };
        let origin = authority(endpoint, if identity.is_some() { "https" } else { "http" });
        let secure = identity.is_some();
        let way = Way { endpoint: endpoint.clone(), identity, seen: peer.clone(), herald };
        let connector = tower::service_fn(move |_: Uri| {
            let way = way.clone();
            async move { way.open().await.map(TokioIo::new) }
        });
        let transport = tonic::transport::Endpoint::from(authority(endpoint, "http"))
            .origin(origin)
            .http2_keep_alive_interval(self.keepalive_time)
            .keep_alive_timeout(self.keepalive_timeout);
        let connecting = transport.connect_with_connector(connector).await;
        let channel = connecting.map_err(|error| match handshake_error(&error) {
            Some(why) => handshake_sentence(why),
            None => sentence(endpoint, &root(&error)),
        })?;
        spoken.heard().await.map_err(|why| {
            format!("connection error: desc = \"error reading server preface: {why}\"")
        })?;
        Ok(Link { channel, peer, index, secure })
    }
}

/// All that one connection needs to come about.
#[derive(Clone)]
struct Way {
    endpoint: Endpoint,
    identity: Option<Arc<Identity>>,
    seen: Arc<Mutex<(String, String)>>,
    herald: Herald,
}

impl Way {
    async fn open(&self) -> io::Result<Box<dyn Socket>> {
        let socket = open(&self.endpoint.dial, &self.seen).await?;
        let Some(identity) = &self.identity else { return Ok(Box::new(self.herald.over(socket))) };
        identity.refresh();
        let host = match &self.endpoint.dial {
            Dial::Tcp(address) => address,
            Dial::Unix(_) | Dial::Never(_) => "localhost",
        };
        let connector = identity.connector();
        let stream = connector.connect(host, socket, limits::HANDSHAKE_TIMEOUT).await;
        let stream = stream.map_err(io::Error::other)?;
        Ok(Box::new(self.herald.over(stream)))
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
fn authority(endpoint: &Endpoint, scheme: &'static str) -> Uri {
    let named = match endpoint.dial {
        Dial::Unix(_) => None,
        _ => Uri::builder()
            .scheme(scheme)
            .authority(endpoint.address.as_str())
            .path_and_query("/")
            .build()
            .ok(),
    };
    named.unwrap_or_else(|| Uri::from_static("http://localhost/"))
}

/// The refusal of a handshake among the causes.
fn handshake_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a HandshakeError> {
    let mut at = Some(error);
    while let Some(error) = at {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref::<HandshakeError>()) {
            return Some(found);
        }
        at = error.source();
    }
    None
}

fn handshake_sentence(why: &HandshakeError) -> String {
    format!("connection error: desc = \"transport: authentication handshake failed: {why}\"")
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
