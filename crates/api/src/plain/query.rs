//! The query string, as far as our pages need one.

use http::Uri;

/// The values of a parameter, decoded; an absent `=` gives an empty one.
pub(super) fn values<'a>(uri: &'a Uri, name: &'a str) -> impl Iterator<Item = String> + 'a {
    uri.query()
        .unwrap_or_default()
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| decoded(value))
}

/// Whether a parameter is there, with or without a value.
pub(super) fn has(uri: &Uri, name: &str) -> bool {
    values(uri, name).next().is_some()
}

fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => match escaped(tail) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &tail[2..];
                }
                None => bytes.push(b'%'),
            },
            other => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escaped(tail: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let check = |uri: &'static str, expected: &[&str]| {
            let uri = Uri::from_static(uri);
            assert_eq!(values(&uri, "exclude").collect::<Vec<_>>(), expected, "{uri}");
        };
        check("/x", &[]);
        check("/x?exclude", &[""]);
        check("/x?exclude=A&verbose&exclude=B", &["A", "B"]);
        check("/x?exclude=%41+%4%zz%", &["A %4%zz%"]);
        check("/x?excluded=A", &[]);
    }
}
