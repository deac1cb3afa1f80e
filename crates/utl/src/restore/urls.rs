//! Peer URLs: parsed and refused as etcd's parser does.

use std::net::ToSocketAddrs;

use crate::failure::Failure;

/// Reads URLs and sorts them.
pub(super) fn parse_all<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Failure> {
    let mut urls = texts.map(parse).collect::<Result<Vec<_>, _>>()?;
    urls.sort_unstable();
    Ok(urls)
}

fn parse(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let refused = |why: &str| Failure::error(format_args!("parse {text:?}: {why}"));
    if text.chars().any(|c| c.is_ascii_control()) {
        return Err(refused("net/url: invalid control character in URL"));
    }
    let (scheme, rest) = split_scheme(text).map_err(|why| refused(&why))?;
    if !matches!(scheme.as_str(), "http" | "https" | "unix" | "unixs") {
        return Err(Failure::error(format_args!(
            "URL scheme must be http, https, unix, or unixs: {text}"
        )));
    }
    let after = rest.strip_prefix("//").unwrap_or_default();
    let (authority, path) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    check_escapes(host).map_err(|why| refused(&why))?;
    if let Some(port) = bad_port(host) {
        return Err(refused(&format!("invalid port {port:?} after host")));
    }
    if !has_port(host) {
        return Err(Failure::error(format_args!(
            "URL address does not have the form \"host:port\": {text}"
        )));
    }
    if path.starts_with('/') {
        return Err(Failure::error(format_args!("URL must not contain a path: {text}")));
    }
    Ok(format!("{scheme}:{rest}"))
}

/// The scheme in lower case (may be empty), and what follows its colon.
fn split_scheme(text: &str) -> Result<(String, &str), String> {
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let end = text.find(|c| !is_scheme(c)).unwrap_or(text.len());
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic());
    if text[end..].starts_with(':') && end == 0 {
        return Err("missing protocol scheme".into());
    }
    if text[end..].starts_with(':') && starts_well {
        return Ok((text[..end].to_ascii_lowercase(), &text[end + 1..]));
    }
    if text.split('/').next().is_some_and(|segment| segment.contains(':')) {
        return Err("first path segment in URL cannot contain colon".into());
    }
    Ok((String::new(), text))
}

fn check_escapes(host: &str) -> Result<(), String> {
    for (at, _) in host.match_indices('%') {
        let digits = host.get(at + 1..at + 3).unwrap_or_default();
        let is_hex = digits.len() == 2 && digits.chars().all(|c| c.is_ascii_hexdigit());
        if !is_hex {
            let end = host.len().min(at + 3);
            let escape = host.get(at..end).unwrap_or("%");
            return Err(format!("invalid URL escape {escape:?}"));
        }
    }
    Ok(())
}

/// A port that is no number, with its colon.
fn bad_port(host: &str) -> Option<&str> {
    let tail = host.rfind(']').map_or(host, |end| &host[end + 1..]);
    let port = &tail[tail.rfind(':')?..];
    (!port[1..].chars().all(|c| c.is_ascii_digit())).then_some(port)
}

/// `host:port`, where a host with colons stands in brackets.
fn has_port(host: &str) -> bool {
    match host.rsplit_once(':') {
        Some((name, _)) if name.starts_with('[') => name.ends_with(']'),
        Some((name, _)) => !name.contains([':', '[', ']']),
        None => false,
    }
}

/// Whether two sorted lists mean the same places; names that differ are resolved. The error says
/// why not.
pub(super) fn compare(left: &[String], right: &[String]) -> Result<(), String> {
    if left.len() != right.len() {
        let list = |urls: &[String]| {
            urls.iter().map(|url| format!("{url:?}")).collect::<Vec<_>>().join(" ")
        };
        return Err(format!("len([{}]) != len([{}])", list(left), list(right)));
    }
    if left == right {
        return Ok(());
    }
    let resolve_all = |urls: &[String]| {
        let mut resolved: Vec<_> = urls.iter().map(|url| resolve(url)).collect();
        resolved.sort_unstable();
        resolved
    };
    let (left, right) = (resolve_all(left), resolve_all(right));
    match left.iter().zip(&right).find(|(a, b)| a != b) {
        Some((a, b)) => Err(format!("resolved urls: {a:?} != {b:?}")),
        None => Ok(()),
    }
}

/// The URL with an address in place of its host's name; unchanged where there is no name (a
/// socket, an address), where it is `localhost`, and where it cannot be resolved.
fn resolve(url: &str) -> String {
    let Some((scheme, host)) = url.split_once("://") else { return url.to_owned() };
    let is_name = !host.starts_with('[') && !host.starts_with("localhost:");
    if scheme.starts_with("unix") || !is_name || host.parse::<std::net::SocketAddr>().is_ok() {
        return url.to_owned();
    }
    match host.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()) {
        Some(address) => format!("{scheme}://{address}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_or_refused_as_by_etcd() {
        let scheme = "URL scheme must be http, https, unix, or unixs: ";
        let port = "URL address does not have the form \"host:port\": ";
        for (text, expected) in [
            ("http://a:1", Ok("http://a:1".to_owned())),
            (" HTTPS://a:1 ", Ok("https://a:1".to_owned())),
            ("http://[::1]:2380", Ok("http://[::1]:2380".to_owned())),
            ("unix://localhost:2", Ok("unix://localhost:2".to_owned())),
            ("", Err(scheme.to_owned())),
            ("ftp://a:1", Err(format!("{scheme}ftp://a:1"))),
            ("a:1", Err(format!("{scheme}a:1"))),
            ("http://a", Err(format!("{port}http://a"))),
            ("http://::1:5", Err(format!("{port}http://::1:5"))),
            ("http://a:1/x", Err("URL must not contain a path: http://a:1/x".to_owned())),
            ("http://a:b", Err(r#"parse "http://a:b": invalid port ":b" after host"#.to_owned())),
            (
                "127.0.0.1:1",
                Err(r#"parse "127.0.0.1:1": first path segment in URL cannot contain colon"#
                    .to_owned()),
            ),
            (":1", Err(r#"parse ":1": missing protocol scheme"#.to_owned())),
            ("http://%zz:9", Err(r#"parse "http://%zz:9": invalid URL escape "%zz""#.to_owned())),
        ] {
            assert_eq!(parse(text).map_err(|failure| failure.message), expected, "{text}");
        }
    }

    #[test]
    fn lists_that_differ_say_how() {
        let list = |urls: &[&str]| urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let (a, b) = (list(&["http://127.0.0.1:1"]), list(&["http://localhost:1"]));
        assert_eq!(compare(&a, &a), Ok(()));
        let differ = r#"resolved urls: "http://127.0.0.1:1" != "http://localhost:1""#;
        assert_eq!(compare(&a, &b), Err(differ.to_owned()));
        let longer = r#"len(["http://127.0.0.1:1"]) != len([])"#;
        assert_eq!(compare(&a, &[]), Err(longer.to_owned()));
    }
}
