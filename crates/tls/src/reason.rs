//! One line for why a handshake failed, in the words Go's TLS uses, which etcd's users know.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use crate::HandshakeError;

/// The reason behind an error of a secured stream, in one line and in Go's words: what the other
/// side objected to often comes only with the first read.
pub fn explain(error: &io::Error) -> String {
    of(error).to_string()
}

/// The reason behind an input or output error of a TLS stream, handshake or later.
pub(crate) fn of(error: &io::Error) -> HandshakeError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    HandshakeError::Protocol(match inner {
        Some(inner) => words(inner),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        None => error.to_string(),
    })
}

pub(crate) fn timeout(limit: Duration) -> HandshakeError {
    HandshakeError::Timeout { after_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) }
}

fn words(error: &Error) -> String {
    match error {
        Error::NoCertificatesPresented => "tls: client didn't provide a certificate".to_owned(),
        Error::InvalidCertificate(why) => certificate(why),
        Error::AlertReceived(alert) => format!("remote error: tls: {}", said(*alert)),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "tls: first record does not look like a TLS handshake".to_owned(),
        Error::PeerIncompatible(why) => incompatible(why),
        other => format!("tls: {other}"),
    }
}

fn certificate(why: &CertificateError) -> String {
    let text = match why {
        CertificateError::UnknownIssuer => "certificate signed by unknown authority".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate has expired or is not yet valid: it has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate has expired or is not yet valid: it is not yet valid".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "certificate specifies an incompatible key usage".to_owned()
        }
        CertificateError::Revoked => return "transport: certificate serial revoked".to_owned(),
        CertificateError::ApplicationVerificationFailure => {
            return "client certificate authentication failed".to_owned();
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            if presented.is_empty() {
                format!("certificate is not valid for any names, but wanted to match {expected}")
            } else {
                let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
                format!("certificate is valid for {}, not {expected}", names.join(", "))
            }
        }
        other => other.to_string(),
    };
    format!("tls: failed to verify certificate: x509: {text}")
}

/// A name without the kind around it.
fn bare(presented: &str) -> &str {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"')
}

fn incompatible(why: &PeerIncompatible) -> String {
    match why {
        PeerIncompatible::NoCipherSuitesInCommon => {
            "tls: no cipher suite supported by both client and server".to_owned()
        }
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::Tls13RequiredForQuic
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
            "tls: no protocol version supported by both client and server".to_owned()
        }
        other => format!("tls: {other:?}"),
    }
}

/// Go's words for an alert.
fn said(alert: AlertDescription) -> String {
    let words = match alert {
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::UnsupportedCertificate => "unsupported certificate",
        AlertDescription::CertificateRevoked => "revoked certificate",
        AlertDescription::CertificateExpired => "expired certificate",
        AlertDescription::CertificateUnknown => "unknown certificate",
        AlertDescription::UnknownCA => "unknown certificate authority",
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::ProtocolVersion => "protocol version not supported",
        AlertDescription::InsufficientSecurity => "insufficient security level",
        AlertDescription::InternalError => "internal error",
        AlertDescription::CertificateRequired => "certificate required",
        AlertDescription::NoApplicationProtocol => "no application protocol",
        AlertDescription::UnrecognisedName => "unrecognized name",
        other => return format!("{other:?}"),
    };
    words.to_owned()
}
