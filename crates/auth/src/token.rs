//! Simple tokens: names for users, known to every member and kept in memory only.
//!
//! A token is `<random prefix>.<index of the entry before the one that made it>` (etcd 3.7.1,
//! where the own index is not yet known when the token is made). Whoever looks one up first waits
//! until [`index_of`] is applied here; a member that is behind would call a good token bad.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ketch_base::limits::AUTH_TOKENS;
use ketch_base::planted::{self, Bug};
use parking_lot::Mutex;

use crate::Caller;

/// How long an unused token lives, in milliseconds, if nothing else is said (etcd).
pub const TTL_DEFAULT_MS: u64 = 300_000;
/// Uses closer than this, in milliseconds, count as one; etcd looks for dead tokens as often.
const RESOLUTION_MS: u64 = 1_000;

/// Whatever turns a token into a user: the table here, or signatures in the shell.
pub trait Tokens {
    /// Whose token this is, with the revision up to which that holds: `revision`, the store's
    /// own, unless the token says so itself.
    fn look_up(&self, token: &str, revision: u64, now_ms: u64) -> Option<Caller>;
    /// The user is gone or has another password.
    fn invalidate_user(&self, user: &str);
    /// Authentication is off.
    fn clear(&self);
}

/// The index of the entry that made a simple token; `None` for what cannot be one.
///
/// The text is the caller's: an index far beyond the log must not be waited for.
pub fn index_of(token: &str) -> Option<u64> {
    let (_, before) = token.split_once('.')?;
    // No sign: Rust would take a plus.
    let digits = before.bytes().all(|byte| byte.is_ascii_digit());
    let before: u64 = digits.then(|| before.parse().ok())??;
    before.checked_add(1)
}

/// The table of simple tokens, bounded by [`AUTH_TOKENS`]. When it is full, the oldest token of
/// the user who logs in makes room, so that one user cannot log out the others; only one without
/// a token takes the place of the oldest of all.
pub struct SimpleTokens {
    table: Mutex<Table>,
}

struct Table {
    ttl_ms: u64,
    tokens_max: usize,
    known: BTreeMap<Arc<str>, Token>,
    /// In the order of last use, which is the order of death.
    by_age: BTreeMap<u64, Arc<str>>,
    by_user: BTreeMap<Arc<str>, BTreeSet<u64>>,
    next_age: u64,
    /// Ages from here on were assigned since the last tick: their time has not begun.
    fresh_from: u64,
}

struct Token {
    user: Arc<str>,
    age: u64,
    /// `None` until somebody says what time it is.
    expires_ms: Option<u64>,
}

impl Default for SimpleTokens {
    fn default() -> Self {
        Self::new(TTL_DEFAULT_MS, AUTH_TOKENS)
    }
}

