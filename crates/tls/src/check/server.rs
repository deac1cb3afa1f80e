//! The check of a certificate that a server shows.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::{Allowed, Signatures, Usage, trusted_itself};
use crate::revoked::Revoked;

/// Chain and host name, unless told to believe anything; serials and its name.
#[derive(Debug)]
pub(crate) struct ServerCheck {
    /// `None` when nobody is trusted at all.
    pub(crate) chain: Option<Arc<dyn ServerCertVerifier>>,
    pub(crate) trusted: Vec<CertificateDer<'static>>,
    pub(crate) revoked: Revoked,
    pub(crate) allowed: Allowed,
    pub(crate) believe_anything: bool,
    pub(crate) signatures: Signatures,
}

impl ServerCertVerifier for ServerCheck {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.believe_anything {
            match (trusted_itself(leaf, &self.trusted, Usage::Server, now), &self.chain) {
                (Some(judged), _) => {
                    judged?;
                    verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
                }
                (None, Some(chain)) => {
                    chain.verify_server_cert(leaf, others, name, &[], now)?;
                }
                (None, None) => return Err(CertificateError::UnknownIssuer.into()),
            }
        }
        // Beyond etcd, which dials a member whose certificate it would not let in.
        if let Some(serial) = self.revoked.find(std::iter::once(leaf).chain(others)) {
            tracing::warn!(serial, "a server showed a revoked certificate");
            return Err(CertificateError::Revoked.into());
        }
        self.allowed.judge(leaf)?;
        Ok(ServerCertVerified::assertion())
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
