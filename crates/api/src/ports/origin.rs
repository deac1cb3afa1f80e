//! Who is at the other end of a connection.

use std::net::SocketAddr;

use super::ClientName;

/// Who is at the other end of a connection; the same for all calls on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its address; none for a unix socket.
    pub remote: Option<SocketAddr>,
    /// What its certificate says, where one was asked for and checked.
    pub name: Option<ClientName>,
    /// The connection is encrypted.
    pub is_secure: bool,
}
