//! JSON by hand, appended to bytes: an entry's line is made without a tree of values.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a byte becomes within quotes: 0 itself, `u` six characters, else a backslash and this.
const ESCAPES: [u8; 256] = escapes();

const fn escapes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[b'\t' as usize] = b't';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    // Harmless in JSON, but some terminals obey it.
    table[0x7f] = b'u';
    table
}

/// Appends `"name":"text"` with a comma before it.
pub(crate) fn field(out: &mut Vec<u8>, name: &str, text: &str) {
    key(out, name);
    quoted(out, text);
}

/// Appends `"name":` with a comma before it.
pub(crate) fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends bytes: as text under `name` when they are text, else under `name_base64`.
pub(crate) fn bytes_field(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    if is_plain(bytes) {
        out.extend_from_slice(b"\":\"");
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            out.extend_from_slice(b"\":");
            quoted(out, text);
        }
        Err(_) => {
            out.extend_from_slice(b"_base64\":\"");
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
    }
}

/// Whether it is text that needs no escapes: what most keys are. Looks at all bytes, so that the
/// compiler can take many at a time.
fn is_plain(bytes: &[u8]) -> bool {
    let is_odd = |byte: u8| !(0x20..0x7f).contains(&byte) | (byte == b'"') | (byte == b'\\');
    !bytes.iter().fold(false, |odd, byte| odd | is_odd(*byte))
}

/// Appends a text within quotes.
pub(crate) fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| ESCAPES[usize::from(*byte)] != 0) {
        out.extend_from_slice(&rest[..at]);
        let byte = rest[at];
        match ESCAPES[usize::from(byte)] {
            b'u' => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte)]),
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn hex(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 15)]
}

/// The two digits of a number below 100.
pub(crate) fn pair(value: u8) -> [u8; 2] {
    [b'0' + value / 10, b'0' + value % 10]
}

/// Appends a number.
pub(crate) fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a number that may be negative.
pub(crate) fn signed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    number(out, value.unsigned_abs());
}

/// Appends an identifier as etcd's tools print it, within quotes.
pub(crate) fn identifier(out: &mut Vec<u8>, value: u64) {
    out.push(b'"');
    let digits = (16 - value.leading_zeros() / 4).max(1);
    for digit in (0..digits).rev() {
        out.push(hex((value >> (4 * digit)) as u8));
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn numbers() {
        for (value, text) in [(0, "0"), (9, "9"), (10, "10"), (u64::MAX, "18446744073709551615")] {
            assert_eq!(written(|out| number(out, value)), text);
        }
        assert_eq!(written(|out| signed(out, i64::MIN)), i64::MIN.to_string());
        for value in [0, 1, 0xf, 0x10, 0xabc, u64::MAX] {
            assert_eq!(written(|out| identifier(out, value)), format!("\"{value:x}\""));
        }
    }

    #[test]
    fn bytes() {
        assert_eq!(written(|out| bytes_field(out, "key", b"a\0\"")), "\"key\":\"a\\u0000\\\"\"");
        assert_eq!(written(|out| bytes_field(out, "key", b"\xff\0")), "\"key_base64\":\"/wA=\"");
    }

    proptest! {
        #[test]
        fn any_text_can_be_read_back(text in ".*", control in proptest::collection::vec(0_u8..0x80, 0..40)) {
            let control = String::from_utf8(control).expect("ascii");
            for text in [text, control] {
                let line = written(|out| quoted(out, &text));
                prop_assert_eq!(serde_json::from_str::<String>(&line).expect("json"), text);
                prop_assert!(!line.contains('\n'));
            }
        }
    }
}
