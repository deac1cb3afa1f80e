//! The check of a certificate that a client shows.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::{Allowed, Signatures, Usage, trusted_itself};
use crate::revoked::Revoked;

/// A certificate is demanded; its chain, its serials and its name are looked at.
#[derive(Debug)]
pub(crate) struct ClientCheck {
    /// `None` when nobody is trusted at all.
    pub(crate) chain: Option<Arc<dyn ClientCertVerifier>>,
    pub(crate) trusted: Vec<CertificateDer<'static>>,
    pub(crate) revoked: Revoked,
    pub(crate) allowed: Allowed,
    pub(crate) signatures: Signatures,
}

impl ClientCertVerifier for ClientCheck {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |chain| chain.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match (trusted_itself(leaf, &self.trusted, Usage::Client, now), &self.chain) {
            (Some(judged), _) => judged?,
            (None, Some(chain)) => {
                chain.verify_client_cert(leaf, others, now)?;
            }
            (None, None) => return Err(CertificateError::UnknownIssuer.into()),
        }
        if let Some(serial) = self.revoked.find(std::iter::once(leaf).chain(others)) {
            tracing::warn!(serial, "a client showed a revoked certificate");
            return Err(CertificateError::Revoked.into());
        }
        self.allowed.judge(leaf)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls12(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls13(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
