//! Cipher suites by Go's names, and the crypto provider that knows the chosen ones.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CipherSuite, SupportedProtocolVersion, version};

use crate::{Alpn, Error, Rules, Version};

/// Go's name and, where it is implemented here, the suite.
const SUITES: &[(&str, Option<CipherSuite>)] = &[
    ("TLS_AES_128_GCM_SHA256", Some(CipherSuite::TLS13_AES_128_GCM_SHA256)),
    ("TLS_AES_256_GCM_SHA384", Some(CipherSuite::TLS13_AES_256_GCM_SHA384)),
    ("TLS_CHACHA20_POLY1305_SHA256", Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256)),
    (ECDSA_AES_128, Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)),
    (RSA_AES_128, Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", Some(ECDSA_CHACHA)),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", Some(RSA_CHACHA)),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", Some(ECDSA_CHACHA)),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", Some(RSA_CHACHA)),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", None),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", None),
    ("TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", None),
    ("TLS_ECDHE_RSA_WITH_RC4_128_SHA", None),
    ("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", None),
    ("TLS_RSA_WITH_RC4_128_SHA", None),
    ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", None),
    ("TLS_RSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_RSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_RSA_WITH_AES_128_CBC_SHA256", None),
    ("TLS_RSA_WITH_AES_128_GCM_SHA256", None),
    ("TLS_RSA_WITH_AES_256_GCM_SHA384", None),
];

const ECDSA_AES_128: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
const RSA_AES_128: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
const ECDSA_CHACHA: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
const RSA_CHACHA: CipherSuite = CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256;

/// Refuses names that Go does not know, and lists that leave nothing to speak with.
pub(crate) fn check(names: &[String], alpn: Alpn) -> Result<(), Error> {
    for name in names {
        if !SUITES.iter().any(|(known, _)| known == name) {
            return Err(Error::CipherSuite(name.clone()));
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    let required = |name: &String| name == ECDSA_AES_128 || name == RSA_AES_128;
    if alpn == Alpn::Clients && !names.iter().any(required) {
        return Err(Error::CipherSuiteForHttp2);
    }
    if names.iter().all(|name| suite(name).is_none()) {
        return Err(Error::NoCipherSuite(names.join(",")));
    }
    Ok(())
}

/// The provider with the chosen TLS 1.2 suites; those of TLS 1.3 are always there, as in Go.
pub(crate) fn provider(names: &[String]) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if !names.is_empty() {
        let chosen: Vec<_> = names.iter().filter_map(|name| suite(name)).collect();
        provider
            .cipher_suites
            .retain(|known| known.tls13().is_some() || chosen.contains(&known.suite()));
    }
    provider
}

/// The versions that the rules leave.
pub(crate) fn versions(rules: &Rules) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(Version::Tls13, &version::TLS13), (Version::Tls12, &version::TLS12)];
    all.into_iter().filter(|(which, _)| rules.has_version(*which)).map(|(_, known)| known).collect()
}

fn suite(name: &str) -> Option<CipherSuite> {
    SUITES.iter().find(|(known, _)| *known == name).and_then(|(_, suite)| *suite)
}
