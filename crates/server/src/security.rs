//! What the two kinds of listeners show and demand, read from the files that the flags name.

use std::path::Path;
use std::sync::Arc;

use ketch_tls::{Alpn, Error, Files, Identity, Rules, auto};

use crate::config::transport::{Side, Transport};
use crate::config::{Address, Config, ListenUrl};

/// Identities of the two kinds of listeners; `None`: in clear.
#[derive(Clone)]
pub(crate) struct Security {
    /// Of client listeners with `https` or `unixs`; those with `http` stay in clear.
    pub(crate) clients: Option<Arc<Identity>>,
    /// Of the peer port, and of connections to other members. A peer URL with `http` is in clear
    /// all the same.
    pub(crate) peers: Option<Arc<Identity>>,
}

/// Why there is no TLS as asked for. Texts are etcd's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecurityError {
    /// A peer URL without a certificate for it.
    #[error("cannot listen on TLS for {0}: KeyFile and CertFile are not presented")]
    PeerCertificate(String),
    /// A client URL without a certificate for it.
    #[error(
        "TLS key/cert (--cert-file, --key-file) must be provided for client url {0} with HTTPS \
         scheme"
    )]
    ClientCertificate(String),
    /// The certificate of `--auto-tls` or `--peer-auto-tls` cannot be made.
    #[error("{cause}")]
    SelfSigned {
        /// What the log line says.
        message: &'static str,
        /// Why.
        cause: Error,
    },
    /// The files or rules of members.
    #[error(transparent)]
    Peers(Error),
    /// The files or rules of clients.
    #[error(transparent)]
    Clients(Error),
}

impl SecurityError {
    /// The message of the line that ends the start, as etcd's.
    pub(crate) fn message(&self) -> &'static str {
        match self {
            Self::SelfSigned { message, .. } => message,
            Self::Clients(_) => "listener failed",
            _ => "discovery failed",
        }
    }
}

impl Security {
    /// Reads files, and makes those of `--auto-tls` and `--peer-auto-tls`, in etcd's order.
    ///
    /// # Errors
    /// See [`SecurityError`].
    pub(crate) fn load(config: &Config) -> Result<Self, SecurityError> {
        let Transport { clients, peers, self_signed_years: years } = &config.transport;
        check_suites(&peers.rules).map_err(SecurityError::Peers)?;
        let made = Made { data_dir: &config.data_dir, years: *years };
        let peers = made.complete(peers, &Kind::PEERS, &config.listen_peer_urls)?;
        warn_of_clear_peers(&peers, &config.listen_peer_urls);
        if peers.is_bare()
            && let Some(url) = config.listen_peer_urls.iter().find(|url| url.is_secure)
        {
            return Err(SecurityError::PeerCertificate(url.to_string()));
        }
        let client_urls = config.client_urls();
        let clients = made.complete(clients, &Kind::CLIENTS, &client_urls)?;
        let secure = client_urls.iter().chain(&config.listen_metrics_urls);
        let secure = secure.clone().find(|url| url.is_secure);
        if clients.is_bare()
            && let Some(url) = secure
        {
            return Err(SecurityError::ClientCertificate(url.text.clone()));
        }
        warn_of_clear(&clients, &client_urls);
        let peers = match !peers.is_bare() || peers.files.trusted_ca.is_some() {
            true => Some(identity(&peers, Alpn::Peers).map_err(SecurityError::Peers)?),
            false => None,
        };
        let clients = match secure {
            Some(_) => Some(identity(&clients, Alpn::Clients).map_err(SecurityError::Clients)?),
            None => None,
        };
        Ok(Self { clients, peers })
    }
}

/// Suites are looked at even where nothing is served with them; the rest only where it is.
fn check_suites(rules: &Rules) -> Result<(), Error> {
    let cipher_suites = rules.cipher_suites.clone();
    Rules { cipher_suites, ..Rules::default() }.check(Alpn::Peers)
}

/// How certificates are made here.
struct Made<'a> {
    data_dir: &'a Path,
    years: u32,
}

/// One kind of listener, in texts.
struct Kind {
    folder: &'static str,
    failed: &'static str,
    ignored: &'static str,
}

