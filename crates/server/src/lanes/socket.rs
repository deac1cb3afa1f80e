//! The byte stream of a connection that is not plain TCP: a socket of either family that can tell
//! a client who forgot TLS what it should do.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// The first byte of every TLS connection: a handshake record.
const HANDSHAKE_RECORD: u8 = 22;
/// What HTTP clients make sense of; Go's servers say it in these words.
const NOT_HTTPS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// A connected socket.
pub(super) struct Socket {
    family: Family,
    /// Nothing was read yet, and TLS must come.
    awaits_tls: bool,
}

enum Family {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self { family: Family::Tcp(stream), awaits_tls: false }
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self { family: Family::Unix(stream), awaits_tls: false }
    }
}

impl Socket {
    /// Must begin with a TLS handshake from here on; anything else is answered in clear.
    pub(super) fn awaiting_tls(self) -> Self {
        Self { awaits_tls: true, ..self }
    }

    /// Waits for the first byte and leaves it where it is: whether it begins TLS. An end is no
    /// beginning.
    pub(super) async fn begins_tls(&self) -> io::Result<bool> {
        let mut first = [0];
        let seen = match &self.family {
            Family::Tcp(stream) => {
                stream.async_io(Interest::READABLE, || peek(stream.as_fd(), &mut first)).await
            }
            Family::Unix(stream) => {
                stream.async_io(Interest::READABLE, || peek(stream.as_fd(), &mut first)).await
            }
        };
        Ok(seen? == 1 && first[0] == HANDSHAKE_RECORD)
    }

    /// Told once; who does not listen is not waited for. HTTP/2 has no words for it: clients
    /// see the end (etcd).
    fn answer_in_clear(&mut self, context: &mut Context<'_>, begun: &[u8]) {
        if begun[0].is_ascii_uppercase() && !begun.starts_with(b"PRI ") {
            let _ = Pin::new(self).poll_write(context, NOT_HTTPS);
        }
    }
}

fn peek(socket: BorrowedFd<'_>, first: &mut [u8; 1]) -> io::Result<usize> {
    let (length, _) = recv(socket, first, RecvFlags::PEEK)?;
    Ok(length)
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(match &mut self.family {
            Family::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Family::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        })?;
        if self.awaits_tls && buffer.filled().len() > before {
            self.awaits_tls = false;
            let begun = &buffer.filled()[before..];
            if begun[0] != HANDSHAKE_RECORD {
                self.answer_in_clear(context, begun);
                let why = "tls: first record does not look like a TLS handshake";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.family {
            Family::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Family::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.family {
            Family::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Family::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.family {
            Family::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Family::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.family {
            Family::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Family::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What the server reads first, and what the client hears of it.
    async fn told(said: &[u8]) -> (Result<usize, String>, Vec<u8>) {
        let (mut client, server) = UnixStream::pair().expect("a pair");
        let mut server = Socket::from(server).awaiting_tls();
        client.write_all(said).await.expect("room for it");
        let read = server.read(&mut [0; 64]).await.map_err(|error| error.to_string());
        drop(server);
        let mut heard = Vec::new();
        let _ = client.read_to_end(&mut heard).await;
        (read, heard)
    }

    #[tokio::test]
    async fn who_forgets_tls_is_told() {
        let refused = Err("tls: first record does not look like a TLS handshake".to_owned());
        let get = told(b"GET / HTTP/1.1\r\n\r\n").await;
        assert_eq!(get, (refused.clone(), NOT_HTTPS.to_vec()));
        // HTTP/2 and what is no protocol at all have no use for words.
        assert_eq!(told(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, (refused.clone(), Vec::new()));
        assert_eq!(told(b"\0\0").await, (refused, Vec::new()));
        assert_eq!(told(&[HANDSHAKE_RECORD, 3, 1]).await, (Ok(3), Vec::new()));
    }

    #[tokio::test]
    async fn the_first_byte_is_seen_and_stays() {
        for (said, begins) in [(&[HANDSHAKE_RECORD, 3][..], true), (b"GE", false)] {
            let (mut client, server) = UnixStream::pair().expect("a pair");
            let mut server = Socket::from(server);
            client.write_all(said).await.expect("room for it");
            assert_eq!(server.begins_tls().await.expect("a byte"), begins);
            let mut read = [0; 2];
            server.read_exact(&mut read).await.expect("both bytes");
            assert_eq!(read, said);
        }
        let (client, server) = UnixStream::pair().expect("a pair");
        drop(client);
        assert!(!Socket::from(server).begins_tls().await.expect("an end"));
    }
}
