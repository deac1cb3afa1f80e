//! Flags: their kinds and how their values are read.

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing, or `=true` and `=false`.
    Bool,
    /// Any text.
    Text,
    /// A signed number.
    Int,
    /// An unsigned number.
    Uint,
    /// A time such as `1m30s`.
    Duration,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) kind: Kind,
    /// The value when it is not given; empty is the kind's zero.
    pub(crate) default: &'static str,
    pub(crate) about: &'static str,
}

impl Flag {
    /// A flag without a short form.
    pub(crate) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        about: &'static str,
    ) -> Self {
        Self { name, short: None, kind, default, about }
    }

    /// How error messages call it.
    pub(crate) fn label(&self) -> String {
        match self.short {
            Some(short) => format!("-{short}, --{}", self.name),
            None => format!("--{}", self.name),
        }
    }

    /// The type's name in the usage.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Bool => "",
            Kind::Text => "string",
            Kind::Int => "int",
            Kind::Uint => "uint",
            Kind::Duration => "duration",
        }
    }

    /// Whether the value can be read as the flag's kind; else what is wrong, in the words of the
    /// parser etcdutl uses.
    pub(crate) fn check(&self, value: &str) -> Result<(), String> {
        match self.kind {
            Kind::Text => Ok(()),
            Kind::Bool => parse_bool(value).map(|_| ()),
            Kind::Int => parse_int(value).map(|_| ()),
            Kind::Uint => parse_uint(value).map(|_| ()),
            Kind::Duration => check_duration(value),
        }
    }
}

pub(super) fn parse_bool(value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(number_error("ParseBool", value, "invalid syntax")),
    }
}

pub(super) fn parse_int(value: &str) -> Result<i64, String> {
    let (sign, magnitude) = match value.as_bytes().first() {
        Some(b'-') => (-1, &value[1..]),
        Some(b'+') => (1, &value[1..]),
        _ => (1, value),
    };
    let wide = parse_magnitude(magnitude).map_err(|why| number_error("ParseInt", value, why))?;
    i64::try_from(sign * i128::from(wide))
        .map_err(|_| number_error("ParseInt", value, "value out of range"))
}

pub(super) fn parse_uint(value: &str) -> Result<u64, String> {
    parse_magnitude(value).map_err(|why| number_error("ParseUint", value, why))
}

/// Decimal, or with a prefix `0x`, `0o`, `0b` or `0`; underscores may stand between digits.
fn parse_magnitude(text: &str) -> Result<u64, &'static str> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    let digits = if radix == 10 { digits.to_owned() } else { digits.replace('_', "") };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err("invalid syntax");
    }
    u64::from_str_radix(&digits, radix).map_err(|_| "value out of range")
}

fn number_error(function: &str, value: &str, why: &str) -> String {
    format!("strconv.{function}: parsing {value:?}: {why}")
}

fn check_duration(text: &str) -> Result<(), String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(());
    }
    let mut rest = unsigned;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits =
            rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        if digits == 0 || rest[..digits].parse::<f64>().is_err() {
            return Err(invalid());
        }
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        match &rest[..unit] {
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            "ns" | "us" | "\u{b5}s" | "\u{3bc}s" | "ms" | "s" | "m" | "h" => {}
            other => return Err(format!("time: unknown unit {other:?} in duration {text:?}")),
        }
        rest = &rest[unit..];
    }
    Ok(())
}
