//! Whom we trust: a file, or the authorities of the system.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::{Error, files};

/// Trusted certificates: as anchors, and whole for the case that the other side shows one itself.
#[derive(Debug)]
pub(crate) struct Roots {
    pub(crate) store: RootCertStore,
    pub(crate) whole: Vec<CertificateDer<'static>>,
}

/// Where distributions keep their bundle.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The roots of a file; each certificate in it must be one.
pub(crate) fn of_file(path: &Path) -> Result<Roots, Error> {
    let whole = files::certificates(path)?;
    let mut store = RootCertStore::empty();
    for certificate in &whole {
        store.add(certificate.clone()).map_err(|error| Error::Content {
            path: path.to_owned(),
            reason: format!("tls: bad authority: {error}"),
        })?;
    }
    Ok(Roots { store, whole })
}

/// The roots of the system: `SSL_CERT_FILE`, else the first bundle found, else none at all. What
/// cannot be read as a certificate is passed over, as other programs do.
pub(crate) fn of_system() -> Roots {
    let named = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
    let known = BUNDLES.iter().map(std::path::PathBuf::from);
    let bundle = named.into_iter().chain(known).find(|path| path.is_file());
    let found = bundle.and_then(|path| files::certificates(&path).ok()).unwrap_or_default();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found);
    Roots { store, whole: Vec::new() }
}
