//! Clients: each calls one member at a time, waits so long, and goes to another.

mod admin;
mod identity;
mod keys;
mod lessee;
mod watcher;

use ketch_base::Code;

use super::World;
use super::ending::Phase;
use super::happening::What;
use super::member::Errand;
use super::plan::{MS, SECOND};
use crate::fact::{Call, CallId, Fact, Outcome};
pub(crate) use admin::Founding;
pub(crate) use identity::{Identity, Passwords, base64};
pub(crate) use lessee::Tenancy;
pub(crate) use watcher::Watcher;

/// A client with one call at a time.
pub(crate) struct Client {
    pub(crate) number: u64,
    kind: Kind,
    pub(crate) identity: Identity,
    /// The member it talks to.
    slot: usize,
    calls: bool,
    /// The newest revision it has heard of.
    pub(crate) revision: i64,
}

/// What a client is after.
pub(crate) enum Kind {
    /// Puts, deletes, reads, transactions on shared keys.
    Writer,
    /// Leases.
    Lessee(Tenancy),
    /// Compacts now and then.
    Compactor,
    /// Gives rights and takes them.
    Admin(Founding),
}

/// A call that is out.
pub(crate) struct Pending {
    client: usize,
    what: Call,
}

impl World {
    /// Brings the clients in.
    pub(crate) fn invite(&mut self) {
        let plan = self.plan.clone();
        let writers = (0..plan.writers).map(|_| Kind::Writer);
        let lessees = (0..plan.lessees).map(|_| Kind::Lessee(Tenancy::default()));
        let compactors = plan.compacts.then_some(Kind::Compactor);
        let mut kinds: Vec<Kind> = writers.chain(lessees).chain(compactors).collect();
        if plan.token_ttl_ms.is_some() {
            kinds.push(Kind::Admin(self.founding()));
            if self.rng.once_in(2) {
                kinds.push(Kind::Admin(Founding::default()));
            }
        }
        for kind in kinds {
            let identity = match kind {
                Kind::Compactor | Kind::Admin(_) => self.root_identity(),
                Kind::Writer | Kind::Lessee(_) => self.new_identity(),
            };
            let number = self.clients.len() as u64 + 1;
            let slot = self.rng.below(self.seats.len() as u64) as usize;
            self.clients.push(Client { number, kind, identity, slot, calls: false, revision: 0 });
            let delay_us = 200 * MS + self.rng.below(SECOND);
            self.after(delay_us, What::Client(self.clients.len() - 1));
        }
        for _ in 0..plan.watches {
            self.new_watcher();
        }
    }

    /// A client does its next thing.
    pub(crate) fn think(&mut self, client: usize) {
        if self.clients[client].calls || self.phase >= Phase::Evening {
            return;
        }
        let wish = self.login_wish(client).or_else(|| match self.clients[client].kind {
            Kind::Writer => Some(self.writers_wish(client)),
            Kind::Lessee(_) => self.lessees_wish(client),
            Kind::Compactor => self.compactors_wish(client),
            Kind::Admin(_) => self.admins_wish(client),
        });
        match wish {
            Some(what) => self.call(client, what),
            None => self.think_later(client),
        }
    }

    fn think_later(&mut self, client: usize) {
        let most_us = match self.clients[client].kind {
            Kind::Compactor => 3 * SECOND,
            Kind::Admin(ref founding) if founding.is_over() => 800 * MS,
            _ => self.plan.think_us,
        };
        let delay_us = self.rng.below(most_us);
        self.after(delay_us, What::Client(client));
    }

    fn call(&mut self, client: usize, what: Call) {
        // It stays with its member, mostly.
        if self.rng.once_in(10) {
            self.move_client(client);
        }
        let call = CallId(self.next_call);
        self.next_call += 1;
        let caller = &mut self.clients[client];
        caller.calls = true;
        let (number, slot) = (caller.number, caller.slot);
        let member = self.seats[slot].id;
        let by = self.clients[client].badge(&what);
        let fact =
            Fact::Called { call, client: number, member, by: by.clone(), what: what.clone() };
        self.note(fact);
        self.pending.insert(call, Pending { client, what: what.clone() });
        let is_lost = !self.network.calm && self.rng.below(1000) < self.plan.loss / 4;
        if !is_lost {
            let delay_us = 20 + self.rng.below(500);
            let errand = Errand { call, by, what };
            self.after(delay_us, What::Ask { slot, errand });
        }
        let patience_us = 2 * SECOND + self.rng.below(3 * SECOND);
        self.after(patience_us, What::Patience(call));
    }

