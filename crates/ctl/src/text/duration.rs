//! Go's durations: `1m0.5s`, whole nanoseconds in 64 bits.

use std::time::Duration;

use super::quote::quote;

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads nanoseconds; the error is Go's sentence.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text.as_bytes()));
    let (negative, mut rest) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let part = amount(rest).ok_or_else(invalid)?;
        rest = part.rest;
        let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, after) = rest.split_at(end);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quote(text.as_bytes())));
        }
        let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            let (unit, text) = (quote(unit.as_bytes()), quote(text.as_bytes()));
            return Err(format!("time: unknown unit {unit} in duration {text}"));
        };
        let whole = part.whole.checked_mul(*nanos).ok_or_else(invalid)?;
        let share = (part.fraction * *nanos as f64 / part.scale) as u64;
        total = total
            .checked_add(whole)
            .and_then(|sum| sum.checked_add(share))
            .filter(|sum| *sum <= i64::MAX as u64)
            .ok_or_else(invalid)?;
        rest = after;
    }
    let total = i64::try_from(total).map_err(|_| invalid())?;
    Ok(if negative { -total } else { total })
}

struct Amount<'a> {
    whole: u64,
    fraction: f64,
    scale: f64,
    rest: &'a str,
}

/// `12`, `1.5`, `.5` or `1.`; at least one digit.
fn amount(text: &str) -> Option<Amount<'_>> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, mut rest) = text.split_at(digits(text));
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        (fraction, rest) = after.split_at(digits(after));
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let number = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let scale = 10f64.powi(i32::try_from(fraction.len()).ok()?);
    let fraction = if fraction.is_empty() { 0.0 } else { fraction.parse().ok()? };
    Some(Amount { whole: number, fraction, scale, rest })
}

/// Go's shortest exact form.
pub(crate) fn show(duration: Duration) -> String {
    show_nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// Go's shortest exact form of nanoseconds.
pub(crate) fn show_nanos(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let total = nanos.unsigned_abs();
    let text = match total {
        0 => return "0s".to_owned(),
        1..1_000 => format!("{total}ns"),
        1_000..1_000_000 => format!("{}\u{b5}s", decimal(total, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(total, 1_000_000)),
        _ => {
            let minutes = total / 60_000_000_000;
            let seconds = decimal(total % 60_000_000_000, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}

fn decimal(value: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let fraction = format!("{:0width$}", value % unit);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}", value / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_and_writing() {
        let check = |text: &str, shown: &str| {
            let read = parse(text).map_or_else(|error| error, show_nanos);
            assert_eq!(read, shown, "{text}");
        };
        check("5s", "5s");
        check("1.5s", "1.5s");
        check("1.s", "1s");
        check("0", "0s");
        check("-1s", "-1s");
        check("1m0.5s", "1m0.5s");
        check("90m", "1h30m0s");
        check("1ns", "1ns");
        check("1500us", "1.5ms");
        check("5", "time: missing unit in duration \"5\"");
        check("5s3", "time: missing unit in duration \"5s3\"");
        check("5x", "time: unknown unit \"x\" in duration \"5x\"");
        check("x", "time: invalid duration \"x\"");
        check("", "time: invalid duration \"\"");
        check(".s", "time: invalid duration \".s\"");
        check("99999999999999999999s", "time: invalid duration \"99999999999999999999s\"");
        assert_eq!(show(Duration::from_nanos(3_942_165)), "3.942165ms");
        assert_eq!(show(Duration::from_nanos(5_001_628_631)), "5.001628631s");
    }
}
