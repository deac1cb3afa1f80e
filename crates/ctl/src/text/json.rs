//! Go's `encoding/json` for what etcdctl prints: fields in order, defaults left out, bytes as
//! base64, `<`, `>` and `&` escaped.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// An object under construction.
#[derive(Default)]
pub(crate) struct Object {
    body: String,
}

impl Object {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A field whose value is JSON already.
    pub(crate) fn raw(mut self, name: &str, value: impl AsRef<str>) -> Self {
        if !self.body.is_empty() {
            self.body.push(',');
        }
        self.body.push_str(&string(name));
        self.body.push(':');
        self.body.push_str(value.as_ref());
        self
    }

    /// A field left out when it is zero.
    pub(crate) fn number(self, name: &str, value: impl Into<i128>) -> Self {
        let value = value.into();
        if value == 0 { self } else { self.raw(name, value.to_string()) }
    }

    /// A field left out when it is false.
    pub(crate) fn flag(self, name: &str, value: bool) -> Self {
        if value { self.raw(name, "true") } else { self }
    }

    /// A field left out when it is empty.
    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.raw(name, string(value)) }
    }

    /// Bytes, left out when there are none.
    pub(crate) fn bytes(self, name: &str, value: &[u8]) -> Self {
        if value.is_empty() { self } else { self.raw(name, base64(value)) }
    }

    /// A list, left out when it is empty.
    pub(crate) fn list(self, name: &str, items: impl IntoIterator<Item = String>) -> Self {
        let items: Vec<_> = items.into_iter().collect();
        if items.is_empty() { self } else { self.raw(name, array(items)) }
    }

    /// A nested object, left out when there is none.
    pub(crate) fn object(self, name: &str, value: Option<Object>) -> Self {
        match value {
            Some(value) => self.raw(name, value.finish()),
            None => self,
        }
    }

    pub(crate) fn finish(self) -> String {
        format!("{{{}}}", self.body)
    }
}

/// A list of values that are JSON already.
pub(crate) fn array(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<_> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

/// Bytes as a JSON string of base64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    format!("\"{}\"", STANDARD.encode(bytes))
}

/// A JSON string with Go's escapes.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..'\u{20}' => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_left_out() {
        let object = Object::new().number("a", 0).number("b", -1).flag("c", false).flag("d", true);
        let object = object.text("e", "").bytes("f", b"v2").list("g", [string("x")]);
        let inner = Object::new();
        assert_eq!(
            object.object("h", Some(inner)).object("i", None).finish(),
            r#"{"b":-1,"d":true,"f":"djI=","g":["x"],"h":{}}"#
        );
    }

    #[test]
    fn strings() {
        assert_eq!(string("a<b>&\"\\\n\u{1}"), r#""a\u003cb\u003e\u0026\"\\\n\u0001""#);
    }
}
