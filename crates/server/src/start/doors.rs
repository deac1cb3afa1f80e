//! The listeners of clients and of metrics: bound, and what each lets in and shows.

use anyhow::{Context, Result, bail};
use ketch_api::Surface;

use crate::config::{Config, ListenUrl};
use crate::lanes::{Door, Lanes, SecureDoor};
use crate::listen::Listening;
use crate::security::Security;

/// A bound listener and how it is served.
pub(super) struct Port {
    listening: Listening,
    door: Door,
}

impl Port {
    /// Serves it from now on.
    pub(super) fn open(self, lanes: &mut Lanes) -> Result<()> {
        Ok(lanes.accept(self.listening, self.door)?)
    }

    /// Tells that clients are served, in etcd's words.
    pub(super) fn announce(&self) {
        let Door { surface, in_clear, secure } = &self.door;
        let traffic = match surface {
            Surface::Grpc => "grpc",
            Surface::Http | Surface::Metrics => "http",
            Surface::All => "grpc+http",
        };
        let address = self.listening.url.to_string();
        if *in_clear {
            tracing::info!(
                traffic,
                address,
                "serving client traffic insecurely; this is strongly discouraged!"
            );
        }
        if secure.is_some() {
            tracing::info!(traffic, address, "serving client traffic securely");
        }
    }
}

/// The ports of clients. URLs with one address share a listener, `http` and `https` as well.
pub(super) fn clients(config: &Config, security: &Security) -> Result<Vec<Port>> {
    let surface = match config.listen_client_http_urls.is_empty() {
        true => Surface::All,
        false => Surface::Grpc,
    };
    let doors = Doors { config, security };
    let mut ports = Vec::new();
    for url in &config.listen_client_urls {
        doors.add(&mut ports, url, surface)?;
    }
    for url in &config.listen_client_http_urls {
        let taken = config.listen_client_urls.iter().any(|grpc| grpc.address == url.address);
        if taken {
            bail!(
                "cannot bind both --listen-client-urls and --listen-client-http-urls on the \
                 same url {}",
                url.text
            );
        }
        doors.add(&mut ports, url, Surface::Http)?;
    }
    Ok(ports)
}

/// The ports of `--listen-metrics-urls`.
pub(super) fn metrics(config: &Config, security: &Security) -> Result<Vec<Port>> {
    let doors = Doors { config, security };
    let mut ports = Vec::new();
    for url in &config.listen_metrics_urls {
        doors.add(&mut ports, url, Surface::Metrics)?;
    }
    Ok(ports)
}

struct Doors<'a> {
    config: &'a Config,
    security: &'a Security,
}

impl Doors<'_> {
    fn add(&self, ports: &mut Vec<Port>, url: &ListenUrl, surface: Surface) -> Result<()> {
        let secure = url.is_secure.then(|| self.secure()).transpose()?;
        let same = ports.iter_mut().find(|port| port.listening.url.address == url.address);
        if let Some(port) = same {
            port.door.in_clear |= !url.is_secure;
            port.door.secure = port.door.secure.take().or(secure);
            return Ok(());
        }
        let listening = super::bind(url, self.config)?;
        ports.push(Port { listening, door: Door { surface, in_clear: !url.is_secure, secure } });
        Ok(())
    }

    fn secure(&self) -> Result<SecureDoor> {
        let identity = self.security.clients.as_ref().context("no certificate for clients")?;
        Ok(SecureDoor {
            acceptor: identity.acceptor()?,
            // A trusted authority alone demands certificates, but names nobody (etcd).
            names_callers: self.config.transport.clients.rules.require_client_cert,
        })
    }
}
