//! Private keys as `openssl ecparam` writes them (`EC PRIVATE KEY`), put into the envelope that the
//! library asks for (PKCS #8, RFC 5208).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::Algorithm;

const BEGIN: &str = "-----BEGIN EC PRIVATE KEY-----";
const END: &str = "-----END EC PRIVATE KEY-----";
const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
/// Version 0.
const VERSION: &[u8] = &[0x02, 0x01, 0x00];
/// 1.2.840.10045.2.1, a key of an elliptic curve.
const EC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];

/// The key in its envelope; `None` for a file of another form.
pub(super) fn der_of(pem: &[u8], algorithm: Algorithm) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let body: String = body.split_whitespace().collect();
    let key = STANDARD.decode(body).ok()?;
    let curve = if algorithm == Algorithm::ES384 { P384 } else { P256 };
    let kind = element(SEQUENCE, &[EC_KEY, curve].concat())?;
    element(SEQUENCE, &[VERSION, &kind, &element(OCTETS, &key)?].concat())
}

fn element(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => vec![length],
        Ok(length) => vec![0x81, length],
        Err(_) => {
            let [high, low] = u16::try_from(content.len()).ok()?.to_be_bytes();
            vec![0x82, high, low]
        }
    };
    Some([&[tag][..], &length, content].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let head = |length: usize| element(OCTETS, &vec![0; length]).map(|all| all[..4].to_vec());
        assert_eq!(head(3), Some(vec![OCTETS, 3, 0, 0]));
        assert_eq!(head(200), Some(vec![OCTETS, 0x81, 200, 0]));
        assert_eq!(head(300), Some(vec![OCTETS, 0x82, 1, 44]));
        assert_eq!(head(70_000), None);
    }

    #[test]
    fn other_files_are_left_alone() {
        let pem = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(der_of(pem, Algorithm::ES256), None);
    }
}
