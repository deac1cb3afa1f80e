//! Whether two lists of URLs mean the same places, if need be after asking the DNS.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

/// How long a name that nobody knows is asked for again.
const RESOLVE_FOR: Duration = Duration::from_secs(30);
/// Rest between two questions.
const RETRY: Duration = Duration::from_secs(1);

/// Names into addresses; calls block.
pub(in super::super) trait Lookup {
    /// The address of a host, preferably IPv4; why not in Go's words.
    fn address(&self, host: &str, port: u16) -> Result<SocketAddr, String>;
    /// Waits.
    fn rest(&self, time: Duration);
}

/// Compares without regard to order. URLs that differ as text are compared by address.
///
/// # Errors
/// The first difference, in etcd's words.
pub(super) fn same_urls(
    lookup: &(impl Lookup + ?Sized),
    left: &[String],
    right: &[String],
) -> Result<(), String> {
    if left.len() != right.len() {
        return Err(format!("len({}) != len({})", quoted(left), quoted(right)));
    }
    if sorted(left.to_vec()) == sorted(right.to_vec()) {
        return Ok(());
    }
    let resolve = |urls: &[String]| -> Result<Vec<String>, String> {
        urls.iter().map(|url| resolved(lookup, url)).collect()
    };
    let (left, right) = (sorted(resolve(left)?), sorted(resolve(right)?));
    match left.iter().zip(&right).find(|(left, right)| left != right) {
        Some((left, right)) => Err(format!("resolved urls: {left:?} != {right:?}")),
        None => Ok(()),
    }
}

fn sorted(mut urls: Vec<String>) -> Vec<String> {
    urls.sort();
    urls
}

/// Go's `%q` of a list.
fn quoted(urls: &[String]) -> String {
    let quoted: Vec<String> = urls.iter().map(|url| format!("{url:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

/// The URL with its host's address; addresses, sockets and `localhost` stay as they are.
fn resolved(lookup: &(impl Lookup + ?Sized), text: &str) -> Result<String, String> {
    let Ok(url) = Url::parse(text) else { return Ok(text.to_owned()) };
    let (Some(url::Host::Domain(host)), Some(port)) = (url.host(), url.port_or_known_default())
    else {
        return Ok(text.to_owned());
    };
    if host == "localhost" || !url.scheme().starts_with("http") {
        return Ok(text.to_owned());
    }
    let mut waited = Duration::ZERO;
    loop {
        match lookup.address(host, port) {
            Ok(address) => return Ok(format!("{}://{address}", url.scheme())),
            Err(why) if waited >= RESOLVE_FOR => {
                return Err(format!("failed to resolve {text:?} ({why})"));
            }
            Err(why) => {
                tracing::warn!(url = text, error = %why, "failed to resolve URL Host");
                lookup.rest(RETRY);
                waited += RETRY;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Knows `a.test` and `b.test`; nothing else.
    pub(in super::super) fn known(host: &str, port: u16) -> Result<SocketAddr, String> {
        let ip = match host {
            "a.test" | "127.0.0.1" => [127, 0, 0, 1],
            "b.test" | "127.0.0.2" => [127, 0, 0, 2],
            _ => return Err(format!("lookup {host}: no such host")),
        };
        Ok(SocketAddr::from((ip, port)))
    }

    struct Names;

    impl Lookup for Names {
        fn address(&self, host: &str, port: u16) -> Result<SocketAddr, String> {
            known(host, port)
        }
        fn rest(&self, _: Duration) {}
    }

    #[test]
    fn by_text_or_by_address() {
        let check = |left: &str, right: &str, expected: Result<(), &str>| {
            let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let same = same_urls(&Names, &list(left), &list(right));
            assert_eq!(same, expected.map_err(str::to_owned), "{left} | {right}");
        };
        check("http://h:1 http://g:2", "http://g:2 http://h:1", Ok(()));
        check("http://a.test:1", "http://127.0.0.1:1", Ok(()));
        check("http://b.test:1 http://a.test:2", "http://127.0.0.1:2 http://b.test:1", Ok(()));
        check(
            "http://a.test:1",
            "https://127.0.0.1:1",
            Err("resolved urls: \"http://127.0.0.1:1\" != \"https://127.0.0.1:1\""),
        );
        check(
            "http://127.0.0.1:1",
            "http://localhost:1",
            Err("resolved urls: \"http://127.0.0.1:1\" != \"http://localhost:1\""),
        );
        check(
            "http://127.0.0.1:1",
            "unix://x:1",
            Err("resolved urls: \"http://127.0.0.1:1\" != \"unix://x:1\""),
        );
        check(
            "http://a:1",
            "http://a:1 http://b:1",
            Err("len([\"http://a:1\"]) != len([\"http://a:1\" \"http://b:1\"])"),
        );
        check(
            "http://no.test:1",
            "http://127.0.0.1:1",
            Err("failed to resolve \"http://no.test:1\" (lookup no.test: no such host)"),
        );
    }
}
