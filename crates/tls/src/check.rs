//! Whether a certificate is believed: the chain, revocation, and the names that are let in.

mod client;
mod server;

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::verify_server_name;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use crate::peer_certificate::PeerCertificate;

pub(crate) use client::ClientCheck;
pub(crate) use server::ServerCheck;

/// Names that are let in; all if both lists are empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    pub(crate) common_names: Vec<String>,
    pub(crate) hosts: Vec<String>,
}

impl Allowed {
    fn judge(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        if self.common_names.is_empty() && self.hosts.is_empty() {
            return Ok(());
        }
        let read = PeerCertificate::read(leaf).ok_or(CertificateError::BadEncoding)?;
        let named = self.common_names.contains(&read.common_name);
        let parsed = ParsedCertificate::try_from(leaf)?;
        let hosted = self.hosts.iter().any(|host| {
            ServerName::try_from(host.as_str())
                .is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
        });
        if named || hosted {
            return Ok(());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }
}

/// What a certificate is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    Client,
    Server,
}

/// A leaf that is itself among the trusted certificates needs no chain, even when it calls itself
/// an authority; etcd's self-signed ones do. `None`: it is not among them.
fn trusted_itself(
    leaf: &CertificateDer<'_>,
    trusted: &[CertificateDer<'static>],
    usage: Usage,
    now: UnixTime,
) -> Option<Result<(), Error>> {
    trusted.iter().any(|known| known == leaf).then(|| in_force(leaf, usage, now))
}

fn in_force(leaf: &CertificateDer<'_>, usage: Usage, now: UnixTime) -> Result<(), Error> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).map_err(|_| Error::FailedToGetCurrentTime)?;
    let now = ASN1Time::from_timestamp(now).map_err(|_| Error::FailedToGetCurrentTime)?;
    if now < parsed.validity().not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > parsed.validity().not_after {
        return Err(CertificateError::Expired.into());
    }
    let usages = parsed.extended_key_usage().map_err(|_| CertificateError::BadEncoding)?;
    let fits = usages.is_none_or(|usages| {
        let usages = usages.value;
        usages.any
            || match usage {
                Usage::Client => usages.client_auth,
                Usage::Server => usages.server_auth,
            }
    });
    if fits { Ok(()) } else { Err(CertificateError::InvalidPurpose.into()) }
}

/// The proof that the other side has the key of its certificate, the same in both checks.
#[derive(Clone, Debug)]
pub(crate) struct Signatures(Arc<WebPkiSupportedAlgorithms>);

impl Signatures {
    /// By the algorithms of the one provider.
    pub(crate) fn of(provider: &CryptoProvider) -> Self {
        Self(Arc::new(provider.signature_verification_algorithms))
    }

    fn tls12(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signed, &self.0)
    }

    fn tls13(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.0)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
