//! Listening sockets: bound before anything else, so that a port in use is told at once.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{Address, ListenUrl};

/// Waiting connections the kernel keeps for us.
const BACKLOG: i32 = 4096;

/// A bound socket and the URL it stands for.
pub(crate) struct Listening {
    pub(crate) url: ListenUrl,
    pub(crate) socket: Bound,
}

/// The socket.
pub(crate) enum Bound {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

/// A connection that came in.
pub(crate) enum Incoming {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Bound {
    /// Waits for the next connection.
    pub(crate) fn accept(&self) -> io::Result<Incoming> {
        match self {
            Self::Tcp(listener) => {
                listener.accept().map(|(stream, remote)| Incoming::Tcp(stream, remote))
            }
            Self::Unix(socket) => {
                socket.listener.accept().map(|(stream, _)| Incoming::Unix(stream))
            }
        }
    }

    /// What removes the socket file, for those who cannot wait for the listener's own end.
    pub(crate) fn file(&self) -> Option<SocketFile> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(socket) => Some(SocketFile(socket.file.0.clone())),
        }
    }
}

/// A listener and its file.
pub(crate) struct UnixSocket {
    pub(crate) listener: UnixListener,
    file: SocketFile,
}

/// Removed from the file system when dropped.
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listening {
    /// Binds; a socket file that is left over is replaced.
    pub(crate) fn bind(url: &ListenUrl, reuse_port: bool) -> io::Result<Self> {
        let socket = match &url.address {
            Address::Tcp(address) => Bound::Tcp(tcp(*address, reuse_port)?),
            Address::Unix(path) => Bound::Unix(unix(path)?),
        };
        Ok(Self { url: url.clone(), socket })
    }
}

fn tcp(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Go always sets this; without it a restart must wait for old connections to time out.
    socket.set_reuse_address(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() && !address.ip().is_unspecified() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn unix(path: &Path) -> io::Result<UnixSocket> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    Ok(UnixSocket { listener: UnixListener::bind(path)?, file: SocketFile(path.to_owned()) })
}
