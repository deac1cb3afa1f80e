//! Log lines on standard error: time, level, place, message, JSON fields, tab separated.

use std::time::SystemTime;

use serde_json::Value;

/// Says what is being done. `place` is file and topic, as etcdutl's are.
pub(crate) fn info(place: &str, message: &str, fields: &[(&str, Value)]) {
    put("info", place, message, fields);
}

/// Says what is odd but no reason to stop.
pub(crate) fn warn(place: &str, message: &str, fields: &[(&str, Value)]) {
    put("warn", place, message, fields);
}

fn put(level: &str, place: &str, message: &str, fields: &[(&str, Value)]) {
    let time = humantime::format_rfc3339_seconds(SystemTime::now());
    let mut line = format!("{time}\t{level}\t{place}\t{message}");
    if !fields.is_empty() {
        line.push('\t');
        line.push_str(&fields_text(fields));
    }
    eprintln!("{line}");
}

/// JSON with a blank behind every colon and comma, in the order given.
fn fields_text(fields: &[(&str, Value)]) -> String {
    let pairs: Vec<_> =
        fields.iter().map(|(name, value)| format!("{name:?}: {}", spaced(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_json_with_blanks() {
        let fields = [("a", json!("x\"y")), ("n", json!(3)), ("l", json!(["p", "q"]))];
        assert_eq!(fields_text(&fields), r#"{"a": "x\"y", "n": 3, "l": ["p", "q"]}"#);
    }
}
