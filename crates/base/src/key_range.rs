//! The one reading of `(key, range_end)`.

use bytes::Bytes;

/// Which keys a request means; parsed once, at the edge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyRange {
    /// Exactly this key (`range_end` empty).
    Key(Bytes),
    /// From the first, up to and without the second; empty when the second is not larger.
    HalfOpen(Bytes, Bytes),
    /// From this key on, without end (`range_end` is one zero byte).
    From(Bytes),
}

impl KeyRange {
    /// Reads etcd's pair: no end is one key, a single zero byte is "to the end of the key space".
    pub fn new(key: Bytes, range_end: Bytes) -> Self {
        match range_end.as_ref() {
            [] => Self::Key(key),
            [0] => Self::From(key),
            _ => Self::HalfOpen(key, range_end),
        }
    }

    /// The first key that may be in the range.
    pub fn start(&self) -> &[u8] {
        match self {
            Self::Key(key) | Self::HalfOpen(key, _) | Self::From(key) => key,
        }
    }

    /// The exclusive end, `None` where there is none. A single key has no byte-string end of its
    /// own here; use [`KeyRange::contains`].
    pub fn end(&self) -> Option<&[u8]> {
        match self {
            Self::HalfOpen(_, end) => Some(end),
            Self::Key(_) | Self::From(_) => None,
        }
    }

    /// Whether `key` is meant.
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Self::Key(only) => only == key,
            Self::HalfOpen(start, end) => start <= key && key < end,
            Self::From(start) => start <= key,
        }
    }

    /// Whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::HalfOpen(start, end) if start >= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership() {
        let check = |key: &'static str, end: &'static str, inside: &[&str], outside: &[&str]| {
            let range = KeyRange::new(Bytes::from(key), Bytes::from(end));
            for k in inside {
                assert!(range.contains(k.as_bytes()), "{range:?} {k}");
            }
            for k in outside {
                assert!(!range.contains(k.as_bytes()), "{range:?} {k}");
            }
        };
        check("b", "", &["b"], &["a", "ba", ""]);
        check("b", "d", &["b", "c", "czz"], &["a", "d", "e"]);
        check("b", "\0", &["b", "z", "\u{7f}"], &["a", ""]);
        check("d", "b", &[], &["b", "c", "d"]);
    }

    #[test]
    fn emptiness() {
        let range = |k: &'static str, e: &'static str| KeyRange::new(k.into(), e.into());
        assert!(range("b", "a").is_empty());
        assert!(range("b", "b").is_empty());
        assert!(!range("b", "").is_empty());
        assert!(!range("b", "\0").is_empty());
    }
}
