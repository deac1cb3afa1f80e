//! What tokens this member gives and takes: `--auth-token`.

mod jwt;
mod signed;

use std::time::Duration;

use ketch_auth::{AuthStore, Caller, Tokens as _};
use ketch_base::Code;

use signed::Signed;

/// Letters of a simple token's prefix (etcd).
const PREFIX_LETTERS: usize = 16;
const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Why the flag cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokensError {
    /// It is not of the form, or names what there is not.
    #[error("auth: invalid auth options")]
    Options,
    /// Tokens that anybody could write.
    #[error("unsupported signing method: *jwt.signingMethodNone")]
    NoMethod,
    /// No key for the method is given, or its file is empty.
    #[error("auth: missing key data")]
    Missing,
    /// The public key is of another pair.
    #[error("auth: public and private keys don't match")]
    Mismatch,
    /// A key file of another form.
    #[error("invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key")]
    NotPem,
    /// A key of another kind than the method's.
    #[error("auth: invalid key for the sign method")]
    Key,
}

/// The kind of tokens.
pub(crate) enum Tokens {
    /// Known to every member, by the log.
    Simple,
    /// Signed.
    Jwt(Box<Signed>),
}

impl Tokens {
    /// Reads the flag, and the keys it names.
    ///
    /// # Errors
    /// See [`TokensError`].
    pub(crate) fn open(flag: &str) -> Result<Self, TokensError> {
        let mut parts = flag.split(',');
        let kind = parts.next().unwrap_or_default();
        let mut options: Vec<(&str, &str)> = Vec::new();
        for part in parts {
            let (name, value) = part.split_once('=').ok_or(TokensError::Options)?;
            if value.contains('=') || options.iter().any(|(known, _)| *known == name) {
                return Err(TokensError::Options);
            }
            options.push((name, value));
        }
        match kind {
            "simple" => Ok(Self::Simple),
            "jwt" => Ok(Self::Jwt(Box::new(Signed::open(&options)?))),
            _ => Err(TokensError::Options),
        }
    }

    /// Reads the key files again; says whether there are any.
    ///
    /// # Errors
    /// What is wrong with them; the keys in service stay.
    pub(crate) fn reload(&self) -> Result<bool, TokensError> {
        match self {
            Self::Simple => Ok(false),
            Self::Jwt(jwt) => jwt.reload().map(|()| true),
        }
    }

    /// Whether a key file has changed since it was tried last.
    pub(crate) fn have_changed(&self) -> bool {
        match self {
            Self::Simple => false,
            Self::Jwt(jwt) => jwt.has_changed(),
        }
    }

    /// What the log is told of a login: the first part of a simple token.
    pub(crate) fn prefix(&self) -> Result<String, Code> {
        if !matches!(self, Self::Simple) {
            return Ok(String::new());
        }
        let mut token = String::with_capacity(PREFIX_LETTERS);
        while token.len() < PREFIX_LETTERS {
            let mut bytes = [0_u8; 2 * PREFIX_LETTERS];
            getrandom::fill(&mut bytes).map_err(|_| Code::AuthFailed)?;
            // What is left over above a multiple of 52 would favour some letters.
            let fair = bytes.iter().filter(|byte| **byte < 208);
            let left = PREFIX_LETTERS - token.len();
            token.extend(fair.take(left).map(|byte| char::from(LETTERS[usize::from(byte % 52)])));
        }
        Ok(token)
    }

    /// The token of a login: what the log made, or one signed now.
    pub(crate) fn token(&self, made: String, user: &str, revision: u64) -> Result<String, Code> {
        match self {
            Self::Simple => Ok(made),
            Self::Jwt(jwt) => jwt.keys().sign(user, revision).ok_or(Code::AuthFailed),
        }
    }

    /// Whose token it is; `None` for a bad one.
    pub(crate) fn look_up(&self, token: &str, store: &AuthStore, now_ms: u64) -> Option<Caller> {
        match self {
            Self::Simple => store.tokens().look_up(token, store.revision(), now_ms),
            Self::Jwt(jwt) => jwt.keys().verify(token),
        }
    }

    /// Which entry made it: it must be applied here before it can be known.
    pub(crate) fn index_of(&self, token: &str) -> Option<u64> {
        match self {
            Self::Simple => ketch_auth::token::index_of(token),
            Self::Jwt(_) => Some(0),
        }
    }
}

/// How long a signed token lives unless told (etcd).
const JWT_TTL: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_letters_and_differ() {
        let one = Tokens::Simple.prefix().expect("random");
        assert_eq!(one.len(), PREFIX_LETTERS);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphabetic()));
        assert_ne!(Ok(one), Tokens::Simple.prefix());
    }

    #[test]
    fn flags() {
        let bad = ["", "simpel", "simple,x", "jwt,a=b,a=c", "jwt", "jwt,sign-method=none"];
        for flag in bad {
            assert!(Tokens::open(flag).is_err(), "{flag}");
        }
        assert!(matches!(Tokens::open("simple"), Ok(Tokens::Simple)));
    }
}
