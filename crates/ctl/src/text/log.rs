//! Log lines on standard error, one JSON object each, with etcd's field names.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::failure::say;

/// Value of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field<'a> {
    Text(&'a str),
    Number(u64),
}

/// One line of text fields; they come after level, time, logger (if named), caller and message.
pub(crate) fn line(
    level: &str,
    logger: &str,
    caller: &str,
    message: &str,
    fields: &[(&str, &str)],
) {
    let fields: Vec<_> = fields.iter().map(|(name, text)| (*name, Field::Text(text))).collect();
    typed(level, logger, caller, message, &fields);
}

/// One line with fields of any kind.
pub(crate) fn typed(
    level: &str,
    logger: &str,
    caller: &str,
    message: &str,
    fields: &[(&str, Field<'_>)],
) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let stamp = timestamp(now.as_secs(), now.subsec_micros());
    let logger = Some(logger).filter(|logger| !logger.is_empty());
    let logger = logger.map(|logger| ("logger", Field::Text(logger)));
    let head = [("level", Field::Text(level)), ("ts", Field::Text(&stamp))];
    let place = [("caller", Field::Text(caller)), ("msg", Field::Text(message))];
    let all = head.into_iter().chain(logger).chain(place).chain(fields.iter().copied());
    say(&render(all));
}

fn render<'a>(fields: impl Iterator<Item = (&'a str, Field<'a>)>) -> String {
    let show = |(name, field)| match field {
        Field::Text(text) => format!("\"{name}\":\"{}\"", escape(text)),
        Field::Number(number) => format!("\"{name}\":{number}"),
    };
    format!("{{{}}}", fields.map(show).collect::<Vec<_>>().join(","))
}

/// What JSON asks for and no more; etcd's logs leave `<` and `>` as they are.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..'\u{20}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// UTC with microseconds.
fn timestamp(seconds: u64, micros: u32) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// Days since 1970 as a date, counting in 400-year eras that begin on a first of March.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps() {
        assert_eq!(timestamp(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(timestamp(951_827_696, 7), "2000-02-29T12:34:56.000007Z");
        assert_eq!(timestamp(1_893_455_999, 999_999), "2029-12-31T23:59:59.999999Z");
    }

    #[test]
    fn lines() {
        let fields = [("path", Field::Text("a\"<b>\n")), ("attempt", Field::Number(0))];
        let expected = r#"{"path":"a\"<b>\n","attempt":0}"#;
        assert_eq!(render(fields.into_iter()), expected);
    }
}
