//! Dialing and accepting: the one place that knows what carries the bytes, TCP or TLS over it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use ketch_tls::limits::HANDSHAKE_TIMEOUT;
use ketch_tls::{
    Acceptor, Alpn, Connector, Files, HandshakeError, Identity, Rules, Stream, TlsStream,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};
use tracing::warn;
use url::Url;

/// An open byte stream to another member.
pub(crate) type Socket = Stalling<Stream<TcpStream>>;

/// Where a peer URL leads.
pub(crate) struct Target {
    /// `host:port`, for the dial and the `Host` header.
    pub(crate) authority: String,
    /// The URL says https.
    is_secure: bool,
}

impl Target {
    pub(crate) fn of(url: &str) -> io::Result<Self> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let url = Url::parse(url).map_err(|e| bad(&format!("bad peer URL: {e}")))?;
        let is_secure = match url.scheme() {
            "http" => false,
            "https" => true,
            other => return Err(bad(&format!("scheme {other} is not supported"))),
        };
        let host = url.host_str().ok_or_else(|| bad("peer URL without a host"))?;
        let port = url.port_or_known_default().ok_or_else(|| bad("peer URL without a port"))?;
        Ok(Self { authority: format!("{host}:{port}"), is_secure })
    }
}

/// How other members are reached: what we show and whom we believe where a URL says https.
#[derive(Clone, Debug, Default)]
pub struct Dialer {
    identity: Option<Arc<Identity>>,
}

impl Dialer {
    /// With the certificates for members. Without them nothing is shown, and the authorities of
    /// the system are believed (etcd).
    pub fn new(identity: Option<Arc<Identity>>) -> Self {
        Self { identity }
    }

    /// Opens a stream: TCP within `dial_within`, then the handshake in its own time. A write that
    /// stalls for `stall` breaks it.
    pub(crate) async fn dial(
        &self,
        target: &Target,
        dial_within: Duration,
        stall: Duration,
    ) -> io::Result<Socket> {
        let socket = timeout(dial_within, TcpStream::connect(&target.authority))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        // Heartbeats are small and must not wait for each other.
        socket.set_nodelay(true)?;
        if !target.is_secure {
            return Ok(Stalling::new(Stream::Plain(socket), stall));
        }
        let connector = self.connector()?;
        let handshake = connector.connect(&target.authority, socket, HANDSHAKE_TIMEOUT);
        let stream = handshake.await.map_err(|error| match error {
            HandshakeError::Timeout { .. } => io::Error::new(io::ErrorKind::TimedOut, error),
            error => io::Error::other(error),
        })?;
        Ok(Stalling::new(stream.into(), stall))
    }

    fn connector(&self) -> io::Result<Connector> {
        static SYSTEM: OnceLock<Option<Arc<Identity>>> = OnceLock::new();
        let system = || Identity::load(Files::default(), Rules::default(), Alpn::Peers).ok();
        let identity = self.identity.as_ref().or_else(|| SYSTEM.get_or_init(system).as_ref());
        let identity = identity.ok_or_else(|| io::Error::other("no certificates for https"))?;
        Ok(identity.connector())
    }
}

/// Secures an accepted socket; `None` if the other end is not let in, which was then told.
pub(crate) async fn secure<IO: AsyncRead + AsyncWrite + Unpin>(
    io: IO,
    remote: Option<SocketAddr>,
    acceptor: &Acceptor,
) -> Option<TlsStream<IO>> {
    let error = match acceptor.accept(io, remote, HANDSHAKE_TIMEOUT).await {
        Ok(accepted) => return Some(accepted.stream),
        Err(error) => error,
    };
    match &error {
        HandshakeError::Address { reason, peer } => warn!(
            remote_addr = %Remote(remote), server_name = "", ip_addresses = ?peer.ips,
            dns_names = ?peer.dns_names, error = %reason, "rejected connection on peer endpoint"
        ),
        error => rejected(remote, error),
    }
    None
}

/// Tells of a connection that is not served.
pub(crate) fn rejected(remote: Option<SocketAddr>, error: &dyn fmt::Display) {
    warn!(
        remote_addr = %Remote(remote), server_name = "", %error,
        "rejected connection on peer endpoint"
    );
}

/// An address for log lines; sockets in files have none.
struct Remote(Option<SocketAddr>);

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |address| address.fmt(f))
    }
}

/// A stream whose writes fail once one has made no progress for a while.
pub(crate) struct Stalling<IO> {
    io: IO,
    stall: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<IO> Stalling<IO> {
    pub(crate) fn new(io: IO, stall: Duration) -> Self {
        Self { io, stall, timer: None }
    }

    /// Passes the outcome of a write on, unless it is the end of patience.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.timer = None;
            return outcome;
        }
        let stall = self.stall;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(stall)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Stalling<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Stalling<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(cx);
        self.watch(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_shutdown(cx);
        self.watch(cx, outcome)
    }
}
