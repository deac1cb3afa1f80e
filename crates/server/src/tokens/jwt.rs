//! Signed tokens: the user, the auth revision and an end, as etcd writes and reads them.

mod es512;
mod reading;
mod sec1;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto, encode};
use ketch_auth::Caller;
use serde::Serialize;

use es512::Es512;
use reading::Parts;

use super::{JWT_TTL, TokensError};
use crate::config::duration;

/// The keys of one method.
pub(crate) struct Jwt {
    /// The algorithm's name.
    method: String,
    keys: Keys,
    ttl: Duration,
}

enum Keys {
    /// What the library knows.
    Library {
        algorithm: Algorithm,
        /// Only those who have it can give tokens.
        sign: Option<EncodingKey>,
        check: DecodingKey,
    },
    Es512(Box<Es512>),
}

#[derive(Serialize)]
struct Claims<'a> {
    username: &'a str,
    revision: u64,
    exp: u64,
}

impl Jwt {
    pub(super) fn open(options: &[(&str, &str)]) -> Result<Self, TokensError> {
        let option = |name: &str| {
            let found = options.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value).filter(|value| !value.is_empty())
        };
        let known = ["sign-method", "pub-key", "priv-key", "ttl"];
        if options.iter().any(|(name, _)| !known.contains(name)) {
            return Err(TokensError::Options);
        }
        let ttl = match option("ttl") {
            Some(ttl) => duration::parse(ttl).ok_or(TokensError::Options)?,
            None => JWT_TTL,
        };
        let method = option("sign-method").ok_or(TokensError::Options)?;
        let library = (method != "ES512").then(|| algorithm(method)).transpose()?;
        let private = option("priv-key").map(read).transpose()?;
        let public = option("pub-key").map(read).transpose()?;
        let (private, public) = (private.as_deref(), public.as_deref());
        let keys = match library {
            Some(algorithm) => {
                let (sign, check) = keys(algorithm, private, public)?;
                Keys::Library { algorithm, sign, check }
            }
            None => Keys::Es512(Box::new(Es512::open(private, public)?)),
        };
        Ok(Self { method: method.to_owned(), keys, ttl })
    }

    /// `None` where there is no key to sign with.
    pub(super) fn sign(&self, user: &str, revision: u64) -> Option<String> {
        let end = SystemTime::now() + self.ttl;
        let exp = end.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let claims = Claims { username: user, revision, exp };
        match &self.keys {
            Keys::Library { algorithm, sign, .. } => {
                encode(&Header::new(*algorithm), &claims, sign.as_ref()?).ok()
            }
            Keys::Es512(keys) => keys.sign(&claims),
        }
    }

    /// Signed by our key with our method, and not over.
    pub(super) fn verify(&self, token: &str) -> Option<Caller> {
        let parts = Parts::of(token)?;
        if parts.method() != Some(&self.method) {
            return None;
        }
        let signed = parts.signed.as_bytes();
        let good = match &self.keys {
            Keys::Library { algorithm, check, .. } => {
                crypto::verify(&parts.signature, signed, check, *algorithm).unwrap_or(false)
            }
            Keys::Es512(keys) => keys.verify(signed, &parts.signature),
        };
        if good { parts.caller() } else { None }
    }
}

fn read(path: &str) -> Result<Vec<u8>, TokensError> {
    std::fs::read(path).map_err(|source| TokensError::File { path: path.to_owned(), source })
}

fn algorithm(name: &str) -> Result<Algorithm, TokensError> {
    Ok(match name {
        "HS256" => Algorithm::HS256,
        "HS384" => Algorithm::HS384,
        "HS512" => Algorithm::HS512,
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        other => return Err(TokensError::Method(other.to_owned())),
    })
}

type Pair = (Option<EncodingKey>, DecodingKey);

fn keys(
    algorithm: Algorithm,
    private: Option<&[u8]>,
    public: Option<&[u8]>,
) -> Result<Pair, TokensError> {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512};
    let bad = |_| TokensError::Key;
    if matches!(algorithm, HS256 | HS384 | HS512) {
        let secret = private.filter(|secret| !secret.is_empty()).ok_or(TokensError::Key)?;
        let check = DecodingKey::from_secret(secret);
        return Ok((Some(EncodingKey::from_secret(secret)), check));
    }
    let sign = |pem: &[u8]| match algorithm {
        ES256 | ES384 => sec1::der_of(pem, algorithm).map_or_else(
            || EncodingKey::from_ec_pem(pem),
            |der| Ok(EncodingKey::from_ec_der(&der)),
        ),
        EdDSA => EncodingKey::from_ed_pem(pem),
        _ => EncodingKey::from_rsa_pem(pem),
    };
    let check = |pem: &[u8]| match algorithm {
        ES256 | ES384 => DecodingKey::from_ec_pem(pem),
        EdDSA => DecodingKey::from_ed_pem(pem),
        _ => DecodingKey::from_rsa_pem(pem),
    };
    let sign = private.map(sign).transpose().map_err(bad)?;
    let check = match (public, &sign) {
        (Some(public), _) => check(public).map_err(bad)?,
        // The library cannot make one out of the other for this method.
        (None, Some(_)) if algorithm == EdDSA => return Err(TokensError::Key),
        (None, Some(sign)) => of_private(sign, algorithm).ok_or(TokensError::Key)?,
        (None, None) => return Err(TokensError::Key),
    };
    Ok((sign, check))
}

/// The public half, where it was not given.
fn of_private(sign: &EncodingKey, algorithm: Algorithm) -> Option<DecodingKey> {
    let public = jsonwebtoken::jwk::Jwk::from_encoding_key(sign, algorithm).ok()?;
    DecodingKey::from_jwk(&public).ok()
}
