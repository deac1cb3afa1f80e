//! Revisions and their form as database keys.

use std::fmt;

/// A point in history: `main` counts transactions, `sub` counts changes within one.
///
/// A new store stands at main 1, so the first write gets main 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// The transaction.
    pub main: i64,
    /// The change within it, from 0.
    pub sub: i64,
}

impl Revision {
    /// Bytes of a revision as a database key: big-endian main, `_`, big-endian sub.
    pub const ENCODED_BYTES: usize = 17;

    /// The 17-byte key form; byte order equals revision order.
    pub fn to_bytes(self) -> [u8; Self::ENCODED_BYTES] {
        let mut out = [b'_'; Self::ENCODED_BYTES];
        out[..8].copy_from_slice(&self.main.to_be_bytes());
        out[9..].copy_from_slice(&self.sub.to_be_bytes());
        out
    }

    /// Reads the first 17 bytes of a key; `None` if it is too short or has no `_` in its place.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let main = bytes.get(..8)?.try_into().ok()?;
        let sub = bytes.get(9..17)?.try_into().ok()?;
        (bytes[8] == b'_')
            .then(|| Self { main: i64::from_be_bytes(main), sub: i64::from_be_bytes(sub) })
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.main, self.sub)
    }
}

/// A row key of the key bucket: a revision, and whether the row is a tombstone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevisionKey {
    /// Where in history.
    pub revision: Revision,
    /// The key was deleted here; written as a trailing `t`.
    pub tombstone: bool,
}

impl RevisionKey {
    /// Encodes into `buffer` and returns the part used: 17 bytes, or 18 for a tombstone.
    pub fn encode(self, buffer: &mut [u8; 18]) -> &[u8] {
        buffer[..17].copy_from_slice(&self.revision.to_bytes());
        buffer[17] = b't';
        if self.tombstone { &buffer[..] } else { &buffer[..17] }
    }

    /// Reads a row key; `None` for anything that is not 17 bytes, or 18 ending in `t`.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let tombstone = match bytes.len() {
            17 => false,
            18 if bytes[17] == b't' => true,
            _ => return None,
        };
        Some(Self { revision: Revision::from_bytes(bytes)?, tombstone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_keys_match_the_vector_of_etcd() {
        let key = RevisionKey { revision: Revision { main: 8, sub: 2 }, tombstone: true };
        let mut buffer = [0; 18];
        let hex: String = key.encode(&mut buffer).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "00000000000000085f000000000000000274");
        assert_eq!(RevisionKey::decode(&buffer), Some(key));
    }

    #[test]
    fn malformed_row_keys_are_refused() {
        for bad in [&b""[..], &[0; 16], &[0; 17], &[b'_'; 18], &[b'_'; 19]] {
            assert_eq!(RevisionKey::decode(bad), None, "{bad:?}");
        }
    }
}