    /// The outcome of a call has come, if anybody still waits.
    pub(crate) fn answered(&mut self, call: CallId, outcome: Outcome) {
        let Some(Pending { client, what }) = self.pending.remove(&call) else { return };
        let caller = &mut self.clients[client];
        caller.revision = caller.revision.max(revision(&outcome));
        caller.calls = false;
        let calm = self.phase == Phase::Calm;
        self.calm_puts += u64::from(calm && matches!(outcome, Outcome::Put(_)));
        // A member that is down or stopping is left.
        let leave = matches!(outcome, Outcome::Refused(code) if is_about_the_member(code));
        self.recorder.count(match &outcome {
            Outcome::Auth { .. } => "auth: rights changed",
            Outcome::Authenticate { .. } => "auth: token given",
            Outcome::Refused(Code::AuthFailed) => "auth: wrong password",
            Outcome::Refused(Code::AuthOldRevision) => "auth: rights too old",
            Outcome::Refused(Code::InvalidAuthToken) => "auth: token worthless",
            Outcome::Refused(Code::PermissionDenied) => "auth: permission denied",
            Outcome::Refused(Code::UserEmpty) => "auth: nobody denied",
            Outcome::Refused(_) => "call refused",
            _ => "call answered",
        });
        self.note(Fact::Returned { call, outcome: outcome.clone() });
        self.learn(client, &what, &outcome);
        let leave = leave || self.goes_elsewhere(&outcome);
        if leave || self.seats[self.clients[client].slot].life.is_none() {
            self.move_client(client);
        }
        self.think_later(client);
    }

    pub(crate) fn lose_patience(&mut self, call: CallId) {
        let Some(Pending { client, what }) = self.pending.remove(&call) else { return };
        self.clients[client].calls = false;
        self.recorder.count("call timed out");
        self.note(Fact::Returned { call, outcome: Outcome::Unknown });
        self.learn(client, &what, &Outcome::Unknown);
        self.move_client(client);
        self.think_later(client);
    }

    /// What a client remembers of an outcome.
    fn learn(&mut self, client: usize, what: &Call, outcome: &Outcome) {
        let now_us = self.now_us;
        self.clients[client].learn_who(outcome);
        if let Call::Auth(_) = what {
            self.clients[client].learn_step(outcome);
        }
        if let Kind::Lessee(tenancy) = &mut self.clients[client].kind {
            tenancy.learn(what, outcome, now_us);
        }
    }

    fn move_client(&mut self, client: usize) {
        if let Some(slot) = self.someone() {
            self.clients[client].slot = slot;
        }
    }

    pub(crate) fn all_answered(&self) -> bool {
        self.pending.is_empty()
    }
}

fn is_about_the_member(code: Code) -> bool {
    !matches!(code, Code::LeaseNotFound | Code::Compacted | Code::FutureRev | Code::LeaseExist)
        && !is_about_rights(code)
}

fn is_about_rights(code: Code) -> bool {
    matches!(code, Code::PermissionDenied | Code::UserEmpty | Code::UserNotFound)
        || matches!(code, Code::AuthOldRevision | Code::InvalidAuthToken | Code::AuthFailed)
        || matches!(code, Code::AuthNotEnabled | Code::RoleNotFound | Code::RoleAlreadyExist)
}

/// The revision in the header of an outcome; 0 if it has none.
fn revision(outcome: &Outcome) -> i64 {
    let header = match outcome {
        Outcome::Put(answer) => answer.header,
        Outcome::Range(answer) => answer.header,
        Outcome::DeleteRange(answer) => answer.header,
        Outcome::Txn(answer) => answer.header,
        _ => None,
    };
    header.map_or(0, |header| header.revision)
}
