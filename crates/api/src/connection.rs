//! One connection: find out what it speaks, serve it, and let it go in order.
//!
//! Between the socket and the HTTP library stand, from below: [`prefixed`] (gives back the bytes by
//! which the protocol was known), [`mod@gathered`] (what a turn writes goes out in one piece),
//! [`paced`] (reads in turns, and not from who does not listen), and for HTTP/2 [`turnstile`]
//! (refuses calls before the library sees them). [`turn`] is what they know of each other.

mod gathered;
mod paced;
mod prefixed;
mod runner;
mod turn;
pub(crate) mod turnstile;

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::edge::{Edge, Surface};
use crate::limits;
use crate::method::Method;
use crate::ports::{Origin, Ports};
use gathered::gathered;
use paced::Paced;
use prefixed::Prefixed;
use runner::Runner;
use turn::Turn;
use turnstile::Turnstile;

/// First byte of a TLS connection; no HTTP begins with it.
const TLS_HANDSHAKE: u8 = 22;
const NOT_HTTPS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\n\
    Client sent a TLS handshake to a plaintext port.\n";
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Settings of client connections, from the server's flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// `--grpc-keepalive-interval`: a silent connection is pinged after this, in seconds.
    pub keepalive_interval_s: u64,
    /// `--grpc-keepalive-timeout`: and closed this much later without an answer, in seconds.
    pub keepalive_timeout_s: u64,
    /// `--max-concurrent-streams`: calls at a time on one connection; `None` is no limit.
    pub max_concurrent_streams: Option<u32>,
    /// How long a connection may take to finish its calls once the edge stops, in milliseconds.
    pub drain_ms: u64,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            keepalive_interval_s: 2 * 60 * 60,
            keepalive_timeout_s: 20,
            max_concurrent_streams: None,
            drain_ms: 5_000,
        }
    }
}

/// Why a connection ended badly. Nothing to do about it but to count it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// Nothing, or only a part of a beginning, came in time.
    #[error("no request came in time")]
    Silent,
    /// The bytes did not flow.
    #[error("connection broke")]
    Io(#[from] std::io::Error),
    /// What came was not HTTP, or broke its rules.
    #[error("bad http")]
    Http(#[from] hyper::Error),
    /// A TLS handshake came where none is spoken.
    #[error("tls: client began a TLS handshake on a plaintext port")]
    Secured,
    /// It did not finish while the edge was stopping.
    #[error("cut off while draining")]
    Undrained,
}

/// Serves one connection until it ends: HTTP/1.1, or HTTP/2 with prior knowledge.
///
/// The caller has set `TCP_NODELAY` and done TLS. Must run inside a tokio runtime with time.
///
/// # Errors
/// How it ended badly; a client that hangs up between calls is no error.
pub async fn serve_connection<I, P>(
    mut io: I,
    edge: Arc<Edge<P>>,
    surface: Surface,
    config: &ConnectionConfig,
    origin: Origin,
) -> Result<(), ConnectionError>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    P: Ports,
{
    let limit = Duration::from_secs(limits::HEAD_READ_SECONDS);
    let stopped = Box::pin({
        let edge = Arc::clone(&edge);
        async move { edge.stopped().await }
    });
    let mut beginning = [0; HTTP2_PREFACE.len()];
    let opening = tokio::time::timeout(limit, opening(&mut io, &mut beginning));
    let mut stopped = stopped;
    let (filled, http2) = tokio::select! {
        opening = opening => opening.map_err(|_| ConnectionError::Silent)??,
        () = &mut stopped => return Ok(()),
    };
    if filled == 0 {
        return Ok(());
    }
    if beginning[0] == TLS_HANDSHAKE {
        // TLS clients see that this is none, and those of HTTP what it is.
        let _ = io.write_all(NOT_HTTPS).await;
        let _ = io.shutdown().await;
        return Err(ConnectionError::Secured);
    }
    let turn = Turn::new();
    let (io, outbox) = gathered(Prefixed::new(io, &beginning[..filled]));
    let beside = io.beside();
    let is_open = !http2 || matches!(surface, Surface::Http | Surface::Metrics);
    let refuse = refusals(Arc::clone(&edge), turn.clone());
    let io = Turnstile::new(Paced::new(io, turn.clone()), beside, is_open, refuse);
    let io = TokioIo::new(io);
    let pace = turn.clone();
    let service =
        service_fn(move |request| Arc::clone(&edge).answer(surface, &origin, pace.call(), request));
    let drain = Duration::from_millis(config.drain_ms);
    // Two arms and not one generic function: hyper's connections share no trait.
    if http2 {
        let runner = Runner::new(turn.clone());
        let connection = http2_builder(config, runner).serve_connection(io, service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            end = outbox.drive(&turn, connection.as_mut()) => return Ok(end?),
            () = stopped => connection.as_mut().graceful_shutdown(),
        }
        Ok(tokio::time::timeout(drain, outbox.drive(&turn, connection))
            .await
            .map_err(|_| ConnectionError::Undrained)??)
    } else {
        let connection = http1_builder().serve_connection(io, service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            end = outbox.drive(&turn, connection.as_mut()) => return Ok(end?),
            () = stopped => connection.as_mut().graceful_shutdown(),
        }
        Ok(tokio::time::timeout(drain, outbox.drive(&turn, connection))
            .await
            .map_err(|_| ConnectionError::Undrained)??)
    }
}

/// Which calls the turnstile refuses; each counts as a call of the connection.
fn refusals<P: Ports>(edge: Arc<Edge<P>>, turn: Turn) -> impl FnMut(Method) -> bool {
    move |method| {
        let is_refused = edge.refuses(method, turn.is_behind());
        if is_refused {
            turn.call();
        }
        is_refused
    }
}

/// Reads until the beginning is surely HTTP/2 or surely not.
async fn opening<I: AsyncRead + Unpin>(
    io: &mut I,
    beginning: &mut [u8; HTTP2_PREFACE.len()],
) -> std::io::Result<(usize, bool)> {
    let mut filled = 0;
    loop {
        let read = io.read(&mut beginning[filled..]).await?;
        filled += read;
        let alike = beginning[..filled] == HTTP2_PREFACE[..filled];
        if read == 0 || !alike || filled == HTTP2_PREFACE.len() {
            return Ok((filled, alike && filled == HTTP2_PREFACE.len()));
        }
    }
}

fn http2_builder(config: &ConnectionConfig, runner: Runner) -> http2::Builder<Runner> {
    let mut builder = http2::Builder::new(runner);
    builder
        .timer(TokioTimer::new())
        // etcd sends no date on gRPC answers.
        .auto_date_header(false)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(config.max_concurrent_streams)
        .max_send_buf_size(limits::SEND_BUFFER_BYTES)
        .max_header_list_size(limits::HEADER_LIST_BYTES)
        .max_pending_accept_reset_streams(limits::PENDING_RESET_STREAMS)
        .max_local_error_reset_streams(limits::LOCAL_RESET_STREAMS)
        .keep_alive_interval(Duration::from_secs(config.keepalive_interval_s))
        .keep_alive_timeout(Duration::from_secs(config.keepalive_timeout_s));
    builder
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits::HEAD_READ_SECONDS))
        .max_buf_size(limits::HTTP1_BUFFER_BYTES)
        .title_case_headers(true);
    builder
}
