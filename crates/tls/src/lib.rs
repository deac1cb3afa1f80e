//! Transport security: certificates, who is let in, and their reload, behind one door to rustls.
//!
//! An [`Identity`] holds what the files say now. Its [`Acceptor`] and [`Connector`] secure any byte
//! stream; each new handshake uses the newest state, running connections keep theirs.
//!
//! Invariant: knows no HTTP, no gRPC, no flag parser and no socket address of ours.
//! Invariant: key material never stands in a text; errors name the file and the cause.
//! Invariant: a reload that fails changes nothing.
//! Invariant: sessions are never resumed, so every connection passes the checks in force.
//!
//! ```no_run
//! # async fn example(socket: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
//! use ketch_tls::{Alpn, Files, Identity, Rules, limits};
//!
//! let files = Files {
//!     cert: Some("server.crt".into()),
//!     key: Some("server.key".into()),
//!     trusted_ca: Some("ca.crt".into()),
//!     ..Files::default()
//! };
//! let identity = Identity::load(files, Rules::default(), Alpn::Clients)?;
//! tokio::spawn(identity.clone().watch(limits::RELOAD_PERIOD));
//! let remote = socket.peer_addr().ok();
//! let accepted = identity.acceptor()?.accept(socket, remote, limits::HANDSHAKE_TIMEOUT).await?;
//! println!("{:?}", accepted.peer.map(|peer| peer.common_name));
//! # Ok(()) }
//! ```

mod accept;
#[cfg(feature = "testing")]
pub mod authority;
pub mod auto;
mod check;
mod cipher;
mod connect;
mod error;
mod files;
mod half_open;
mod identity;
pub mod limits;
mod peer_certificate;
mod reason;
mod revoked;
mod roots;
mod rules;
mod san;
mod state;
mod stream;

pub use accept::{Accepted, Acceptor};
pub use connect::Connector;
pub use error::{Error, HandshakeError};
pub use files::Files;
pub use identity::Identity;
pub use peer_certificate::PeerCertificate;
pub use reason::explain;
pub use rules::{Alpn, Rules, Version};
pub use stream::Stream;
pub use tokio_rustls::TlsStream;
