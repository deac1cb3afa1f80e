//! The one method of etcd's that the library of tokens has not: ECDSA on P-521 with SHA-512 (RFC
//! 7518, section 3.4), by the provider that TLS uses.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    ParsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;

use crate::tokens::TokensError;

/// Kinds of PEM blocks that hold a private key.
const PRIVATE: [&str; 2] = ["PRIVATE KEY", "EC PRIVATE KEY"];
const PUBLIC: [&str; 1] = ["PUBLIC KEY"];
const HEADER: &str = r#"{"typ":"JWT","alg":"ES512"}"#;

/// The keys.
pub(super) struct Es512 {
    /// Only those who have it can give tokens.
    sign: Option<EcdsaKeyPair>,
    check: ParsedPublicKey,
}

impl Es512 {
    /// From the files; the public half is taken from the private one where it is not given.
    pub(super) fn open(private: Option<&[u8]>, public: Option<&[u8]>) -> Result<Self, TokensError> {
        let read = |pem: &[u8], kinds: &[&str]| block(pem, kinds).ok_or(TokensError::Key);
        let sign = private.map(|pem| {
            let der = read(pem, &PRIVATE)?;
            EcdsaKeyPair::from_private_key_der(&ECDSA_P521_SHA512_FIXED_SIGNING, &der)
                .map_err(|_| TokensError::Key)
        });
        let sign = sign.transpose()?;
        let check = match (public, &sign) {
            (Some(pem), _) => read(pem, &PUBLIC)?,
            (None, Some(sign)) => sign.public_key().as_ref().to_vec(),
            (None, None) => return Err(TokensError::Missing),
        };
        let check = ParsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, check);
        Ok(Self { sign, check: check.map_err(|_| TokensError::Key)? })
    }

    /// A whole token; `None` where there is no key to sign with.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Option<String> {
        let claims = serde_json::to_vec(claims).ok()?;
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.sign.as_ref()?.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }

    /// Whether our key signed it; the signature in base64.
    pub(super) fn verify(&self, signed: &[u8], signature: &str) -> bool {
        let signature = URL_SAFE_NO_PAD.decode(signature);
        signature.is_ok_and(|signature| self.check.verify_sig(signed, &signature).is_ok())
    }
}

/// What stands in the first block of one of these kinds. `openssl ecparam` writes one of the
/// curve's parameters before it.
pub(super) fn block(pem: &[u8], kinds: &[&str]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    kinds.iter().find_map(|kind| {
        let (_, rest) = text.split_once(&format!("-----BEGIN {kind}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {kind}-----"))?;
        STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, PublicKeyX509Der};

    use super::*;

    fn pem(kind: &str, der: &[u8]) -> Vec<u8> {
        let body = STANDARD.encode(der);
        format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n").into_bytes()
    }

    #[test]
    fn keys_of_every_form() {
        let algorithm = &ECDSA_P521_SHA512_FIXED_SIGNING;
        let pair = EcdsaKeyPair::generate(algorithm).expect("a key");
        let pkcs8 = pem("PRIVATE KEY", pair.to_pkcs8v1().expect("a form").as_ref());
        let private: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().expect("a form");
        let sec1 = [
            pem("EC PARAMETERS", &[6, 5, 0x2b, 0x81, 4, 0, 0x23]),
            pem("EC PRIVATE KEY", private.as_ref()),
        ];
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a form");
        let public = pem("PUBLIC KEY", public.as_ref());
        let token = Es512::open(Some(&pkcs8), None).expect("a key").sign(&["ann"]).expect("signed");
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let check = |private: Option<&[u8]>, public: Option<&[u8]>| {
            let keys = Es512::open(private, public).expect("keys");
            assert!(keys.verify(signed.as_bytes(), signature));
            assert!(!keys.verify(b"other", signature) && !keys.verify(signed.as_bytes(), "AAAA"));
            assert_eq!(keys.sign(&["ann"]).is_some(), private.is_some());
        };
        check(None, Some(&public));
        check(Some(&sec1.concat()), None);
        check(Some(&pkcs8), Some(&public));
        for bad in [&b"x"[..], &public, &pem("PRIVATE KEY", b"x")] {
            assert!(Es512::open(Some(bad), None).is_err());
        }
        assert!(Es512::open(None, None).is_err() && Es512::open(None, Some(&pkcs8)).is_err());
    }

    #[test]
    fn other_curves_are_refused() {
        let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::generate(algorithm).expect("a key");
        let pkcs8 = pem("PRIVATE KEY", pair.to_pkcs8v1().expect("a form").as_ref());
        assert!(Es512::open(Some(&pkcs8), None).is_err());
    }
}
