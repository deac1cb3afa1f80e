//! A user key in 24 bytes: short ones in place, longer ones boxed.

use std::cmp::Ordering;
use std::fmt;

const SHORT_BYTES: usize = 22;

/// The bytes of a key. Most keys of small stores fit in place: no allocation, no pointer to
/// follow while searching.
#[derive(Clone)]
pub(crate) struct Key(Form);

#[derive(Clone)]
enum Form {
    Short { length: u8, bytes: [u8; SHORT_BYTES] },
    Long(Box<[u8]>),
}

impl Key {
    pub(crate) fn new(key: &[u8]) -> Self {
        if key.len() > SHORT_BYTES {
            return Self(Form::Long(key.into()));
        }
        let mut bytes = [0; SHORT_BYTES];
        bytes[..key.len()].copy_from_slice(key);
        Self(Form::Short { length: key.len() as u8, bytes })
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Form::Short { length, bytes } => &bytes[..usize::from(*length)],
            Form::Long(bytes) => bytes,
        }
    }

    /// How it stands to `key` in the order of bytes. Most often the first eight tell, and a search
    /// asks this at every step: comparing slices would call into the C library each time.
    #[inline]
    pub(crate) fn order(&self, key: &[u8]) -> Ordering {
        let own = self.as_slice();
        match (own.first_chunk::<8>(), key.first_chunk::<8>()) {
            (Some(own), Some(key)) if own != key => {
                u64::from_be_bytes(*own).cmp(&u64::from_be_bytes(*key))
            }
            _ => own.cmp(key),
        }
    }

    /// Bytes held outside of the key itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Short { .. } => 0,
            Form::Long(bytes) => bytes.len(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_slice().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_any_length_come_back() {
        assert_eq!(size_of::<Key>(), 24);
        for length in 0..60_u8 {
            let bytes: Vec<u8> = (0..length).collect();
            let key = Key::new(&bytes);
            assert_eq!(key.as_slice(), bytes);
            assert_eq!(key.heap_bytes() == 0, bytes.len() <= SHORT_BYTES);
        }
    }

    #[test]
    fn the_order_is_that_of_bytes() {
        let keys: [&[u8]; 9] = [
            b"",
            b"a",
            b"a\xff",
            b"abcdefg",
            b"abcdefgh",
            b"abcdefghi",
            b"abcdefgi",
            b"b",
            b"\xff",
        ];
        for own in keys {
            for key in keys {
                assert_eq!(Key::new(own).order(key), own.cmp(key));
            }
        }
    }
}
