//! The listening side of a handshake.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::limits::HALF_OPEN_MAX_HANDSHAKES;
use crate::{Alpn, HandshakeError, Identity, PeerCertificate, reason, san};

/// Secures incoming connections; clones share everything.
#[derive(Clone, Debug)]
pub struct Acceptor {
    pub(crate) identity: Arc<Identity>,
}

/// A secured connection and who is on the other side.
#[derive(Debug)]
pub struct Accepted<S> {
    /// The bytes.
    pub stream: TlsStream<S>,
    /// The verified certificate of the client, if one was demanded.
    pub peer: Option<PeerCertificate>,
    /// The agreed protocol is HTTP/2. Without agreement it is `false`, and the first bytes decide.
    pub http2: bool,
}

impl Acceptor {
    /// Handshakes on a connection from `remote` within `limit`. On an error the stream is closed.
    ///
    /// # Errors
    /// See [`HandshakeError`]; its text is fit for a log line about a rejected connection.
    pub async fn accept<S>(
        &self,
        stream: S,
        remote: Option<SocketAddr>,
        limit: Duration,
    ) -> Result<Accepted<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match tokio::time::timeout(limit, self.seated(stream, remote)).await {
            Ok(finished) => finished,
            Err(_) => Err(reason::timeout(limit)),
        }
    }

    async fn seated<S>(
        &self,
        stream: S,
        remote: Option<SocketAddr>,
    ) -> Result<Accepted<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let gave_way = HandshakeError::GaveWay { max: HALF_OPEN_MAX_HANDSHAKES };
        let Some(mut seat) = self.identity.half_open.enter().await else { return Err(gave_way) };
        tokio::select! {
            finished = self.handshake(stream, remote) => finished,
            _ = &mut seat.gone => Err(gave_way),
        }
    }

    async fn handshake<S>(
        &self,
        stream: S,
        remote: Option<SocketAddr>,
    ) -> Result<Accepted<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Some(config) = self.identity.state().server.clone() else {
            return Err(HandshakeError::Protocol("tls: no certificates configured".to_owned()));
        };
        let accepting = TlsAcceptor::from(config).accept(stream);
        let stream = accepting.await.map_err(|error| reason::of(&error))?;
        let session = stream.get_ref().1;
        let http2 = session.alpn_protocol() == Some(b"h2");
        let leaf = session.peer_certificates().and_then(|chain| chain.first());
        let peer = leaf.and_then(PeerCertificate::read);
        let asked = self.identity.alpn == Alpn::Peers && !self.identity.rules.skip_client_san;
        if let (true, Some(peer), Some(remote)) = (asked, &peer, remote) {
            let checked = san::check(peer, remote.ip()).await;
            let peer = || Box::new(peer.clone());
            checked.map_err(|reason| HandshakeError::Address { reason, peer: peer() })?;
        }
        Ok(Accepted { stream: TlsStream::Server(stream), peer, http2 })
    }
}
