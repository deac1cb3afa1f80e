//! The stored form of a password, which is never the password.

use std::fmt;

use bytes::Bytes;
use ketch_base::Code;

/// What a password is checked against, off the thread that applies.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    /// bcrypt's text; empty for an account nobody can log in to.
    pub hash: Bytes,
    /// The auth revision it was read at. If it is another once the login is applied, the check
    /// must be made again.
    pub revision: u64,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("revision", &self.revision).finish_non_exhaustive()
    }
}

/// The hash that the proposing member put into the request, as base64; line ends are skipped, as
/// Go skips them.
///
/// A password in clear, which members up to 3.4 proposed, is dropped: every member would salt it
/// on its own. Nobody can log in to such an account until it gets a new password.
pub(crate) fn decode(encoded: &str) -> Result<Bytes, Code> {
    let encoded: Vec<u8> = encoded.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    base64(&encoded).map(Bytes::from).ok_or(Code::NoPasswordUser)
}

/// Standard base64, as lenient as Go about the bits that no byte needs, as strict about padding.
fn base64(encoded: &[u8]) -> Option<Vec<u8>> {
    let (groups, []) = encoded.as_chunks::<4>() else { return None };
    let mut bytes = Vec::with_capacity(groups.len() * 3);
    for (place, group) in groups.iter().enumerate() {
        let padding = match group {
            [_, _, b'=', b'='] => 2,
            [_, _, _, b'='] => 1,
            _ => 0,
        };
        if padding > 0 && place + 1 != groups.len() {
            return None;
        }
        let mut bits: u32 = 0;
        for byte in &group[..4 - padding] {
            bits = bits << 6 | sextet(*byte)?;
        }
        let [_, decoded @ ..] = (bits << (6 * padding)).to_be_bytes();
        bytes.extend_from_slice(&decoded[..3 - padding]);
    }
    Some(bytes)
}

fn sextet(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_come_as_base64() {
        let check = |encoded: &str, bytes: Option<&[u8]>| {
            assert_eq!(decode(encoded).ok().as_deref(), bytes, "{encoded}");
        };
        check("", Some(b""));
        check("aGFzaA==", Some(b"hash"));
        check("aGFzaGU=", Some(b"hashe"));
        check("aGFzaGVz", Some(b"hashes"));
        check("aGFz\r\naGVz\n", Some(b"hashes"));
        check("+/+/", Some(b"\xfb\xff\xbf"));
        // Bits that no byte needs.
        check("aGFzaB==", Some(b"hash"));
        check("aGFzaA", None);
        check("aGFzaA=", None);
        check("aGFzaA===", None);
        check("aG==aGFz", None);
        check("aGF=aA==", None);
        check("a===", None);
        check("====", None);
        check("aG-_", None);
        check("aG z", None);
    }
}
