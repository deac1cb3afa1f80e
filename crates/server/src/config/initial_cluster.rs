//! `--initial-cluster`: names of members with their peer URLs, `a=http://..,b=http://..`.

use std::collections::BTreeMap;
use std::fmt;

use super::urls::checked_url;

/// Names of members with their sorted peer URLs, by name.
pub(crate) type Named = Vec<(String, Vec<String>)>;

/// Reads the flag's text; pairs of one name belong together.
///
/// # Errors
/// The first URL that is none, in etcd's words.
pub(crate) fn parse(text: &str) -> Result<Named, String> {
    let mut members: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (name, url) = pair.split_once('=').unwrap_or((pair, ""));
        let url = url.trim();
        checked_url(url)?;
        members.entry(name).or_default().push(url.to_owned());
    }
    let sorted = |(name, mut urls): (&str, Vec<String>)| {
        urls.sort();
        (name.to_owned(), urls)
    };
    Ok(members.into_iter().map(sorted).collect())
}

/// The peer URLs of that name.
pub(crate) fn urls_of<'a>(
    members: &'a [(String, Vec<String>)],
    name: &str,
) -> Option<&'a Vec<String>> {
    members.iter().find(|(member, _)| member == name).map(|(_, urls)| urls)
}

/// Written as the flag is.
pub(crate) struct Written<'a>(pub(crate) &'a [(String, Vec<String>)]);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.iter().flat_map(|(name, urls)| urls.iter().map(move |url| (name, url)));
        for (place, (name, url)) in pairs.enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{name}={url}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_name_and_url() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let read = parse(text).map(|members| Written(&members).to_string());
            assert_eq!(read, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        };
        let scheme = "URL scheme must be http, https, unix, or unixs: ";
        check("a=http://h:1", Ok("a=http://h:1"));
        check(
            "b=http://h:2,a=http://h:3,b=http://h:1",
            Ok("a=http://h:3,b=http://h:1,b=http://h:2"),
        );
        check("a= http://h:1 ,", Ok("a=http://h:1"));
        check("", Ok(""));
        check(",,", Ok(""));
        check("foo", Err(scheme));
        check("a=", Err(scheme));
        check("a=foo", Err(&format!("{scheme}foo")));
        check("a=http://h:1/x", Err("URL must not contain a path: http://h:1/x"));
        check("a=http://h:1/", Err("URL must not contain a path: http://h:1/"));
        let form = "URL address does not have the form \"host:port\": http://h";
        check("a=http://h", Err(form));
        check("a=http://h:x", Err("parse \"http://h:x\": invalid port \":x\" after host"));
    }
}
