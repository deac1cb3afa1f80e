//! Splitting a typed line into words, as etcdctl's interactive modes do.
//!
//! A word is a closed string in double quotes (with Go's escapes), a closed string in single
//! quotes (raw), or a run without blanks that begins with no quote. A quote that never closes is
//! skipped, and what follows it is read as plain words.

use super::quote::unquote;

/// The words of one line. The error is Go's sentence for a bad escape.
pub(crate) fn split(line: &str) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => double_quoted(rest),
            '\'' => rest[1..].find('\'').map(|end| end + 2),
            c if is_blank(c) => None,
            _ => Some(rest.find(is_blank).unwrap_or(rest.len())),
        };
        match length {
            Some(length) => {
                words.push(word(&rest[..length])?);
                rest = &rest[length..];
            }
            None => rest = &rest[first.len_utf8()..],
        }
    }
    Ok(words)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

/// Length of the closed string at the start of the text.
fn double_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn word(text: &str) -> Result<Vec<u8>, &'static str> {
    if let Some(raw) = text.strip_prefix('\'') {
        return Ok(raw.trim_end_matches('\'').into());
    }
    if text.starts_with('"') {
        return unquote(text).ok_or("invalid syntax");
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines() {
        let check = |line: &str, words: &[&str]| {
            let expected: Vec<_> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            assert_eq!(super::split(line), Ok(expected), "{line}");
        };
        check("put k v", &["put", "k", "v"]);
        check("  get \t k  ", &["get", "k"]);
        check(r#"put "a b" 'c d'"#, &["put", "a b", "c d"]);
        check(r#"put "c\nd\x41""#, &["put", "c\ndA"]);
        check(r#"put "a b"#, &["put", "a", "b"]);
        check(r#"put a"b"c x"y"#, &["put", r#"a"b"c"#, r#"x"y"#]);
        check("put a'b' 'x", &["put", "a'b'", "x"]);
        check(r#"put \"a\" `b c`"#, &["put", r#"\"a\""#, "`b", "c`"]);
        check(r#""" """#, &["", ""]);
        check("", &[]);
        assert_eq!(super::split(r#"put "\z""#), Err("invalid syntax"));
    }
}
