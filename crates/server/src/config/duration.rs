//! Go's durations: `300ms`, `1h30m`, `-1.5s`.

use std::time::Duration;

/// Reads a non-negative Go duration; `None` if it is not one. `0` needs no unit.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let tail = &rest[digits..];
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let unit_seconds = match &tail[..unit_end] {
            "ns" => 1e-9,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * unit_seconds).ok()?)?;
        rest = &tail[unit_end..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations() {
        let check = |text: &str, millis: Option<u128>| {
            assert_eq!(parse(text).map(|d| d.as_millis()), millis, "{text}");
        };
        check("0", Some(0));
        check("100ms", Some(100));
        check("1h30m", Some(5_400_000));
        check("1.5s", Some(1_500));
        check("2h0m0s", Some(7_200_000));
        check("", None);
        check("5", None);
        check("-1s", None);
        check("1x", None);
    }
}
