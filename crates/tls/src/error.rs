//! Why a configuration or a handshake is refused.

use std::io;
use std::path::PathBuf;

use crate::PeerCertificate;

/// A configuration that cannot be used. Texts are etcd's where it has them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read.
    #[error("open {}: {}", path.display(), system_words(cause))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file that holds something else than it should.
    #[error("{reason} ({})", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of ours that cannot be written.
    #[error("cannot write {}: {}", path.display(), system_words(cause))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Only one of certificate and key was given.
    #[error("KeyFile and CertFile must both be present[key: {key}, cert: {cert}]")]
    Pair {
        /// Path of the key, or nothing.
        key: String,
        /// Path of the certificate, or nothing.
        cert: String,
    },
    /// Only one of client certificate and client key was given. The bracket is etcd's.
    #[error(
        "ClientKeyFile and ClientCertFile must both be present or both absent: \
         key: {key}, cert: {cert}]"
    )]
    ClientPair {
        /// Path of the key, or nothing.
        key: String,
        /// Path of the certificate, or nothing.
        cert: String,
    },
    /// A listener without a certificate.
    #[error("KeyFile and CertFile are not presented")]
    NoCertificate,
    /// A name that is no cipher suite of Go's.
    #[error("unexpected TLS cipher suite \"{0}\"")]
    CipherSuite(String),
    /// Only suites that are not implemented here.
    #[error("none of the TLS cipher suites is supported: {0}")]
    NoCipherSuite(String),
    /// HTTP/2 demands one of two suites.
    #[error(
        "http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher \
         (need at least one of TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or \
         TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)"
    )]
    CipherSuiteForHttp2,
    /// Suites of TLS 1.3 are not for choosing.
    #[error("cipher suites cannot be configured when only TLS1.3 is enabled")]
    CipherSuitesWithTls13,
    /// A version that is not one.
    #[error("unexpected TLS version \"{0}\" (must be one of: TLS1.2, TLS1.3)")]
    Version(String),
    /// Versions in the wrong order.
    #[error("min version ({min}) is greater than max version ({max})")]
    VersionOrder {
        /// Least version.
        min: String,
        /// Greatest version.
        max: String,
    },
    /// Common names and host names at once.
    #[error(
        "AllowedCNs and AllowedHostnames are mutually exclusive \
         (cns=[{names}], hostnames=[{hosts}])"
    )]
    AllowedBoth {
        /// Quoted common names.
        names: String,
        /// Quoted host names.
        hosts: String,
    },
    /// A validity of no years.
    #[error("selfSignedCertValidity is invalid,it should be greater than 0")]
    Validity,
    /// The certificate of our own cannot be made.
    #[error("cannot make a self-signed certificate: {0}")]
    SelfSigned(String),
    /// The TLS library refuses the whole.
    #[error("tls configuration is refused: {0}")]
    Library(String),
}

impl Error {
    /// The text as etcd's tools print it: without the path where they print none.
    pub fn in_etcds_words(&self) -> String {
        match self {
            Self::Content { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }
}

/// A connection that could not be secured, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The other side was too slow.
    #[error("tls: handshake timed out after {after_ms} ms")]
    Timeout {
        /// The limit, in milliseconds.
        after_ms: u64,
    },
    /// Too many handshakes at once, and this was the oldest.
    #[error("tls: handshake gave way to newer ones (at most {max} at a time)")]
    GaveWay {
        /// Bound of the listener, in handshakes.
        max: usize,
    },
    /// The name to connect to is no host name and no address.
    #[error("tls: \"{0}\" is not a server name")]
    ServerName(String),
    /// The certificate does not belong to the address it came from.
    #[error("{reason}")]
    Address {
        /// etcd's sentence.
        reason: String,
        /// The certificate that was shown; etcd's log line tells its names.
        peer: Box<PeerCertificate>,
    },
    /// The protocol failed; the text says how.
    #[error("{0}")]
    Protocol(String),
}

/// The system's words as Go shows them: small, without the number.
fn system_words(cause: &io::Error) -> String {
    let text = cause.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().collect::<String>() + letters.as_str()
    })
}
