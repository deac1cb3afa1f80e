//! The check of a certificate that a server shows.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::{Algorithms, Allowed, Usage, trusted_itself};

/// Chain and host name, unless told to believe anything.
#[derive(Debug)]
pub(crate) struct ServerCheck {
    /// `None` when nobody is trusted at all.
    pub(crate) chain: Option<Arc<dyn ServerCertVerifier>>,
    pub(crate) trusted: Vec<CertificateDer<'static>>,
    pub(crate) allowed: Allowed,
    pub(crate) believe_anything: bool,
    pub(crate) algorithms: Algorithms,
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
        self.allowed.judge(leaf)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
