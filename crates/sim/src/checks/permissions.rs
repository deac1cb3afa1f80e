//! Permissions: nothing is answered, and nothing takes effect, that its caller had no right to in
//! the state in which it was judged; and nobody is refused what was permitted all the while.
//!
//! A write was judged in the state at its place in the log, which its revision tells. A read was
//! judged in some state between the last change that a client had been told of when it was asked
//! for and the revision it shows. A read of one member alone may be as old as that member.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::rc::Rc;

use bytes::Bytes;
use ketch_base::{Code, MemberId};
use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::{DeleteRangeRequest, PutRequest, RequestOp, TxnRequest};
use ketch_proto::mvccpb::Event;

use super::answer::{is_local, revision, wrote};
use super::rights::{Access, Rights, State};
use super::{Check, Violation, broken};
use crate::fact::{Badge, Call, CallId, Fact, Moment, Outcome};

const NAME: &str = "permissions";

struct Asked {
    call: CallId,
    member: MemberId,
    by: Badge,
    what: Call,
}

struct Open {
    asked: Rc<Asked>,
    /// The state that every change is in that a client had been told of.
    told: usize,
    /// The state of the member.
    own: usize,
}

#[derive(Default)]
pub(super) struct Permissions {
    rights: Rights,
    open: BTreeMap<CallId, Open>,
    /// Who asked for a value to be written that has not been seen yet.
    values: BTreeMap<Bytes, Rc<Asked>>,
    /// Keys that somebody wanted to tie to a lease.
    leased: BTreeMap<i64, Vec<Bytes>>,
    judged: u64,
}

/// What a request needs: root's rights, or these keys.
#[derive(Default)]
struct Needs {
    root: bool,
    keys: Vec<(Access, Bytes, Bytes)>,
}

impl Needs {
    fn of(what: &Call) -> Self {
        let mut needs = Self::default();
        match what {
            Call::Put(put) => needs.put(put),
            Call::Range(range) => needs.add(Access::Read, &range.key, &range.range_end),
            Call::DeleteRange(delete) => needs.delete(delete),
            Call::Txn(txn) => needs.txn(txn),
            Call::Auth(_) => needs.root = true,
            // These are judged by the member alone, or by keys that only it knows.
            Call::Compact(_) | Call::LeaseGrant(_) | Call::LeaseRevoke(_) => {}
            Call::LeaseKeepAlive(_) | Call::Authenticate { .. } => {}
        }
        needs
    }

    fn add(&mut self, access: Access, key: &Bytes, range_end: &Bytes) {
        self.keys.push((access, key.clone(), range_end.clone()));
    }

    fn put(&mut self, put: &PutRequest) {
        self.add(Access::Write, &put.key, &Bytes::new());
        if put.prev_kv {
            self.add(Access::Read, &put.key, &Bytes::new());
        }
    }

    fn delete(&mut self, delete: &DeleteRangeRequest) {
        self.add(Access::Write, &delete.key, &delete.range_end);
        if delete.prev_kv {
            self.add(Access::Read, &delete.key, &delete.range_end);
        }
    }

    fn txn(&mut self, txn: &TxnRequest) {
        for compare in &txn.compare {
            self.add(Access::Read, &compare.key, &compare.range_end);
        }
        for op in txn.success.iter().chain(&txn.failure) {
            match &op.request {
                Some(Request::RequestPut(put)) => self.put(put),
                Some(Request::RequestRange(range)) => {
                    self.add(Access::Read, &range.key, &range.range_end);
                }
                Some(Request::RequestDeleteRange(delete)) => self.delete(delete),
                Some(Request::RequestTxn(nested)) => self.txn(nested),
                None => {}
            }
        }
    }

    fn are_met(&self, state: &State, user: Option<&str>) -> bool {
        let keys = || match user {
            Some(user) => {
                self.keys.iter().all(|(access, from, to)| state.may(user, *access, from, to))
            }
            None => self.keys.is_empty(),
        };
        !state.enabled
            || if self.root { user.is_some_and(|user| state.is_root(user)) } else { keys() }
    }
}

fn values(what: &Call, found: &mut Vec<Bytes>) {
    fn of_txn(txn: &TxnRequest, found: &mut Vec<Bytes>) {
        for RequestOp { request } in txn.success.iter().chain(&txn.failure) {
            match request {
                Some(Request::RequestPut(put)) => found.push(put.value.clone()),
                Some(Request::RequestTxn(nested)) => of_txn(nested, found),
                _ => {}
            }
        }
    }
    match what {
        Call::Put(put) => found.push(put.value.clone()),
        Call::Txn(txn) => of_txn(txn, found),
        _ => {}
    }
}

impl Permissions {
    fn called(&mut self, asked: Asked) {
        if let Call::Put(put) = &asked.what
            && put.lease != 0
        {
            self.leased.entry(put.lease).or_default().push(put.key.clone());
        }
        let (told, own) = (self.rights.told(), self.rights.of_member(asked.member));
        let asked = Rc::new(asked);
        let mut written = Vec::new();
        values(&asked.what, &mut written);
        self.values.extend(written.into_iter().map(|value| (value, Rc::clone(&asked))));
        self.open.insert(asked.call, Open { asked, told, own });
    }

