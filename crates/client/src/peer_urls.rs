//! Addresses of members, judged before they are sent, as etcd's own client does.

use crate::Error;

/// The addresses without blanks around them, sorted.
pub(crate) fn check(urls: &[String]) -> Result<Vec<String>, Error> {
    let one = |url: &String| judge(url.trim()).map(|()| url.trim().to_owned());
    let mut sorted = urls.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    if sorted.is_empty() {
        return Err(Error::PeerUrl("no valid URLs given".to_owned()));
    }
    sorted.sort_unstable();
    Ok(sorted)
}

fn judge(url: &str) -> Result<(), Error> {
    let wrong = |what: &str| Err(Error::PeerUrl(format!("{what}: {url}")));
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    match scheme {
        "unix" | "unixs" => return Ok(()),
        "http" | "https" => {}
        _ => return wrong("URL scheme must be http, https, unix, or unixs"),
    }
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let port = host.rsplit_once(':').map(|(_, port)| port);
    if port.is_none_or(|port| port.contains(']')) {
        return wrong("URL address does not have the form \"host:port\"");
    }
    if path.is_empty() { Ok(()) } else { wrong("URL must not contain a path") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_in_the_words_of_etcd() {
        let check = |url: &str| match judge(url) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        let words = [
            ("http://127.0.0.1:2380", ""),
            ("https://[::1]:2380", ""),
            ("unix://a", ""),
            ("notaurl", "URL scheme must be http, https, unix, or unixs: notaurl"),
            ("ftp://h:1", "URL scheme must be http, https, unix, or unixs: ftp://h:1"),
            ("http://h", "URL address does not have the form \"host:port\": http://h"),
            ("http://[::1]", "URL address does not have the form \"host:port\": http://[::1]"),
            ("http://h:1/p", "URL must not contain a path: http://h:1/p"),
        ];
        for (url, said) in words {
            assert_eq!(check(url), said);
        }
    }

    #[test]
    fn they_leave_sorted() {
        let urls = ["http://b:1 ".to_owned(), "http://a:1".to_owned()];
        assert_eq!(check(&urls).unwrap(), ["http://a:1", "http://b:1"]);
        assert!(check(&[]).is_err());
    }
}
