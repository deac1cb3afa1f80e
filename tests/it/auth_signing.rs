//! Tokens signed by hand: any header and any claims, by any key.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

/// One part of a token.
pub(crate) fn part(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token over `header` and `claims`, signed by HMAC with `secret`, whatever the header says.
pub(crate) fn hmac(header: &str, claims: &str, method: Algorithm, secret: &[u8]) -> Result<String> {
    let signed = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret);
    Ok(format!("{signed}.{}", crypto::sign(signed.as_bytes(), &key, method)?))
}

/// As `hmac` with SHA-256 and the header that says so.
pub(crate) fn hs256(claims: &str, secret: &[u8]) -> Result<String> {
    hmac(r#"{"alg":"HS256","typ":"JWT"}"#, claims, Algorithm::HS256, secret)
}

/// Seconds from now, as claims tell times.
pub(crate) fn at(offset_s: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(now).unwrap_or_default() + offset_s
}
