//! The TLS flags, typed: files and rules of the two kinds of listeners.

use std::path::PathBuf;

use ketch_tls::{Files, Rules, Version};

use super::ConfigError;
use super::sources::{Settings, boolean};

/// What clients and members are shown, and what is demanded of them.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    pub(crate) clients: Side,
    pub(crate) peers: Side,
    /// Of certificates made here, in years.
    pub(crate) self_signed_years: u32,
}

/// One kind of listener.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) files: Files,
    pub(crate) rules: Rules,
    /// A certificate is made where none is given.
    pub(crate) is_auto: bool,
}

impl Side {
    /// Neither certificate nor key is given.
    pub(crate) fn is_bare(&self) -> bool {
        self.files.cert.is_none() && self.files.key.is_none()
    }
}

/// Reads the flags and checks what needs no file, in etcd's order.
pub(super) fn resolve(settings: &Settings) -> Result<Transport, ConfigError> {
    let version = |name: &str| match settings.get(name) {
        "" => Ok(None),
        text => text.parse::<Version>().map(Some),
    };
    let verify = |error: ketch_tls::Error| ConfigError::Verify(error.to_string());
    let min = version("tls-min-version").map_err(verify)?;
    let max = version("tls-max-version").map_err(verify)?;
    let common =
        Rules { min, max, cipher_suites: listed(settings, "cipher-suites"), ..Rules::default() };
    if let Err(
        error @ (ketch_tls::Error::VersionOrder { .. } | ketch_tls::Error::CipherSuitesWithTls13),
    ) = common.check(ketch_tls::Alpn::Peers)
    {
        return Err(verify(error));
    }
    Ok(Transport {
        clients: clients(settings, &common),
        peers: peers(settings, &common),
        self_signed_years: settings.get("self-signed-cert-validity").parse().unwrap_or(u32::MAX),
    })
}

fn clients(settings: &Settings, common: &Rules) -> Side {
    let file = |name: &str| path(settings, name);
    let files = Files {
        cert: file("cert-file"),
        key: file("key-file"),
        trusted_ca: file("trusted-ca-file"),
        crl: file("client-crl-file"),
        client_cert: file("client-cert-file"),
        client_key: file("client-key-file"),
    };
    let rules = Rules {
        require_client_cert: on(settings, "client-cert-auth"),
        allowed_cn: listed(settings, "client-cert-allowed-cn"),
        allowed_hostname: listed(settings, "client-cert-allowed-hostname"),
        ..common.clone()
    };
    Side { files, rules, is_auto: on(settings, "auto-tls") }
}

fn peers(settings: &Settings, common: &Rules) -> Side {
    let file = |name: &str| path(settings, name);
    let files = Files {
        cert: file("peer-cert-file"),
        key: file("peer-key-file"),
        trusted_ca: file("peer-trusted-ca-file"),
        crl: file("peer-crl-file"),
        client_cert: file("peer-client-cert-file"),
        client_key: file("peer-client-key-file"),
    };
    let rules = Rules {
        require_client_cert: on(settings, "peer-client-cert-auth"),
        allowed_cn: listed(settings, "peer-cert-allowed-cn"),
        allowed_hostname: listed(settings, "peer-cert-allowed-hostname"),
        skip_client_san: on(settings, "peer-skip-client-san-verification"),
        ..common.clone()
    };
    Side { files, rules, is_auto: on(settings, "peer-auto-tls") }
}

/// The path a flag names, if any.
pub(super) fn path(settings: &Settings, name: &str) -> Option<PathBuf> {
    Some(settings.get(name)).filter(|text| !text.is_empty()).map(PathBuf::from)
}

fn on(settings: &Settings, name: &str) -> bool {
    boolean(settings.get(name)).unwrap_or(false)
}

/// Words in the order they were given.
fn listed(settings: &Settings, name: &str) -> Vec<String> {
    let words = settings.get(name).split(',').map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
