//! What a verified certificate says about the other side.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::revoked;

/// The readable part of a leaf certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Common name of the subject; empty if there is none. With several the last, as in Go.
    pub common_name: String,
    /// DNS names it is for.
    pub dns_names: Vec<String>,
    /// Addresses it is for.
    pub ips: Vec<IpAddr>,
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
}

impl PeerCertificate {
    /// Reads a certificate; nothing if it is none.
    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let common_name = parsed.subject().iter_common_name().last();
        let mut read = Self {
            common_name: common_name.and_then(|name| name.as_str().ok()).unwrap_or("").to_owned(),
            serial: revoked::hex(&revoked::trim(parsed.raw_serial())),
            ..Self::default()
        };
        let names = parsed.subject_alternative_name().ok().flatten();
        for name in names.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => read.dns_names.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => read.ips.extend(address(bytes)),
                _ => {}
            }
        }
        Some(read)
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| IpAddr::from(sixteen).to_canonical())
}
