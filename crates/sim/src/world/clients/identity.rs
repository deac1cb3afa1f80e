//! Who clients are: by certificate, or by a token that a password buys.

use std::collections::BTreeMap;

use ketch_base::Code;

use super::Client;
use crate::fact::{Badge, Call, Outcome};
use crate::world::World;

/// Users beside root.
pub(crate) const USERS: [&str; 3] = ["ann", "bob", "cid"];
pub(crate) const ROOT: &str = "root";
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// How a client shows who it is.
#[derive(Default)]
pub(crate) enum Identity {
    #[default]
    Nobody,
    Certificate(&'static str),
    Password {
        user: &'static str,
        token: Option<String>,
        /// Calls it makes without a token: authentication was off.
        bare: u64,
    },
}

/// Every password that was ever asked to be set, by user.
#[derive(Default)]
pub(crate) struct Passwords {
    set: BTreeMap<String, Vec<String>>,
    next: u32,
}

impl Passwords {
    /// One that nobody had before, in the form in which requests carry it.
    pub(crate) fn fresh(&mut self, user: &str) -> String {
        self.next += 1;
        let [_, bytes @ ..] = self.next.to_be_bytes();
        let password = base64(bytes);
        self.set.entry(user.to_owned()).or_default().push(password.clone());
        password
    }
}

/// Three bytes as text.
pub(crate) fn base64(bytes: [u8; 3]) -> String {
    let [one, two, three] = bytes;
    let bits = u32::from_be_bytes([0, one, two, three]);
    let letter = |shift: u32| char::from(LETTERS[(bits >> shift & 63) as usize]);
    [18, 12, 6, 0].map(letter).iter().collect()
}

impl World {
    /// Who a new client is; the first writer is always let in, so that somebody is.
    pub(crate) fn new_identity(&mut self) -> Identity {
        if self.plan.token_ttl_ms.is_none() {
            return Identity::Nobody;
        }
        if self.clients.is_empty() {
            return Identity::Certificate(ROOT);
        }
        let user = USERS[self.rng.below(3) as usize];
        match self.rng.below(8) {
            0 => Identity::Nobody,
            1 | 2 => Identity::Certificate(user),
            3 => Identity::Password { user: ROOT, token: None, bare: 0 },
            _ => Identity::Password { user, token: None, bare: 0 },
        }
    }

    /// Root, one way or the other.
    pub(crate) fn root_identity(&mut self) -> Identity {
        match self.plan.token_ttl_ms {
            None => Identity::Nobody,
            Some(_) if self.rng.once_in(2) => Identity::Certificate(ROOT),
            Some(_) => Identity::Password { user: ROOT, token: None, bare: 0 },
        }
    }

    /// A client without a token wants one first.
    pub(crate) fn login_wish(&mut self, client: usize) -> Option<Call> {
        let Identity::Password { user, token, bare } = &mut self.clients[client].identity else {
            return None;
        };
        *bare = bare.saturating_sub(1);
        let again = token.is_some() && self.rng.once_in(60);
        if *bare > 0 || (token.is_some() && !again) || self.rng.once_in(10) {
            return None;
        }
        let user = (*user).to_owned();
        let set = self.passwords.set.get(&user)?;
        // Which of the last ones holds, nobody knows for sure.
        let back = if self.rng.once_in(3) { 1 + self.rng.below(2) as usize } else { 0 };
        let password = set[(set.len() - 1).saturating_sub(back)].clone();
        Some(Call::Authenticate { user, password })
    }

    /// A token that was just made is used elsewhere as often as not.
    pub(crate) fn goes_elsewhere(&mut self, outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Authenticate { .. }) && self.rng.once_in(2)
    }
}

impl Client {
    pub(crate) fn badge(&self, what: &Call) -> Badge {
        match &self.identity {
            _ if matches!(what, Call::Authenticate { .. }) => Badge::None,
            Identity::Nobody | Identity::Password { token: None, .. } => Badge::None,
            Identity::Certificate(name) => Badge::Name((*name).to_owned()),
            Identity::Password { token: Some(token), .. } => Badge::Token(token.clone()),
        }
    }

    pub(crate) fn learn_who(&mut self, outcome: &Outcome) {
        let Identity::Password { token, bare, .. } = &mut self.identity else { return };
        match outcome {
            Outcome::Authenticate { token: fresh } => *token = Some(fresh.clone()),
            Outcome::Refused(Code::InvalidAuthToken) => *token = None,
            Outcome::Refused(Code::AuthNotEnabled) => *bare = 8,
            _ => {}
        }
    }
}
