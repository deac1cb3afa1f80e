//! Dialing and accepting: the one place that knows what carries the bytes. Plain TCP today.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};
use url::Url;

/// An open byte stream to another member.
pub(crate) type Socket = Stalling<TcpStream>;

/// Where a peer URL leads.
pub(crate) struct Target {
    /// `host:port`, for the dial and the `Host` header.
    pub(crate) authority: String,
}

impl Target {
    pub(crate) fn of(url: &str) -> io::Result<Self> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let url = Url::parse(url).map_err(|e| bad(&format!("bad peer URL: {e}")))?;
        if url.scheme() != "http" {
            return Err(bad(&format!("scheme {} is not supported", url.scheme())));
        }
        let host = url.host_str().ok_or_else(|| bad("peer URL without a host"))?;
        let port = url.port_or_known_default().ok_or_else(|| bad("peer URL without a port"))?;
        Ok(Self { authority: format!("{host}:{port}") })
    }
}

/// Opens a stream within `dial_within`; a write that stalls for `stall` breaks it.
pub(crate) async fn dial(
    target: &Target,
    dial_within: Duration,
    stall: Duration,
) -> io::Result<Socket> {
    let socket = timeout(dial_within, TcpStream::connect(&target.authority))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    // Heartbeats are small and must not wait for each other.
    socket.set_nodelay(true)?;
    Ok(Stalling::new(socket, stall))
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
