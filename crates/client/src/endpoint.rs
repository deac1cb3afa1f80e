//! Reading an endpoint as etcd's tools read it.

use std::path::PathBuf;

use crate::Error;

/// Where to dial and what to call the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) dial: Dial,
    /// Address without scheme; goes into `:authority` and into messages.
    pub(crate) address: String,
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
    /// `http://` and no scheme are TCP, `unix:` is a socket path. What cannot be an address is
    /// kept and fails when dialled, so that the other endpoints still serve.
    pub(crate) fn parse(given: &str) -> Result<Self, Error> {
        let text = given.trim();
        if text.starts_with("https://") || text.starts_with("unixs:") {
            return Err(Error::SecureEndpoint(given.to_owned()));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Ok(Self { dial: Dial::Unix(path.into()), address: path.to_owned() });
        }
        let address = match text.strip_prefix("http://") {
            Some(rest) => rest.split('/').next().unwrap_or(rest),
            None => text,
        };
        Ok(Self { dial: tcp(address), address: address.to_owned() })
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
                Ok(Endpoint { dial: Dial::Tcp(at), address }) => format!("tcp {at} as {address}"),
                Ok(Endpoint { dial: Dial::Unix(at), .. }) => format!("unix {}", at.display()),
                Ok(Endpoint { dial: Dial::Never(why), .. }) => why,
                Err(error) => error.to_string(),
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
        check(
            "https://h:1",
            "endpoint https://h:1 needs transport security, which is not supported yet",
        );
    }
}
