//! The files of an identity: reading them, and noticing that they changed.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Error, limits};

/// Where everything is. Nothing is required: without a certificate there is no acceptor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Certificate chain, PEM, leaf first.
    pub cert: Option<PathBuf>,
    /// Its key, PEM: PKCS#8, SEC1 or PKCS#1.
    pub key: Option<PathBuf>,
    /// Authorities, PEM; the system's if none.
    pub trusted_ca: Option<PathBuf>,
    /// Revoked serial numbers, PEM or DER.
    pub crl: Option<PathBuf>,
    /// Certificate shown on outgoing connections instead of `cert`.
    pub client_cert: Option<PathBuf>,
    /// Its key.
    pub client_key: Option<PathBuf>,
}

impl Files {
    /// Certificate and key must come together.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let text = |path: &Option<PathBuf>| {
            path.as_ref().map_or_else(String::new, |path| path.display().to_string())
        };
        if self.cert.is_some() != self.key.is_some() {
            return Err(Error::Pair { key: text(&self.key), cert: text(&self.cert) });
        }
        if self.client_cert.is_some() != self.client_key.is_some() {
            let (key, cert) = (text(&self.client_key), text(&self.client_cert));
            return Err(Error::ClientPair { key, cert });
        }
        Ok(())
    }

    pub(crate) fn stamps(&self) -> Stamps {
        let paths = [
            &self.cert,
            &self.key,
            &self.trusted_ca,
            &self.crl,
            &self.client_cert,
            &self.client_key,
        ];
        paths.map(|path| path.as_deref().and_then(stamp))
    }
}

/// What each file looked like from outside.
pub(crate) type Stamps = [Option<Stamp>; 6];

/// Inode, size in bytes, time of change in seconds and nanoseconds.
pub(crate) type Stamp = (u64, u64, i64, i64);

fn stamp(path: &Path) -> Option<Stamp> {
    let seen = std::fs::metadata(path).ok()?;
    Some((seen.ino(), seen.len(), seen.mtime(), seen.mtime_nsec()))
}

/// A file whole, up to the bound.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let open = |cause| Error::Open { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(open)?;
    file.take(limits::FILE_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(open)?;
    if bytes.len() as u64 > limits::FILE_MAX_BYTES {
        return Err(open(io::Error::other("file is too large")));
    }
    Ok(bytes)
}

/// All certificates of a PEM file; at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = read(path)?;
    let wrong = |reason: String| Error::Content { path: path.to_owned(), reason };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| wrong(format!("tls: bad certificate input: {error}")))?;
    if found.is_empty() {
        return Err(wrong("tls: failed to find any PEM data in certificate input".to_owned()));
    }
    Ok(found)
}

/// The key of a PEM file. The error never shows what stands there.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let reason = match error {
            pem::Error::NoItemsFound if has_block(&bytes) => {
                "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input"
            }
            pem::Error::NoItemsFound => "tls: failed to find any PEM data in key input",
            _ => "tls: failed to parse private key",
        };
        Error::Content { path: path.to_owned(), reason: reason.to_owned() }
    })
}

fn has_block(bytes: &[u8]) -> bool {
    bytes.windows(11).any(|window| window == b"-----BEGIN ")
}
