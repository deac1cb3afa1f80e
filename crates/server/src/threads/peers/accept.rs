//! Takes connections of members, in clear and through TLS, from ports and from socket files.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ketch_peer::{Port, serve_connection, serve_secured};
use ketch_tls::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::super::fatal;
use super::door::Door;
use crate::listen::{Bound, Listening};

/// Rest after an accept that failed, e.g. for want of file descriptors.
const REST: Duration = Duration::from_millis(20);

/// What every connection is answered with.
#[derive(Clone)]
pub(super) struct Reception {
    pub(super) port: Arc<Port<Door>>,
    /// `None`: in clear.
    pub(super) acceptor: Option<Acceptor>,
    /// Connections that may be open.
    pub(super) room: Arc<Semaphore>,
}

impl Reception {
    /// Accepts for ever.
    pub(super) async fn run(self, listening: Listening) {
        let failed = |error: io::Error| -> ! { fatal("failed to listen for peers", &error) };
        match &listening.socket {
            Bound::Tcp(listener) => match tcp(listener) {
                Ok(listener) => self.accept(listener).await,
                Err(error) => failed(error),
            },
            Bound::Unix(socket) => match unix(&socket.listener) {
                Ok(listener) => self.accept(listener).await,
                Err(error) => failed(error),
            },
        }
    }

    async fn accept(self, listener: impl Listener) {
        loop {
            let Ok(place) = Arc::clone(&self.room).acquire_owned().await else { return };
            let (io, remote) = match listener.next().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(error = %error, "failed to accept a connection of a peer");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            let Self { port, acceptor, .. } = self.clone();
            tokio::spawn(async move {
                match acceptor {
                    Some(acceptor) => serve_secured(io, remote, &acceptor, port).await,
                    None => serve_connection(io, remote, port).await,
                }
                drop(place);
            });
        }
    }
}

fn tcp(listener: &std::net::TcpListener) -> io::Result<TcpListener> {
    let listener = listener.try_clone()?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn unix(listener: &std::os::unix::net::UnixListener) -> io::Result<UnixListener> {
    let listener = listener.try_clone()?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Where connections come in.
trait Listener: Send + Sync {
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection, and the address it comes from if it has one.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Io, Option<SocketAddr>)>> + Send;
}

impl Listener for TcpListener {
    type Io = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        let (socket, remote) = self.accept().await?;
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(error = %error, "a connection of a peer is lost already");
        }
        Ok((socket, Some(remote)))
    }
}

impl Listener for UnixListener {
    type Io = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Option<SocketAddr>)> {
        Ok((self.accept().await?.0, None))
    }
}
