//! Tokens: one is made only for a password that was set at its place in the log, and from then on
//! every member takes it, unless it was made worthless, or forgotten by a restart or a snapshot,
//! or not used for too long.

use std::collections::BTreeMap;

use ketch_base::{Code, MemberId};

use super::rights::Rights;
use super::{Check, Violation, broken};
use crate::fact::{Badge, Call, CallId, Fact, Moment, Outcome};

const NAME: &str = "tokens";

enum Open {
    LogIn { user: String, password: String, told: usize, member: MemberId },
    Use { token: String, member: MemberId },
}

#[derive(Default)]
pub(super) struct TokensEverywhere {
    rights: Rights,
    open: BTreeMap<CallId, Open>,
    /// When a token was made, and the member that its client asked for it.
    made: BTreeMap<String, u64>,
    from: BTreeMap<String, MemberId>,
    elsewhere: u64,
}

impl TokensEverywhere {
    fn called(&mut self, call: CallId, member: MemberId, by: &Badge, what: &Call) {
        let open = match (what, by) {
            (Call::Authenticate { user, password }, _) => {
                let (user, password) = (user.clone(), password.clone());
                Open::LogIn { user, password, told: self.rights.told(), member }
            }
            (_, Badge::Token(token)) => Open::Use { token: token.clone(), member },
            _ => return,
        };
        self.open.insert(call, open);
    }

    fn returned(&mut self, at: Moment, call: CallId, outcome: &Outcome) -> Result<(), String> {
        match (self.open.remove(&call), outcome) {
            (Some(Open::LogIn { user, password, member, .. }), Outcome::Authenticate { token }) => {
                self.from.insert(token.clone(), member);
                self.logged_in(&user, &password, token)
            }
            (Some(Open::LogIn { user, password, told, .. }), Outcome::Refused(code)) => {
                self.kept_out(&user, &password, told, *code)
            }
            (Some(Open::Use { token, member }), Outcome::Refused(Code::InvalidAuthToken)) => {
                self.not_taken(at, &token, member)
            }
            (_, Outcome::Unknown | Outcome::Refused(_)) => Ok(()),
            (Some(Open::Use { token, member }), _) => {
                let is_elsewhere = self.from.get(&token).is_some_and(|from| *from != member);
                self.elsewhere += u64::from(is_elsewhere);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn logged_in(&self, user: &str, password: &str, token: &str) -> Result<(), String> {
        let Some(known) = self.rights.tokens.get(token) else {
            return Err(format!("{user} was given {token}, which no entry made"));
        };
        if known.user != user {
            return Err(format!("{user} was given {token}, which belongs to {}", known.user));
        }
        let state = &self.rights.states[self.rights.at(known.born)];
        let right = state.users.get(user).is_some_and(|user| user.password == password);
        match right && state.enabled {
            true => Ok(()),
            false => Err(format!("{user} was given {token} for another password than was set")),
        }
    }

    fn kept_out(&self, user: &str, password: &str, told: usize, code: Code) -> Result<(), String> {
        let states = &self.rights.states[told..];
        let wrong = |state: &super::rights::State| {
            state.users.get(user).is_none_or(|user| user.password != password)
        };
        let justified = match code {
            Code::AuthFailed => states.iter().any(wrong),
            Code::AuthNotEnabled => states.iter().any(|state| !state.enabled),
            _ => true,
        };
        match justified {
            true => Ok(()),
            false => Err(format!("{user} was kept out ({code}) with the right password")),
        }
    }

    fn not_taken(&self, at: Moment, token: &str, member: MemberId) -> Result<(), String> {
        let Some(known) = self.rights.tokens.get(token) else { return Ok(()) };
        let forgotten = self.rights.place(member).whole_from >= known.born;
        let (made_ms, ttl_ms) = (self.made.get(token), self.rights.token_ttl_ms);
        let unused = made_ms.zip(ttl_ms).is_some_and(|(made, ttl)| at.ms >= made + ttl);
        if known.died.is_some() || forgotten || unused {
            return Ok(());
        }
        Err(format!("{member} does not take {token} of {}, made at {}", known.user, known.born))
    }
}

impl Check for TokensEverywhere {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        self.rights.see(fact);
        if self.rights.token_ttl_ms.is_none() {
            return Ok(());
        }
        let result = match fact {
            Fact::AuthApplied { token: Some(token), .. } => {
                self.made.entry(token.clone()).or_insert(at.ms);
                Ok(())
            }
            Fact::Called { call, member, by, what, .. } => {
                self.called(*call, *member, by, what);
                Ok(())
            }
            Fact::Returned { call, outcome } => self.returned(at, *call, outcome),
            _ => Ok(()),
        };
        result.map_err(|what| broken(NAME, at, what))
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        Ok(self.elsewhere)
    }
}

#[cfg(test)]
mod tests;
