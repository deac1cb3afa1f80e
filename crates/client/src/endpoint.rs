//! Reading an endpoint as etcd's tools read it.

use std::path::PathBuf;

/// Where to dial and what to call the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) dial: Dial,
    /// Address without scheme; goes into `:authority` and into messages.
    pub(crate) address: String,
    pub(crate) secure: Secure,
}

/// Whether the scheme of an endpoint asks for transport security.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secure {
    /// `http`: plain.
    Never,
    /// No scheme, or `unix`: as the client is configured.
    IfConfigured,
    /// `https` and `unixs`.
    Always,
}

/// How to reach an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dial {
    /// `host:port`.
    Tcp(String),
    /// A socket in the file system.
    Unix(PathBuf),
    /// No address at all; the text is what dialling it says.
    Never(String),
}

impl Endpoint {
    /// `http://`, `https://` and no scheme are TCP, `unix:` and `unixs:` are socket paths. What
    /// cannot be an address is kept and fails when dialled: the other endpoints still serve.
    pub(crate) fn parse(given: &str) -> Self {
        let text = given.trim();
        let unix = [("unix:", Secure::IfConfigured), ("unixs:", Secure::Always)];
        for (scheme, secure) in unix {
            if let Some(path) = text.strip_prefix(scheme) {
                let path = path.strip_prefix("//").unwrap_or(path);
                return Self { dial: Dial::Unix(path.into()), address: path.to_owned(), secure };
            }
        }
        let http = [("http://", Secure::Never), ("https://", Secure::Always)];
        let stripped = |(scheme, secure)| text.strip_prefix(scheme).map(|rest| (rest, secure));
        let (address, secure) = match http.into_iter().find_map(stripped) {
            Some((rest, secure)) => (rest.split('/').next().unwrap_or(rest), secure),
            None => (text, Secure::IfConfigured),
        };
        Self { dial: tcp(address), address: address.to_owned(), secure }
    }
}

fn tcp(address: &str) -> Dial {
    let never = |what: &str| Dial::Never(format!("dial tcp: address {address}: {what}"));
    if address.is_empty() {
        return Dial::Never("dial tcp: missing address".to_owned());
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return never("missing port in address");
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.contains(':') && !bracketed {
        return never("too many colons in address");
    }
    if port.parse::<u16>().is_err() {
        return Dial::Never(format!("dial tcp: lookup tcp/{port}: unknown port"));
    }
    let host = if host.is_empty() { "localhost" } else { host };
    Dial::Tcp(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading() {
        let check = |given: &str, shown: &str| {
            let read = match Endpoint::parse(given) {
                Endpoint { dial: Dial::Tcp(at), address, .. } => format!("tcp {at} as {address}"),
                Endpoint { dial: Dial::Unix(at), .. } => format!("unix {}", at.display()),
                Endpoint { dial: Dial::Never(why), .. } => why,
            };
            assert_eq!(read, shown, "{given}");
        };
        check("127.0.0.1:2379", "tcp 127.0.0.1:2379 as 127.0.0.1:2379");
        check("http://h:1/", "tcp h:1 as h:1");
        check(" h:1 ", "tcp h:1 as h:1");
        check(":2379", "tcp localhost:2379 as :2379");
        check("http://[::1]:2379", "tcp [::1]:2379 as [::1]:2379");
        check("unix:///run/etcd", "unix /run/etcd");
        check("unix:rel", "unix rel");
        check("", "dial tcp: missing address");
        check("h", "dial tcp: address h: missing port in address");
        check("ftp://h:1", "dial tcp: address ftp://h:1: too many colons in address");
        check("h:1/", "dial tcp: lookup tcp/1/: unknown port");
        check("https://h:1/x", "tcp h:1 as h:1");
        check("unixs:///run/etcd", "unix /run/etcd");
        let secure = |given: &str| Endpoint::parse(given).secure;
        assert_eq!(secure("https://h:1"), Secure::Always);
        assert_eq!(secure("unixs:a"), Secure::Always);
        assert_eq!(secure("http://h:1"), Secure::Never);
        assert_eq!(secure("h:1"), Secure::IfConfigured);
        assert_eq!(secure("unix:a"), Secure::IfConfigured);
    }
}
