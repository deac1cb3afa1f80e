//! What handshakes work with: built whole from the files, or not at all.

use std::path::Path;
use std::sync::Arc;

use rustls::client::{ClientConfig, Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::check::{Allowed, ClientCheck, ServerCheck, Signatures};
use crate::revoked::Revoked;
use crate::roots::{self, Roots};
use crate::{Alpn, Error, Files, Rules, cipher, files};

/// The two sides of one identity.
#[derive(Debug)]
pub(crate) struct State {
    /// `None` without a certificate.
    pub(crate) server: Option<Arc<ServerConfig>>,
    pub(crate) client: Arc<ClientConfig>,
}

impl State {
    pub(crate) fn build(files: &Files, rules: &Rules, alpn: Alpn) -> Result<Self, Error> {
        let provider = Arc::new(cipher::provider(&rules.cipher_suites));
        let own = pair(files.cert.as_deref(), files.key.as_deref(), &provider)?;
        let shown = pair(files.client_cert.as_deref(), files.client_key.as_deref(), &provider)?;
        let roots = match &files.trusted_ca {
            Some(path) => roots::of_file(path)?,
            None => roots::of_system(),
        };
        let revoked = files.crl.as_deref().map(Revoked::read).transpose()?.unwrap_or_default();
        let draft = Draft { files, rules, alpn, provider, roots, revoked };
        let server = own.clone().map(|own| draft.server(own)).transpose()?;
        Ok(Self { server, client: draft.client(shown.or(own))? })
    }
}

struct Draft<'a> {
    files: &'a Files,
    rules: &'a Rules,
    alpn: Alpn,
    provider: Arc<CryptoProvider>,
    roots: Roots,
    revoked: Revoked,
}

impl Draft<'_> {
    fn server(&self, own: Arc<CertifiedKey>) -> Result<Arc<ServerConfig>, Error> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&cipher::versions(self.rules))
            .map_err(library)?;
        let demanded = self.rules.require_client_cert || self.files.trusted_ca.is_some();
        let builder = if demanded {
            builder.with_client_cert_verifier(Arc::new(self.client_check()?))
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
        config.alpn_protocols = self.alpn.protocols();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    fn client_check(&self) -> Result<ClientCheck, Error> {
        let store = Arc::new(self.roots.store.clone());
        let chain = match store.is_empty() {
            true => None,
            false => Some(
                WebPkiClientVerifier::builder_with_provider(store, self.provider.clone())
                    .build()
                    .map_err(|error| Error::Library(error.to_string()))?,
            ),
        };
        Ok(ClientCheck {
            chain,
            trusted: self.roots.whole.clone(),
            revoked: self.revoked.clone(),
            allowed: self.allowed(),
            signatures: Signatures::of(&self.provider),
        })
    }

    fn client(&self, shown: Option<Arc<CertifiedKey>>) -> Result<Arc<ClientConfig>, Error> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&cipher::versions(self.rules))
            .map_err(library)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.server_check()?));
        let mut config = match shown {
            Some(shown) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = match self.alpn {
            Alpn::Clients => vec![b"h2".to_vec()],
            Alpn::Peers => vec![b"http/1.1".to_vec()],
        };
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    fn server_check(&self) -> Result<ServerCheck, Error> {
        let store = Arc::new(self.roots.store.clone());
        let chain = match store.is_empty() {
            true => None,
            false => {
                let built =
                    WebPkiServerVerifier::builder_with_provider(store, self.provider.clone())
                        .build()
                        .map_err(|error| Error::Library(error.to_string()))?;
                Some(built as Arc<dyn rustls::client::danger::ServerCertVerifier>)
            }
        };
        Ok(ServerCheck {
            chain,
            trusted: self.roots.whole.clone(),
            revoked: self.revoked.clone(),
            allowed: self.allowed(),
            believe_anything: self.rules.insecure_skip_verify,
            signatures: Signatures::of(&self.provider),
        })
    }

    fn allowed(&self) -> Allowed {
        Allowed {
            common_names: self.rules.allowed_cn.clone(),
            hosts: self.rules.allowed_hostname.clone(),
        }
    }
}

/// A certificate with its key, checked to belong together.
fn pair(
    cert: Option<&Path>,
    key: Option<&Path>,
    provider: &CryptoProvider,
) -> Result<Option<Arc<CertifiedKey>>, Error> {
    let (Some(cert), Some(key)) = (cert, key) else { return Ok(None) };
    let chain = files::certificates(cert)?;
    let wrong = |reason: &str| Error::Content { path: key.to_owned(), reason: reason.to_owned() };
    let signer = provider
        .key_provider
        .load_private_key(files::key(key)?)
        .map_err(|_| wrong("tls: failed to parse private key"))?;
    let pair = CertifiedKey::new(chain, signer);
    match pair.keys_match() {
        Ok(()) => Ok(Some(Arc::new(pair))),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Some(Arc::new(pair)))
        }
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(wrong("tls: private key does not match public key"))
        }
        Err(error) => Err(Error::Content {
            path: cert.to_owned(),
            reason: format!("tls: failed to parse certificate: {error}"),
        }),
    }
}

fn library(error: rustls::Error) -> Error {
    Error::Library(error.to_string())
}
