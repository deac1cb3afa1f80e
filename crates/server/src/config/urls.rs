//! URLs as etcd's flags take them: a scheme it knows, a host and a port, no path.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use url::Url;

use super::ConfigError;

/// Checks a URL; the error is in etcd's words.
pub(super) fn checked_url(text: &str) -> Result<(), String> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(unknown_scheme(text));
    };
    match scheme.to_ascii_lowercase().as_str() {
        // A host with a port that is none is refused by Go's parser.
        "unix" | "unixs" => return unix_host(text, rest),
        "http" | "https" => {}
        _ => return Err(unknown_scheme(text)),
    }
    let authority = rest.strip_prefix("//").unwrap_or("");
    let (address, path) = match authority.find('/') {
        Some(end) => authority.split_at(end),
        None => (authority, ""),
    };
    let (host, port) = address.rsplit_once(':').ok_or_else(|| no_port(text))?;
    if port.is_empty() {
        return Err(no_port(text));
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        let why = format!("invalid port {:?} after host", format!(":{port}"));
        return Err(format!("parse {text:?}: {why}"));
    }
    if !path.is_empty() {
        return Err(format!("URL must not contain a path: {text}"));
    }
    if !host.is_empty() {
        Url::parse(text).map_err(|error| format!("parse {text:?}: {error}"))?;
    }
    Ok(())
}

fn unix_host(text: &str, rest: &str) -> Result<(), String> {
    let host = rest.strip_prefix("//").unwrap_or("").split('/').next().unwrap_or("");
    match host.rsplit_once(':') {
        Some((_, port)) if !port.bytes().all(|byte| byte.is_ascii_digit()) => {
            let why = format!("invalid port {:?} after host", format!(":{port}"));
            Err(format!("parse {text:?}: {why}"))
        }
        _ => Ok(()),
    }
}

fn unknown_scheme(text: &str) -> String {
    format!("URL scheme must be http, https, unix, or unixs: {text}")
}

fn no_port(text: &str) -> String {
    format!("URL address does not have the form \"host:port\": {text}")
}

/// A URL to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenUrl {
    /// As it was written.
    pub(crate) text: String,
    /// `https` or `unixs`.
    pub(crate) is_secure: bool,
    pub(crate) address: Address,
}

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// `localhost` is its IPv4 address, as etcd resolves it.
    Tcp(SocketAddr),
    /// A socket file.
    Unix(PathBuf),
}

impl fmt::Display for ListenUrl {
    /// The URL without its scheme.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.text.split_once(':').map_or(self.text.as_str(), |(_, rest)| rest);
        f.write_str(address.strip_prefix("//").unwrap_or(address))
    }
}

/// Listen URLs bind by address: `localhost`, an IP, or the path of a socket.
pub(super) fn listened(text: &str) -> Result<Vec<ListenUrl>, ConfigError> {
    texts(text).map(listen_url).collect()
}

fn listen_url(text: &str) -> Result<ListenUrl, ConfigError> {
    if is_unix(text) {
        return unix_url(text);
    }
    let by_address = || ConfigError::Verify(format!("expected IP in URL for binding ({text})"));
    if has_no_host(text) {
        return Err(by_address());
    }
    checked_url(text).map_err(ConfigError::Verify)?;
    let url = Url::parse(text).map_err(|error| ConfigError::Verify(error.to_string()))?;
    let host = url.host_str().unwrap_or("");
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ip = match bare {
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        literal => literal.parse().map_err(|_| by_address())?,
    };
    let port = url.port_or_known_default().unwrap_or(0);
    Ok(ListenUrl {
        text: text.to_owned(),
        is_secure: url.scheme() == "https",
        address: Address::Tcp(SocketAddr::new(ip, port)),
    })
}

/// As in etcd the path is what stands where host and path do: `unix:///run/a` and `unix://a`.
fn unix_url(text: &str) -> Result<ListenUrl, ConfigError> {
    let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() {
        return Err(ConfigError::Verify(format!("expected path in URL for binding ({text})")));
    }
    Ok(ListenUrl {
        text: text.to_owned(),
        is_secure: scheme.eq_ignore_ascii_case("unixs"),
        address: Address::Unix(PathBuf::from(path)),
    })
}

/// URLs as they were written, sorted and each once, as etcd keeps them.
pub(super) fn advertised(flag: &str, text: &str) -> Result<Vec<String>, ConfigError> {
    let mut urls = BTreeSet::new();
    for word in texts(text) {
        if !is_unix(word) && has_no_host(word) {
            let form = match flag {
                "initial-advertise-peer-urls" => "\"host:port\"",
                _ => {
                    "in the format \"host:port\", \"unix:/path/to/socket\" or \
                     \"unixs:/path/to/socket\""
                }
            };
            return Err(ConfigError::Verify(format!(
                "--{flag} {word:?} must be {form} (unexpected empty host ({word}))"
            )));
        }
        checked_url(word).map_err(ConfigError::Verify)?;
        urls.insert(word.to_owned());
    }
    Ok(urls.into_iter().collect())
}

fn is_unix(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("unix") || scheme.eq_ignore_ascii_case("unixs")
}

fn has_no_host(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, address)| address.starts_with(':'))
}

fn texts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}
