//! One driver for both sides: makes files, handshakes, sends a byte each way, says how it went.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ketch_tls::authority::{Authority, Issued, Subject};
use ketch_tls::{Alpn, Files, HandshakeError, Identity, PeerCertificate, Rules};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A directory with an authority `ca.crt`, a server `server.crt` and a client `client.crt`.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) authority: Authority,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { directory: TempDir::new().unwrap(), authority: Authority::new("ca") };
        world.put("ca.crt", world.authority.pem());
        world.issue("server", &Subject::new("server", &["localhost", "127.0.0.1"]));
        world.issue("client", &Subject::new("alice", &["client.example"]).serial(7));
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    pub(crate) fn issue(&self, name: &str, subject: &Subject) -> Issued {
        let issued = self.authority.issue(subject);
        issued.write(self.directory.path(), name);
        issued
    }

    /// Server files that demand client certificates.
    pub(crate) fn mutual(&self) -> Files {
        Files { trusted_ca: Some(self.path("ca.crt")), ..self.pair("server") }
    }

    /// Files of one certificate, trusting the authority.
    pub(crate) fn of(&self, name: &str) -> Files {
        Files { trusted_ca: Some(self.path("ca.crt")), ..self.pair(name) }
    }

    pub(crate) fn pair(&self, name: &str) -> Files {
        Files {
            cert: Some(self.path(&format!("{name}.crt"))),
            key: Some(self.path(&format!("{name}.key"))),
            ..Files::default()
        }
    }

    /// Only the authority.
    pub(crate) fn trusting(&self) -> Files {
        Files { trusted_ca: Some(self.path("ca.crt")), ..Files::default() }
    }
}

pub(crate) fn clients(files: Files, rules: Rules) -> Arc<Identity> {
    Identity::load(files, rules, Alpn::Clients).unwrap()
}

/// How both sides saw one connection.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) server: Result<Option<PeerCertificate>, HandshakeError>,
    /// `ok`, or what the client was told.
    pub(crate) client: String,
}

/// Connects, and sends one byte each way.
pub(crate) async fn meet(server: &Arc<Identity>, client: &Arc<Identity>, host: &str) -> Seen {
    meet_from(server, client, host, None).await
}

pub(crate) async fn meet_from(
    server: &Arc<Identity>,
    client: &Arc<Identity>,
    host: &str,
    remote: Option<SocketAddr>,
) -> Seen {
    let (near, far) = duplex(64 * 1024);
    let (connector, host) = (client.connector(), host.to_owned());
    let dialled = tokio::spawn(async move {
        let mut stream = match connector.connect(&host, near, LIMIT).await {
            Ok(stream) => stream,
            Err(error) => return error.to_string(),
        };
        let mut byte = [0];
        let told = async {
            stream.write_all(b"?").await?;
            stream.flush().await?;
            stream.read_exact(&mut byte).await
        };
        told.await.map_or_else(|error| error.to_string(), |_| "ok".to_owned())
    });
    let accepted = server.acceptor().unwrap().accept(far, remote, LIMIT).await;
    let server = match accepted {
        Ok(mut accepted) => {
            let mut byte = [0];
            accepted.stream.read_exact(&mut byte).await.unwrap();
            accepted.stream.write_all(&byte).await.unwrap();
            accepted.stream.flush().await.unwrap();
            Ok(accepted.peer)
        }
        Err(error) => Err(error),
    };
    Seen { server, client: dialled.await.unwrap() }
}

/// Sends bytes that are no TLS and says what the server makes of them.
pub(crate) async fn babble(server: &Arc<Identity>, bytes: &[u8]) -> String {
    let (mut near, far): (DuplexStream, DuplexStream) = duplex(64 * 1024);
    near.write_all(bytes).await.unwrap();
    near.shutdown().await.unwrap();
    let accepted = server.acceptor().unwrap().accept(far, None, LIMIT).await;
    accepted.map_or_else(|error| error.to_string(), |_| "ok".to_owned())
}

/// Replaces a file at once, as a careful operator does.
pub(crate) fn replace(path: &Path, text: &str) {
    let fresh = path.with_extension("fresh");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(&fresh, path).unwrap();
}
