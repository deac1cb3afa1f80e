//! What is demanded of the other side, and of the protocol.

use std::str::FromStr;

use crate::{Error, cipher};

/// A protocol version. TLS 1.0 and 1.1 are not spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl Version {
    /// The name in flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "TLS1.2",
            Self::Tls13 => "TLS1.3",
        }
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "TLS1.2" => Ok(Self::Tls12),
            "TLS1.3" => Ok(Self::Tls13),
            _ => Err(Error::Version(text.to_owned())),
        }
    }
}

/// Who speaks over the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// Clients: HTTP/2 and HTTP/1.1.
    Clients,
    /// Members: HTTP/1.1. Only here the SAN of a client certificate is held against the address it
    /// comes from, as etcd does.
    Peers,
}

impl Alpn {
    pub(crate) fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Clients => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::Peers => vec![b"http/1.1".to_vec()],
        }
    }
}

/// The rules of one listener and of the connections that go out beside it.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Clients must show a verified certificate. A trusted CA file demands it as well.
    pub require_client_cert: bool,
    /// If any: the common name of the other side must be one of these.
    pub allowed_cn: Vec<String>,
    /// If any: the certificate of the other side must be valid for one of these host names.
    pub allowed_hostname: Vec<String>,
    /// Least version; TLS 1.2 if none.
    pub min: Option<Version>,
    /// Greatest version; TLS 1.3 if none.
    pub max: Option<Version>,
    /// Go's names of TLS 1.2 suites; all if empty.
    pub cipher_suites: Vec<String>,
    /// Members only: do not hold SANs against the address of a client.
    pub skip_client_san: bool,
    /// Outgoing: the name the server must have, instead of the host that was dialled.
    pub server_name: Option<String>,
    /// Outgoing: believe any certificate.
    pub insecure_skip_verify: bool,
}

impl Rules {
    /// Checks what needs no file.
    ///
    /// # Errors
    /// Versions in the wrong order, suites that are unknown, unusable or not for choosing, and
    /// common names together with host names.
    pub fn check(&self, alpn: Alpn) -> Result<(), Error> {
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            let (min, max) = (min.name().to_owned(), max.name().to_owned());
            return Err(Error::VersionOrder { min, max });
        }
        if !self.cipher_suites.is_empty() && self.min == Some(Version::Tls13) {
            return Err(Error::CipherSuitesWithTls13);
        }
        if !self.allowed_cn.is_empty() && !self.allowed_hostname.is_empty() {
            let (names, hosts) = (quoted(&self.allowed_cn), quoted(&self.allowed_hostname));
            return Err(Error::AllowedBoth { names, hosts });
        }
        cipher::check(&self.cipher_suites, alpn)
    }

    pub(crate) fn has_version(&self, version: Version) -> bool {
        self.min.is_none_or(|min| min <= version) && self.max.is_none_or(|max| version <= max)
    }
}

/// A list as Go shows it: quoted, with blanks between.
pub(crate) fn quoted(items: &[String]) -> String {
    items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(" ")
}