impl fmt::Debug for SimpleTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimpleTokens").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl SimpleTokens {
    /// An empty table.
    pub fn new(ttl_ms: u64, tokens_max: usize) -> Self {
        let table = Table {
            ttl_ms,
            tokens_max,
            known: BTreeMap::new(),
            by_age: BTreeMap::new(),
            by_user: BTreeMap::new(),
            next_age: 0,
            fresh_from: 0,
        };
        Self { table: Mutex::new(table) }
    }

    /// How long an unused token lives; counts for uses from now on. For the start of a member.
    pub fn set_ttl_ms(&self, ttl_ms: u64) {
        self.table.lock().ttl_ms = ttl_ms;
    }

    /// Takes up a token. Its time begins with the next [`SimpleTokens::tick`] or its first use.
    pub fn assign(&self, user: &str, token: &str) {
        self.table.lock().assign(user, token);
    }

    /// Forgets what has not been used for too long and starts the time of new tokens. To be
    /// called about once a second.
    pub fn tick(&self, now_ms: u64) {
        self.table.lock().tick(now_ms);
    }

    /// Whose token it is, if it is known. No use of it, and no look at the time.
    pub fn user_of(&self, token: &str) -> Option<String> {
        let table = self.table.lock();
        table.known.get(token).map(|known| known.user.as_ref().to_owned())
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.table.lock().known.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Tokens for SimpleTokens {
    fn look_up(&self, token: &str, revision: u64, now_ms: u64) -> Option<Caller> {
        let user = self.table.lock().look_up(token, now_ms)?;
        Some(Caller { user: user.as_ref().to_owned(), revision })
    }

    fn invalidate_user(&self, user: &str) {
        self.table.lock().invalidate_user(user);
    }

    fn clear(&self) {
        let mut table = self.table.lock();
        table.known.clear();
        table.by_age.clear();
        table.by_user.clear();
    }
}

impl Table {
    fn assign(&mut self, user: &str, token: &str) {
        self.remove(token);
        while self.known.len() >= self.tokens_max {
            let own = self.by_user.get(user).and_then(|ages| ages.first());
            let oldest = self.by_age.first_key_value().map(|(age, _)| age);
            let Some(place) = own.or(oldest).and_then(|age| self.by_age.get(age)) else { return };
            let place = Arc::clone(place);
            self.remove(&place);
        }
        let user = match self.by_user.get_key_value(user) {
            Some((user, _)) => Arc::clone(user),
            None => Arc::from(user),
        };
        self.insert(Arc::from(token), user, None);
    }

    fn insert(&mut self, token: Arc<str>, user: Arc<str>, expires_ms: Option<u64>) {
        let age = self.next_age;
        self.next_age += 1;
        self.by_age.insert(age, Arc::clone(&token));
        self.by_user.entry(Arc::clone(&user)).or_default().insert(age);
        self.known.insert(token, Token { user, age, expires_ms });
    }

    fn remove(&mut self, token: &str) -> Option<(Arc<str>, Arc<str>)> {
        let (name, token) = self.known.remove_entry(token)?;
        self.by_age.remove(&token.age);
        if let Some(ages) = self.by_user.get_mut(&token.user) {
            ages.remove(&token.age);
            if ages.is_empty() {
                self.by_user.remove(&token.user);
            }
        }
        Some((name, token.user))
    }

    /// A token lives at least its time from its last use, and at most a second more.
    fn look_up(&mut self, token: &str, now_ms: u64) -> Option<Arc<str>> {
        let alive_ms = now_ms.saturating_add(self.ttl_ms);
        let known = self.known.get(token)?;
        let user = Arc::clone(&known.user);
        let early_ms = if planted::is(Bug::TokenDiesEarly) { self.ttl_ms / 100 * 99 } else { 0 };
        match known.expires_ms {
            Some(expires_ms) if expires_ms < now_ms.saturating_add(early_ms) => {
                self.remove(token);
                return None;
            }
            Some(expires_ms) if alive_ms < expires_ms => {}
            Some(_) | None => {
                let (name, user) = self.remove(token)?;
                self.insert(name, user, Some(alive_ms.saturating_add(RESOLUTION_MS)));
            }
        }
        Some(user)
    }

    fn tick(&mut self, now_ms: u64) {
        let expires_ms = now_ms.saturating_add(self.ttl_ms).saturating_add(RESOLUTION_MS);
        for token in self.by_age.range(self.fresh_from..).map(|(_, token)| token) {
            if let Some(token) = self.known.get_mut(token) {
                token.expires_ms.get_or_insert(expires_ms);
            }
        }
        self.fresh_from = self.next_age;
        while let Some((_, token)) = self.by_age.first_key_value() {
            let expires_ms = self.known.get(token).and_then(|token| token.expires_ms);
            if expires_ms.is_none_or(|expires_ms| expires_ms >= now_ms) {
                break;
            }
            let token = Arc::clone(token);
            self.remove(&token);
        }
    }

    fn invalidate_user(&mut self, user: &str) {
        for age in self.by_user.remove(user).unwrap_or_default() {
            if let Some(token) = self.by_age.remove(&age) {
                self.known.remove(&token);
            }
        }
    }
}

#[cfg(test)]
mod tests;
