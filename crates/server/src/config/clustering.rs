//! Who founds the cluster: named, asked of another cluster, or found in the DNS.

use std::path::Path;

use ketch_tls::Files;

use super::initial_cluster::{self, Named};
use super::sources::{Settings, boolean};
use super::transport::path;
use super::urls::advertised;
use super::{ConfigError, Discovery, DiscoveryService, duration};

/// What the flags of section "clustering" say of the first members.
pub(super) struct Clustering {
    pub(super) peer_urls: Vec<String>,
    pub(super) members: Named,
    pub(super) token: String,
    pub(super) discovery: Option<Discovery>,
}

pub(super) fn resolve(
    settings: &Settings,
    name: &str,
    wal_dir: &Path,
) -> Result<Clustering, ConfigError> {
    let flag = "initial-advertise-peer-urls";
    let peer_urls = advertised(flag, settings.get(flag))?;
    let text = members_text(settings);
    let discovery = discovery(settings, text.is_some_and(|text| !text.is_empty()))?;
    let token = match &discovery {
        Some(Discovery::Service(service)) => service.token.clone(),
        _ => settings.get("initial-cluster-token").to_owned(),
    };
    let own = || vec![(name.to_owned(), peer_urls.clone())];
    let members = match (text, &discovery) {
        (_, Some(Discovery::Service(_))) => own(),
        (_, Some(Discovery::Srv { .. })) => Vec::new(),
        (Some(text), None) => match initial_cluster::parse(text) {
            Ok(members) => members,
            // As in etcd, what a member was founded with is not looked at again.
            Err(_) if has_log(wal_dir) => Vec::new(),
            Err(why) => {
                let why = format!("error setting up initial cluster: {why}");
                return Err(ConfigError::Bootstrap(why));
            }
        },
        (None, None) => own(),
    };
    Ok(Clustering { peer_urls, members, token, discovery })
}

/// The text of `--initial-cluster`; `None` if this member alone is meant. The default gives way
/// to every kind of discovery.
fn members_text(settings: &Settings) -> Option<&str> {
    let is_given = |name: &str| !settings.get(name).is_empty();
    if settings.is_set("initial-cluster") {
        return Some(settings.get("initial-cluster"));
    }
    let discovers = ["discovery-endpoints", "discovery-srv", "discovery-srv-name"];
    discovers.into_iter().any(is_given).then_some("")
}

fn discovery(settings: &Settings, is_named: bool) -> Result<Option<Discovery>, ConfigError> {
    let verify = |text: &str| Err(ConfigError::Verify(text.to_owned()));
    let endpoints: Vec<String> = settings
        .get("discovery-endpoints")
        .split(',')
        .map(str::trim)
        .filter(|endpoint| !endpoint.is_empty())
        .map(str::to_owned)
        .collect();
    let domain = settings.get("discovery-srv");
    let ways = [is_named, !endpoints.is_empty(), !domain.is_empty()];
    if ways.into_iter().filter(|way| *way).count() > 1 {
        return verify(
            "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", \
             \"discovery-endpoints\" or \"discovery-srv\"",
        );
    }
    let token = settings.get("discovery-token");
    if endpoints.is_empty() != token.is_empty() {
        return verify("both --discovery-token and --discovery-endpoints must be set");
    }
    if !endpoints.is_empty() {
        let on = |name: &str| boolean(settings.get(name)).unwrap_or(false);
        let time = |name: &str| duration::parse(settings.get(name)).unwrap_or_default();
        return Ok(Some(Discovery::Service(Box::new(DiscoveryService {
            token: token.to_owned(),
            endpoints,
            files: Files {
                cert: path(settings, "discovery-cert"),
                key: path(settings, "discovery-key"),
                trusted_ca: path(settings, "discovery-cacert"),
                ..Files::default()
            },
            is_secure: !on("discovery-insecure-transport"),
            skip_verify: on("discovery-insecure-skip-tls-verify"),
            user: user(settings),
            dial_timeout: time("discovery-dial-timeout"),
            request_timeout: time("discovery-request-timeout"),
            keepalive_time: time("discovery-keepalive-time"),
            keepalive_timeout: time("discovery-keepalive-timeout"),
        }))));
    }
    Ok((!domain.is_empty()).then(|| Discovery::Srv {
        domain: domain.to_owned(),
        service: settings.get("discovery-srv-name").to_owned(),
    }))
}

/// Name and password; the flag of the name may have both, as that of etcdctl.
fn user(settings: &Settings) -> Option<(String, String)> {
    let (user, password) = (settings.get("discovery-user"), settings.get("discovery-password"));
    let (user, password) = match user.split_once(':') {
        Some(both) if password.is_empty() => both,
        _ => (user, password),
    };
    (!user.is_empty()).then(|| (user.to_owned(), password.to_owned()))
}

fn has_log(wal_dir: &Path) -> bool {
    let is_segment = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "wal"))
    };
    std::fs::read_dir(wal_dir).is_ok_and(|entries| entries.into_iter().any(is_segment))
}
