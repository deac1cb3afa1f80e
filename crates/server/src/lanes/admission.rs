//! How a fresh connection gets in: in clear, or after a handshake, and as whom.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ketch_api::ports::{ClientName, Origin};
use ketch_api::{ConnectionConfig, ConnectionError, Edge, Surface, serve_connection};
use ketch_tls::{Acceptor, Stream, limits};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::socket::Socket;
use crate::listen::Incoming;
use crate::member::Member;

/// How long the first byte may take at a door for both protocols.
const FIRST_BYTE: Duration = Duration::from_secs(ketch_api::limits::HEAD_READ_SECONDS);

/// What a listener lets in and shows.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) surface: Surface,
    /// Connections without TLS get in.
    pub(crate) in_clear: bool,
    /// Connections with TLS get in.
    pub(crate) secure: Option<SecureDoor>,
}

/// The side of a door with TLS.
#[derive(Clone)]
pub(crate) struct SecureDoor {
    pub(crate) acceptor: Acceptor,
    /// Callers are known by their certificates: `--client-cert-auth`.
    pub(crate) names_callers: bool,
}

/// What all connections of a lane share.
#[derive(Clone)]
pub(super) struct Room {
    pub(super) edge: Arc<Edge<Member>>,
    pub(super) config: ConnectionConfig,
    pub(super) stop: watch::Receiver<bool>,
}

/// Serves a connection in a task of its own. Plain TCP, the beaten track, has one without the
/// weight of the others.
pub(super) fn admit(incoming: Incoming, door: Door, room: &Room, open: &mut JoinSet<()>) {
    let prepared = match incoming {
        Incoming::Tcp(socket, remote) => tcp(socket).map(|socket| {
            if door.secure.is_none() {
                open.spawn(in_clear(socket, Some(remote), door.surface, room.clone()));
            } else {
                open.spawn(either(socket.into(), Some(remote), door, room.clone()));
            }
        }),
        Incoming::Unix(socket) => unix(socket).map(|socket| {
            open.spawn(either(socket.into(), None, door, room.clone()));
        }),
    };
    if let Err(error) = prepared {
        tracing::debug!(error = %error, "lost a connection before it began");
    }
}

fn tcp(socket: std::net::TcpStream) -> io::Result<TcpStream> {
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    TcpStream::from_std(socket)
}

fn unix(socket: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

async fn in_clear(socket: TcpStream, remote: Option<SocketAddr>, surface: Surface, room: Room) {
    let origin = Origin { remote, ..Origin::default() };
    let served = serve_connection(socket, room.edge, surface, &room.config, origin).await;
    report(served, remote);
}

async fn either(socket: Socket, remote: Option<SocketAddr>, door: Door, mut room: Room) {
    let Door { surface, in_clear, secure } = door;
    let mut stop = room.stop.clone();
    let entered = tokio::select! {
        entered = enter(socket, remote, in_clear, secure) => entered,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let (stream, origin) = match entered {
        Ok(entered) => entered,
        Err(why) => return reject(remote, &why),
    };
    room.stop = stop;
    let served = serve_connection(stream, room.edge, surface, &room.config, origin).await;
    report(served, remote);
}

async fn enter(
    socket: Socket,
    remote: Option<SocketAddr>,
    in_clear: bool,
    secure: Option<SecureDoor>,
) -> Result<(Stream<Socket>, Origin), String> {
    let clear = |socket| (Stream::Plain(socket), Origin { remote, ..Origin::default() });
    let Some(secure) = secure else { return Ok(clear(socket)) };
    if in_clear {
        let first = tokio::time::timeout(FIRST_BYTE, socket.begins_tls()).await;
        let begins_tls = first.map_err(|_| "no request came in time".to_owned())?;
        if !begins_tls.map_err(|error| error.to_string())? {
            return Ok(clear(socket));
        }
    }
    let limit = limits::HANDSHAKE_TIMEOUT;
    let accepted = secure.acceptor.accept(socket.awaiting_tls(), remote, limit).await;
    let accepted = accepted.map_err(|error| error.to_string())?;
    let peer = accepted.peer.filter(|_| secure.names_callers);
    let name = peer.map(|peer| ClientName(peer.common_name.into()));
    Ok((accepted.stream.into(), Origin { remote, name, is_secure: true }))
}

fn report(served: Result<(), ConnectionError>, remote: Option<SocketAddr>) {
    match served {
        Ok(()) => {}
        Err(error @ ConnectionError::Secured) => reject(remote, &error.to_string()),
        Err(error) => tracing::debug!(error = %error, "connection ended"),
    }
}

/// etcd's words and fields.
fn reject(remote: Option<SocketAddr>, why: &str) {
    let remote = remote.map_or_else(|| "@".to_owned(), |remote| remote.to_string());
    tracing::warn!(remote_addr = %remote, error = %why, "rejected connection on client endpoint");
}
