//! Signed tokens: the user, the auth revision and an end, as etcd writes and reads them.

mod es512;
mod reading;
mod sec1;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
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
        for (name, _) in options.iter().filter(|(name, _)| !known.contains(name)) {
            tracing::warn!(key = %name, "unknown JWT options");
        }
        let ttl = match option("ttl") {
            Some(ttl) => duration::parse(ttl).ok_or(TokensError::Options)?,
            None => JWT_TTL,
        };
        let public = option("pub-key").map(read).transpose()?;
        let private = option("priv-key").map(read).transpose()?;
        let method = option("sign-method").ok_or(TokensError::Options)?;
        let library = (method != "ES512").then(|| algorithm(method)).transpose()?;
        let there = |key: &&Vec<u8>| !key.is_empty();
        let private = private.as_ref().filter(there).map(Vec::as_slice);
        let public = public.as_ref().filter(there).map(Vec::as_slice);
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
    std::fs::read(path).map_err(|error| {
        tracing::error!(path, %error, "problem loading JWT options");
        TokensError::Options
    })
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
        "none" => return Err(TokensError::NoMethod),
        _ => return Err(TokensError::Options),
    })
}

type Pair = (Option<EncodingKey>, DecodingKey);

fn keys(
    algorithm: Algorithm,
    private: Option<&[u8]>,
    public: Option<&[u8]>,
) -> Result<Pair, TokensError> {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512};
    if matches!(algorithm, HS256 | HS384 | HS512) {
        let secret = private.ok_or(TokensError::Missing)?;
        let check = DecodingKey::from_secret(secret);
        return Ok((Some(EncodingKey::from_secret(secret)), check));
    }
    if [private, public].iter().flatten().any(|pem| !holds_a_block(pem)) {
        return Err(TokensError::NotPem);
    }
    let bad = |_| TokensError::Key;
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
        (None, Some(_)) if algorithm == EdDSA => {
            private.and_then(of_private_ed).ok_or(TokensError::Key)?
        }
        (None, Some(sign)) => of_private(sign, algorithm).ok_or(TokensError::Key)?,
        (None, None) => return Err(TokensError::Missing),
    };
    if let Some(sign) = &sign {
        let text = b"of one pair";
        let signature = crypto::sign(text, sign, algorithm).map_err(bad)?;
        if !crypto::verify(&signature, text, &check, algorithm).unwrap_or(false) {
            return Err(TokensError::Mismatch);
        }
    }
    Ok((sign, check))
}

fn holds_a_block(pem: &[u8]) -> bool {
    std::str::from_utf8(pem).is_ok_and(|text| text.contains("-----BEGIN "))
}

/// As [`of_private`], which the library cannot do for this method.
fn of_private_ed(pem: &[u8]) -> Option<DecodingKey> {
    let der = es512::block(pem, &["PRIVATE KEY"])?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).ok()?;
    Some(DecodingKey::from_ed_der(pair.public_key().as_ref()))
}

/// The public half, where it was not given.
fn of_private(sign: &EncodingKey, algorithm: Algorithm) -> Option<DecodingKey> {
    let public = jsonwebtoken::jwk::Jwk::from_encoding_key(sign, algorithm).ok()?;
    DecodingKey::from_jwk(&public).ok()
}
