//! The dialling side of a handshake.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, TlsStream};

use crate::{HandshakeError, Identity, reason};

/// Secures outgoing connections; clones share everything.
#[derive(Clone, Debug)]
pub struct Connector {
    pub(crate) identity: Arc<Identity>,
}

impl Connector {
    /// Handshakes with `host` (a name or an address, brackets and port allowed) within `limit`.
    ///
    /// With TLS 1.3 a server may refuse our certificate only after this has ended well; the first
    /// read tells.
    ///
    /// # Errors
    /// See [`HandshakeError`].
    pub async fn connect<S>(
        &self,
        host: &str,
        stream: S,
        limit: Duration,
    ) -> Result<TlsStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let host = self.identity.rules.server_name.as_deref().unwrap_or_else(|| bare(host));
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| HandshakeError::ServerName(host.to_owned()))?;
        let connector = TlsConnector::from(self.identity.state().client.clone());
        match tokio::time::timeout(limit, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(TlsStream::Client(stream)),
            Ok(Err(error)) => Err(reason::of(&error)),
            Err(_) => Err(reason::timeout(limit)),
        }
    }
}

/// The host without port and brackets.
pub(crate) fn bare(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn hosts() {
        let rows = [
            ("a:1", "a"),
            ("[::1]:2", "::1"),
            ("::1", "::1"),
            ("h", "h"),
            ("1.2.3.4:5", "1.2.3.4"),
        ];
        for (given, host) in rows {
            assert_eq!(bare(given), host);
        }
    }
}