impl Kind {
    const PEERS: Self = Self {
        folder: "fixtures/peer",
        failed: "failed to get peer self-signed certs",
        ignored: "ignoring peer auto TLS since certs given",
    };
    const CLIENTS: Self = Self {
        folder: "fixtures/client",
        failed: "failed to get client self-signed certs",
        ignored: "ignoring client auto TLS since certs given",
    };
}

impl Made<'_> {
    /// With the certificate made here, if one is asked for and none is given.
    fn complete(
        &self,
        side: &Side,
        kind: &Kind,
        urls: &[ListenUrl],
    ) -> Result<Side, SecurityError> {
        let mut side = side.clone();
        if !side.is_auto {
            return Ok(side);
        }
        if !side.is_bare() {
            tracing::warn!("{}", kind.ignored);
            return Ok(side);
        }
        let hosts: Vec<String> = urls.iter().filter_map(host).collect();
        let directory = self.data_dir.join(kind.folder);
        let made = auto::self_signed(&directory, &hosts, self.years)
            .map_err(|cause| SecurityError::SelfSigned { message: kind.failed, cause })?;
        side.files = Files { cert: made.cert, key: made.key, ..side.files };
        // Members of one cluster have no authority in common then (etcd).
        side.rules.insecure_skip_verify = true;
        Ok(side)
    }
}

/// What a certificate of our own is valid for.
fn host(url: &ListenUrl) -> Option<String> {
    match url.address {
        Address::Tcp(_) => {
            let host = url.to_string();
            Some(host.rsplit_once(':').map_or(host.clone(), |(host, _)| host.to_owned()))
        }
        Address::Unix(_) => None,
    }
}

fn identity(side: &Side, alpn: Alpn) -> Result<Arc<Identity>, Error> {
    let identity = Identity::load(side.files.clone(), side.rules.clone(), alpn)?;
    let message = match alpn {
        Alpn::Clients => "starting with client TLS",
        Alpn::Peers => "starting with peer TLS",
    };
    let suites = &side.rules.cipher_suites;
    tracing::info!(tls_info = %described(side), cipher_suites = ?suites, "{message}");
    Ok(identity)
}

/// As etcd's log line has it.
fn described(side: &Side) -> String {
    let Files { cert, key, trusted_ca, crl, client_cert, client_key } = &side.files;
    let text = |path: &Option<std::path::PathBuf>| {
        path.as_ref().map_or_else(String::new, |path| path.display().to_string())
    };
    format!(
        "cert = {}, key = {}, client-cert={}, client-key={}, trusted-ca = {}, \
         client-cert-auth = {}, crl-file = {}",
        text(cert),
        text(key),
        text(client_cert),
        text(client_key),
        text(trusted_ca),
        side.rules.require_client_cert,
        text(crl)
    )
}

/// As [`warn_of_clear`], with etcd's other words.
fn warn_of_clear_peers(peers: &Side, urls: &[ListenUrl]) {
    for url in urls.iter().filter(|url| !url.is_secure) {
        if !peers.is_bare() {
            tracing::warn!(
                peer_url = %url.text,
                "scheme is HTTP while key and cert files are present; ignoring key and cert files"
            );
        }
        if peers.rules.require_client_cert {
            tracing::warn!(
                peer_url = %url.text,
                "scheme is HTTP while --peer-client-cert-auth is enabled; \
                 ignoring client cert auth for this URL"
            );
        }
    }
}

/// What was asked for does not hold at every URL; etcd's warnings.
fn warn_of_clear(clients: &Side, urls: &[ListenUrl]) {
    for url in urls.iter().filter(|url| !url.is_secure) {
        if !clients.is_bare() {
            tracing::warn!(
                client_url = %url.text,
                "scheme is http or unix while key and cert files are present; \
                 ignoring key and cert files"
            );
        }
        if clients.rules.require_client_cert {
            tracing::warn!(
                client_url = %url.text,
                "scheme is http or unix while --client-cert-auth is enabled; \
                 ignoring client cert auth for this URL"
            );
        }
    }
}