    fn returned(&mut self, call: CallId, outcome: &Outcome) -> Result<(), String> {
        let Some(open) = self.open.remove(&call) else { return Ok(()) };
        match outcome {
            Outcome::Unknown => Ok(()),
            Outcome::Refused(code) => self.refused(&open, *code),
            _ => self.answered(&open, outcome),
        }
    }

    fn answered(&mut self, open: &Open, outcome: &Outcome) -> Result<(), String> {
        let newest = self.rights.newest();
        let low = if is_local(&open.asked.what) { open.own } else { open.told };
        let window = match revision(outcome) {
            Some(at) if wrote(outcome) => self.rights.before(at)..=self.rights.before(at),
            Some(at) => low.max(self.rights.before(at))..=newest.min(self.rights.before(at + 1)),
            None => low..=newest,
        };
        // A member that is behind shows less than was told.
        let window = *window.start().min(window.end())..=*window.end();
        self.permitted(&open.asked, window)
    }

    /// The caller had the right in one of the states.
    fn permitted(&mut self, asked: &Asked, window: RangeInclusive<usize>) -> Result<(), String> {
        let needs = Needs::of(&asked.what);
        let user = |state| match &asked.by {
            // Whose name counts is told by the member that proposes (etcd).
            Badge::Token(token) if needs.root => {
                self.rights.tokens.get(token).map(|token| token.user.as_str())
            }
            by => self.rights.user(state, by),
        };
        let states = &self.rights.states[window];
        self.judged += u64::from(states.iter().any(|state| state.enabled));
        if states.iter().any(|state| needs.are_met(state, user(state))) {
            return Ok(());
        }
        let (call, by, what) = (asked.call.0, &asked.by, &asked.what);
        let at = states.first().map(|state| state.index);
        Err(format!("call {call} by {by:?} had no right to {what:?}; judged after {at:?}"))
    }

    fn refused(&mut self, open: &Open, code: Code) -> Result<(), String> {
        let asked = &open.asked;
        let low = if is_local(&asked.what) { open.own } else { open.told };
        let since = |low: usize| &self.rights.states[low..];
        let justified = match code {
            Code::PermissionDenied => {
                let mut needs = Needs::of(&asked.what);
                self.tie(&asked.what, &mut needs);
                since(low).iter().any(|state| {
                    let user = match &asked.by {
                        Badge::Token(token) => {
                            self.rights.tokens.get(token).map(|token| token.user.as_str())
                        }
                        by => self.rights.user(state, by),
                    };
                    !needs.are_met(state, user)
                })
            }
            // Or the member had not heard that authentication is on, and gave no name.
            Code::UserEmpty => {
                let on = since(low).iter().any(|state| state.enabled);
                on && (asked.by == Badge::None || since(open.own).iter().any(|s| !s.enabled))
            }
            Code::AuthOldRevision => self.rights.newest() > open.own,
            _ => return Ok(()),
        };
        self.judged += 1;
        let (call, by, what) = (asked.call.0, &asked.by, &asked.what);
        match justified {
            true => Ok(()),
            false => Err(format!("call {call} by {by:?} was refused ({code}): {what:?}")),
        }
    }

    /// Keys may hang on the lease.
    fn tie(&self, what: &Call, needs: &mut Needs) {
        let lease = match what {
            Call::Put(put) => put.lease,
            Call::LeaseRevoke(revoke) => revoke.id,
            Call::LeaseKeepAlive(lease) => lease.0,
            Call::Compact(_) => {
                needs.root = true;
                return;
            }
            _ => return,
        };
        for key in self.leased.get(&lease).into_iter().flatten() {
            needs.add(Access::Write, key, &Bytes::new());
        }
    }

    /// Whatever became of the call: it was made.
    fn made(&mut self, event: &Event) -> Result<(), String> {
        let Some(kv) = &event.kv else { return Ok(()) };
        let Some(asked) = self.values.remove(&kv.value) else { return Ok(()) };
        let at = self.rights.before(kv.mod_revision);
        self.permitted(&asked, at..=at)
    }

    fn take(&mut self, fact: &Fact) -> Result<(), String> {
        self.rights.see(fact);
        if self.rights.token_ttl_ms.is_none() {
            return Ok(());
        }
        match fact {
            Fact::Called { call, member, by, what, .. } => {
                let (call, member) = (*call, *member);
                self.called(Asked { call, member, by: by.clone(), what: what.clone() });
            }
            Fact::Returned { call, outcome } => self.returned(*call, outcome)?,
            // It may have gone back to what was on its disk.
            Fact::Recovered { member, .. } => {
                let own = self.rights.of_member(*member);
                let here = |open: &&mut Open| open.asked.member == *member;
                self.open.values_mut().filter(here).for_each(|open| open.own = open.own.min(own));
            }
            Fact::Watched { events, .. } | Fact::Kept { events, .. } => {
                events.iter().try_for_each(|event| self.made(event))?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Check for Permissions {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        self.take(fact).map_err(|what| broken(NAME, at, what))
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        Ok(self.judged)
    }
}

#[cfg(test)]
mod tests;
