//! Go's `strconv` for integers and booleans, with its sentences.

use super::quote::quote;

/// `strconv.ParseInt` in 64 bits. Base 0 reads prefixes and underscores. A value out of range
/// gives the sentence too.
pub(crate) fn parse_int(text: &str, base: u32) -> Result<i64, String> {
    let fail = |why: &str| format!("strconv.ParseInt: parsing {}: {why}", quote(text.as_bytes()));
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let value = magnitude(digits, base).map_err(|why| fail(why.text()))?;
    let value = if negative { -i128::from(value) } else { i128::from(value) };
    i64::try_from(value).map_err(|_| fail(Why::Range.text()))
}

/// `strconv.ParseUint` in 64 bits.
pub(crate) fn parse_uint(text: &str, base: u32) -> Result<u64, String> {
    magnitude(text, base).map_err(|why| {
        format!("strconv.ParseUint: parsing {}: {}", quote(text.as_bytes()), why.text())
    })
}

enum Why {
    Syntax,
    Range,
}

impl Why {
    fn text(&self) -> &'static str {
        match self {
            Self::Syntax => "invalid syntax",
            Self::Range => "value out of range",
        }
    }
}

fn magnitude(text: &str, base: u32) -> Result<u64, Why> {
    let (digits, radix) = match base {
        0 => prefixed(text),
        base => (text.to_owned(), base),
    };
    if digits.is_empty() {
        return Err(Why::Syntax);
    }
    let values: Option<Vec<_>> = digits.chars().map(|c| c.to_digit(radix)).collect();
    values
        .ok_or(Why::Syntax)?
        .into_iter()
        .try_fold(0u64, |value, digit| {
            value.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
        })
        .ok_or(Why::Range)
}

/// The digits without prefix and underscores, and the radix the prefix asks for.
fn prefixed(text: &str) -> (String, u32) {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = if let Some(rest) = lower.strip_prefix("0x") {
        (rest, 16)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (rest, 2)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (rest, 8)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (&lower[1..], 8)
    } else {
        return (single_underscores(&lower), 10);
    };
    (single_underscores(digits.strip_prefix('_').unwrap_or(digits)), radix)
}

/// Underscores may stand between digits only; elsewhere they stay and fail as digits.
fn single_underscores(digits: &str) -> String {
    let misplaced = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    if misplaced { digits.to_owned() } else { digits.replace('_', "") }
}

/// `strconv.ParseBool`.
pub(crate) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quote(text.as_bytes()))),
    }
}

/// Go's `%016x` of a signed number: the sign takes one of the places.
pub(crate) fn hex16(id: i64) -> String {
    if id < 0 { format!("-{:015x}", id.unsigned_abs()) } else { format!("{id:016x}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        let check = |text: &str, base: u32, shown: &str| {
            let read = parse_int(text, base).map_or_else(|error| error, |v| v.to_string());
            assert_eq!(read, shown, "{text}");
        };
        check("12", 10, "12");
        check("-1", 10, "-1");
        check("ff", 16, "255");
        check("0x10", 0, "16");
        check("0b11", 0, "3");
        check("017", 0, "15");
        check("1_000", 0, "1000");
        check("0x_ff", 0, "255");
        check("9223372036854775807", 10, "9223372036854775807");
        let syntax = "invalid syntax";
        check("", 10, &format!("strconv.ParseInt: parsing \"\": {syntax}"));
        check("1_000", 10, &format!("strconv.ParseInt: parsing \"1_000\": {syntax}"));
        check("0x10", 16, &format!("strconv.ParseInt: parsing \"0x10\": {syntax}"));
        check("1__0", 0, &format!("strconv.ParseInt: parsing \"1__0\": {syntax}"));
        check(" 5", 10, &format!("strconv.ParseInt: parsing \" 5\": {syntax}"));
        let range = "value out of range";
        check(
            "9223372036854775808",
            10,
            &format!("strconv.ParseInt: parsing \"9223372036854775808\": {range}"),
        );
        assert_eq!(hex16(-1), "-000000000000001");
        assert_eq!(hex16(0x123), "0000000000000123");
    }
}
