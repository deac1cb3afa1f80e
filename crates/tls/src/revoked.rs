//! Revoked serial numbers. As etcd does it: every serial of the shown chain is looked up, whoever
//! issued it, and the list's own signature is not asked for.

use std::collections::BTreeSet;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use crate::{Error, files};

/// Serial numbers without leading zeros.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revoked(BTreeSet<Vec<u8>>);

impl Revoked {
    /// Reads a list, PEM or DER. Several PEM blocks add up.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        let wrong = |reason: &str| Error::Content {
            path: path.to_owned(),
            reason: format!("x509: malformed crl: {reason}"),
        };
        let blocks: Result<Vec<_>, _> =
            CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
        let mut lists: Vec<Vec<u8>> = blocks
            .map_err(|_| wrong("damaged PEM"))?
            .iter()
            .map(|block| block.as_ref().to_vec())
            .collect();
        if lists.is_empty() {
            lists.push(bytes);
        }
        let mut serials = BTreeSet::new();
        for list in &lists {
            let (_, list) = CertificateRevocationList::from_der(list)
                .map_err(|_| wrong("neither PEM nor DER of a revocation list"))?;
            serials.extend(list.iter_revoked_certificates().map(|entry| trim(entry.raw_serial())));
        }
        Ok(Self(serials))
    }

    /// The first serial of these that is revoked, in hexadecimal.
    pub(crate) fn find<'a>(
        &self,
        chain: impl Iterator<Item = &'a CertificateDer<'a>>,
    ) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        chain
            .filter_map(|certificate| X509Certificate::from_der(certificate).ok())
            .map(|(_, certificate)| trim(certificate.raw_serial()))
            .find(|serial| self.0.contains(serial))
            .map(|serial| hex(&serial))
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn trim(serial: &[u8]) -> Vec<u8> {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    serial[zeros..].to_vec()
}
