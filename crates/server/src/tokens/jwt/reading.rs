//! What a signed token says, read as etcd's library (golang-jwt 5) reads it: all that one kind of
//! member takes, the other takes too.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};
use ketch_auth::Caller;
use serde_json::{Map, Value};

/// Bits that stand for nothing may have any value (RFC 4648, section 3.5 leaves that open).
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A token taken apart; nothing in it is proven yet.
pub(super) struct Parts<'a> {
    /// What the signature is over.
    pub(super) signed: &'a str,
    /// The signature, as the library wants it.
    pub(super) signature: String,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl<'a> Parts<'a> {
    /// `None` for what is no token.
    pub(super) fn of(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        if claims.contains('.') {
            return None;
        }
        let signature = LENIENT.encode(decode(signature).ok()?);
        Some(Self { signed, signature, header: object(header)?, claims: object(claims)? })
    }

    /// The method that the token says it is signed by. Nobody but who compares it with the one
    /// method there is may ask.
    pub(super) fn method(&self) -> Option<&str> {
        self.header.get("alg")?.as_str()
    }

    /// Whom a token whose signature is right stands for, unless it is over or not yet good.
    pub(super) fn caller(&self) -> Option<Caller> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        let end = self.time("exp")?;
        let start = self.time("nbf")?;
        if end.is_some_and(|end| now >= end) || start.is_some_and(|start| now < start) {
            return None;
        }
        let user = self.claims.get("username")?.as_str()?.to_owned();
        Some(Caller { user, revision: whole(self.claims.get("revision")?.as_f64()?) })
    }

    /// A time that is not there, or 0, is no bound; what is no number is a bad token.
    #[expect(clippy::option_option, reason = "bad, absent, there")]
    fn time(&self, name: &str) -> Option<Option<f64>> {
        match self.claims.get(name) {
            None => Some(None),
            Some(value) => {
                Some(Some(value.as_f64()?).filter(|seconds| *seconds != 0.0).map(second))
            }
        }
    }
}

fn decode(part: &str) -> Result<Vec<u8>, DecodeError> {
    LENIENT.decode(part)
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = decode(part).ok()?;
    // What is no text becomes signs of that, and so no name of anybody.
    match serde_json::from_str(&String::from_utf8_lossy(&bytes)).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// What is beyond all time wraps around to its beginning (Go).
fn second(number: f64) -> f64 {
    if number.abs() < i64::MAX as f64 { number } else { f64::MIN }
}

/// A number of JSON as a revision: the fraction is cut off, what is negative is far ahead.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as documented")]
fn whole(number: f64) -> u64 {
    if number < 0.0 { number as i64 as u64 } else { number as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.c2ln", LENIENT.encode(header), LENIENT.encode(claims))
    }

    fn read(claims: &str) -> Option<(String, u64)> {
        let token = token(r#"{"alg":"HS256"}"#, claims);
        let caller = Parts::of(&token)?.caller()?;
        Some((caller.user, caller.revision))
    }

    #[test]
    fn what_is_taken_apart() {
        let good = token(r#"{"alg":"HS256"}"#, "{}");
        let parts = Parts::of(&good).expect("three parts");
        assert_eq!((parts.method(), parts.signature.as_str()), (Some("HS256"), "c2ln"));
        assert!(parts.caller().is_none());
        for bad in
            ["", ".", "..", "...", "a.b", "e30.e30.c2ln.c2ln", "e30=.e30.c2ln", "e30.W10.c2ln"]
        {
            assert!(Parts::of(bad).is_none(), "{bad}");
        }
        assert_eq!(Parts::of("e30.e30.").and_then(|parts| parts.method().map(str::len)), None);
        // The last letter's lowest bits stand for nothing.
        assert_eq!(Parts::of("e30.e30.QR").map(|parts| parts.signature), Some("QQ".to_owned()));
    }

    #[test]
    fn claims() {
        let ann = |revision| Some(("ann".to_owned(), revision));
        for (claims, expected) in [
            (r#"{"username":"ann","revision":3}"#, ann(3)),
            (r#"{"username":"ann","revision":3.9,"exp":0,"nbf":0}"#, ann(3)),
            (r#"{"username":"ann","revision":3,"exp":99999999999,"nbf":1}"#, ann(3)),
            (r#"{"username":"eve","username":"ann","revision":3}"#, ann(3)),
            (r#"{"username":"ann","revision":-1}"#, ann(u64::MAX)),
            (r#"{"username":"ann","revision":3,"exp":1}"#, None),
            (r#"{"username":"ann","revision":3,"nbf":99999999999}"#, None),
            (r#"{"username":"ann","revision":3,"exp":"99999999999"}"#, None),
            (r#"{"username":"ann","revision":3,"exp":null}"#, None),
            (r#"{"username":"ann","revision":3,"exp":1e300}"#, None),
            (r#"{"username":"ann","revision":3,"nbf":1e300}"#, ann(3)),
            (r#"{"username":"ann","revision":"3"}"#, None),
            (r#"{"username":7,"revision":3}"#, None),
            (r#"{"Username":"ann","revision":3}"#, None),
            (r#"{"username":"ann"}"#, None),
            (r#"{"revision":3}"#, None),
        ] {
            assert_eq!(read(claims), expected, "{claims}");
        }
    }
}
