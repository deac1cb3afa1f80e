//! Go's `%q` and its inverse for byte strings that may not be UTF-8.

/// Between double quotes, with Go's escapes.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| escape(c, '"', &mut out));
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

/// A slice of strings as `%q` prints it.
pub(crate) fn quote_all(items: &[String]) -> String {
    let quoted: Vec<_> = items.iter().map(|item| quote(item.as_bytes())).collect();
    format!("[{}]", quoted.join(" "))
}

/// One character between single quotes.
pub(crate) fn quote_char(c: char) -> String {
    let mut out = String::from("'");
    escape(c, '\'', &mut out);
    out.push('\'');
    out
}

fn escape(c: char, delimiter: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        c if c == delimiter => {
            out.push('\\');
            out.push(c);
        }
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if is_printable(c) => out.push(c),
        c if (c as u32) < 0x20 || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push_str(&format!("\\U{:08x}", c as u32)),
    }
}

/// Letters, marks, numbers, punctuation, symbols and the plain blank. The standard library's
/// debug escape knows the same classes; a mark is only left alone behind a first character.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    ['a', c].iter().collect::<String>().escape_debug().skip(1).eq([c])
}

/// Go's `strconv.Unquote` of a literal in double quotes or backquotes.
pub(crate) fn unquote(literal: &str) -> Option<Vec<u8>> {
    if let Some(raw) = literal.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        return Some(raw.replace('\r', "").into_bytes()).filter(|raw| !raw.contains(&b'`'));
    }
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' | '\n' => return None,
            '\\' => unescape(&mut rest, &mut out)?,
            c => push(c, &mut out),
        }
    }
    Some(out)
}

fn unescape(rest: &mut std::str::Chars<'_>, out: &mut Vec<u8>) -> Option<()> {
    let c = rest.next()?;
    let simple = match c {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '"' => b'"',
        'x' => u8::try_from(number(rest, 16, 2, 0)?).ok()?,
        '0'..='7' => u8::try_from(number(rest, 8, 2, c.to_digit(8)?)?).ok()?,
        'u' | 'U' => {
            let digits = if c == 'u' { 4 } else { 8 };
            push(char::from_u32(number(rest, 16, digits, 0)?)?, out);
            return Some(());
        }
        _ => return None,
    };
    out.push(simple);
    Some(())
}

fn number(rest: &mut std::str::Chars<'_>, radix: u32, digits: usize, first: u32) -> Option<u32> {
    (0..digits).try_fold(first, |value, _| {
        value.checked_mul(radix)?.checked_add(rest.next()?.to_digit(radix)?)
    })
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        let check = |bytes: &[u8], shown: &str| assert_eq!(quote(bytes), shown);
        check(b"plain", r#""plain""#);
        check(b"line\n\ttab \"q\" \\", r#""line\n\ttab \"q\" \\""#);
        check(b"\xff\xfeA", r#""\xff\xfeA""#);
        check(b"\x00\x1b\x7f", r#""\x00\x1b\x7f""#);
        check("\u{e9}\u{301}\u{4e16}".as_bytes(), "\"\u{e9}\u{301}\u{4e16}\"");
        check("\u{ad}\u{200b}\u{a0}\u{feff}".as_bytes(), r#""\u00ad\u200b\u00a0\ufeff""#);
        check("\u{1f600}\u{e0001}".as_bytes(), "\"\u{1f600}\\U000e0001\"");
        assert_eq!(quote_char('\''), r"'\''");
        assert_eq!(quote_all(&["a".into(), "b c".into()]), r#"["a" "b c"]"#);
    }

    #[test]
    fn unquoting() {
        let check = |literal: &str, bytes: Option<&[u8]>| {
            assert_eq!(unquote(literal).as_deref(), bytes, "{literal}");
        };
        check(r#""a b""#, Some(b"a b"));
        check(r#""c\nd\x41\101\u00e9""#, Some(b"c\ndAA\xc3\xa9"));
        check(r#""\xff""#, Some(b"\xff"));
        check("`a\\n`", Some(b"a\\n"));
        check(r#""\z""#, None);
        check(r#""\'""#, None);
        check(r#""open"#, None);
        check(r#""a"b""#, None);
        check(r#""\400""#, None);
    }
}
