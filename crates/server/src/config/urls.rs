//! URLs as etcd's flags take them: a scheme it knows, a host and a port, no path.

use std::collections::BTreeSet;
use std::net::IpAddr;

use url::Url;

use super::ConfigError;

/// Checks a URL; the error is in etcd's words.
pub(super) fn checked_url(text: &str) -> Result<(), String> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(unknown_scheme(text));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "unix" | "unixs" => return Ok(()),
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

fn unknown_scheme(text: &str) -> String {
    format!("URL scheme must be http, https, unix, or unixs: {text}")
}

fn no_port(text: &str) -> String {
    format!("URL address does not have the form \"host:port\": {text}")
}

/// Listen URLs bind by address: `localhost` or an IP, no path.
pub(super) fn listened(flag: &str, text: &str) -> Result<Vec<Url>, ConfigError> {
    texts(text).map(|text| listen_url(flag, text)).collect()
}

fn listen_url(flag: &str, text: &str) -> Result<Url, ConfigError> {
    refuse_unix(text)?;
    let by_address = || ConfigError::Verify(format!("expected IP in URL for binding ({text})"));
    if has_no_host(text) {
        return Err(by_address());
    }
    checked_url(text).map_err(ConfigError::Verify)?;
    let url = Url::parse(text).map_err(|error| ConfigError::Verify(error.to_string()))?;
    let host = url.host_str().unwrap_or("");
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if host != "localhost" && bare.parse::<IpAddr>().is_err() {
        return Err(by_address());
    }
    if url.scheme() == "https" {
        let why = format!("--{flag}: TLS is not implemented yet ({text})");
        return Err(ConfigError::Verify(why));
    }
    Ok(url)
}

/// URLs as they were written, sorted and each once, as etcd keeps them.
pub(super) fn advertised(flag: &str, text: &str) -> Result<Vec<String>, ConfigError> {
    let mut urls = BTreeSet::new();
    for word in texts(text) {
        refuse_unix(word)?;
        if has_no_host(word) {
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

fn refuse_unix(text: &str) -> Result<(), ConfigError> {
    if text.starts_with("unix:") || text.starts_with("unixs:") {
        let why = format!("unix-socket listeners are not implemented yet: {text}");
        return Err(ConfigError::Verify(why));
    }
    Ok(())
}

fn has_no_host(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, address)| address.starts_with(':'))
}

fn texts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}
