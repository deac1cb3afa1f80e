//! The one pattern txn comparisons are read with: `"key") op "value"`.
//!
//! Reading stops at the first piece that does not fit; the pieces before it are kept, because the
//! error message shows them.

use super::quote::unquote;

/// What was read, and whether it was all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scanned {
    pub(crate) key: Vec<u8>,
    pub(crate) op: String,
    pub(crate) value: Vec<u8>,
    pub(crate) complete: bool,
}

/// Reads key, operator and value. Blanks may lead each piece; one must follow the parenthesis;
/// what comes after the value is not looked at.
pub(crate) fn comparison(text: &str) -> Scanned {
    let mut scanned = Scanned::default();
    let Some((key, rest)) = literal(text) else { return scanned };
    scanned.key = key;
    let Some(rest) = rest.strip_prefix(')').filter(|rest| rest.starts_with(is_blank)) else {
        return scanned;
    };
    let rest = rest.trim_start_matches(is_blank);
    let (op, rest) = rest.split_at(rest.find(is_blank).unwrap_or(rest.len()));
    scanned.op = op.to_owned();
    if let Some((value, _)) = literal(rest) {
        scanned.value = value;
        scanned.complete = true;
    }
    scanned
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t' || c == '\r'
}

fn literal(text: &str) -> Option<(Vec<u8>, &str)> {
    let text = text.trim_start_matches(is_blank);
    let delimiter = text.chars().next().filter(|c| matches!(c, '"' | '`'))?;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if delimiter == '"' => escaped = true,
            c if c == delimiter => {
                let (literal, rest) = text.split_at(at + 1);
                return Some((unquote(literal)?, rest));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons() {
        let check = |text: &str, key: &str, op: &str, value: Option<&str>| {
            let scanned = comparison(text);
            let read = scanned.complete.then(|| String::from_utf8_lossy(&scanned.value));
            assert_eq!(scanned.key, key.as_bytes(), "{text}");
            assert_eq!((scanned.op.as_str(), read.as_deref()), (op, value), "{text}");
        };
        check(r#""k") > "0""#, "k", ">", Some("0"));
        check(r#" "k") >   "0" rest"#, "k", ">", Some("0"));
        check("`k`) = `1`", "k", "=", Some("1"));
        check(r#""a(b)") < "1""#, "a(b)", "<", Some("1"));
        check(r#""k") < 1"#, "k", "<", None);
        check(r#""k")<"1""#, "k", "", None);
        check(r#""k" ) = "1""#, "k", "", None);
        check(r#"k) < "1""#, "", "", None);
        check(r#""k) < "1""#, "k) < ", "", None);
        check(r#""\z") = "1""#, "", "", None);
    }
}
