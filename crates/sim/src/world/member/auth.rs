//! Who calls and whether they may, asked as the server asks: before a proposal, around a read;
//! and logins.

use ketch_apply::LeaseKeys;
use ketch_auth::gate::{self, Request};
use ketch_auth::{Caller, Tokens as _, token};
use ketch_base::Code;
use ketch_proto::etcdserverpb::{self as pb, InternalRaftRequest};

use super::Life;
use super::reads::Reading;
use super::serve::{is_local, reads_only, request};
use crate::fact::{Badge, Call, CallId, Outcome};
use crate::world::World;
use crate::world::clients::base64;
use crate::world::happening::{Place, What};
use crate::world::plan::MS;

/// Letters of a token before its index.
const PREFIX_LETTERS: usize = 16;

/// A client's call, with who it comes from.
pub(crate) struct Errand {
    pub(crate) call: CallId,
    pub(crate) by: Badge,
    pub(crate) what: Call,
}

/// Leave to go on. Nobody is its holder if nobody looked: authentication was off.
#[derive(Clone, Default)]
pub(crate) struct Pass {
    pub(crate) caller: Option<Caller>,
}

/// A login whose password was right when it was looked at.
pub(crate) struct Login {
    user: String,
    password: String,
    revision: u64,
}

/// What follows on a judgement, a little later: other things happen between.
pub(crate) enum Next {
    Read(CallId, Call, Pass),
    /// The password was checked.
    LogIn(CallId),
}

impl World {
    /// Judges by the state of now. A refusal of what is not a read of this member alone is only
    /// given once this member has applied all that was committed: it may have been behind.
    pub(crate) fn let_pass(&mut self, slot: usize, errand: Errand) {
        let now_ms = self.now_ms();
        let Some(life) = &self.seats[slot].life else { return };
        if let Call::Authenticate { user, password } = errand.what {
            return self.read(slot, Reading::LogIn(errand.call, user, password));
        }
        if !life.auth.is_enabled() {
            return self.go_on(slot, errand, Pass::default());
        }
        let local = is_local(&errand.what);
        if reads_only(&errand.what) && !local {
            return self.read(slot, Reading::Judge(errand));
        }
        let behind = life.is_behind(&errand.by);
        match life.judge(&errand, now_ms) {
            Ok(pass) => self.go_on(slot, errand, pass),
            Err(code) if local && !behind => self.reply(errand.call, Outcome::Refused(code)),
            Err(_) => self.read(slot, Reading::Judge(errand)),
        }
    }

    /// Judges for good: what was committed when the call came is applied.
    pub(crate) fn judge_now(&mut self, slot: usize, errand: Errand) {
        let now_ms = self.now_ms();
        let Some(life) = &self.seats[slot].life else { return };
        match life.judge(&errand, now_ms) {
            Ok(pass) if reads_only(&errand.what) => {
                self.soon(slot, Next::Read(errand.call, errand.what, pass));
            }
            Ok(pass) => self.go_on(slot, errand, pass),
            Err(code) => self.reply(errand.call, Outcome::Refused(code)),
        }
    }

    fn go_on(&mut self, slot: usize, errand: Errand, pass: Pass) {
        let Errand { call, what, .. } = errand;
        match what {
            what if is_local(&what) && pass.caller.is_some() => {
                self.soon(slot, Next::Read(call, what, pass));
            }
            what if is_local(&what) => self.read_now(slot, call, &what, &pass),
            what if reads_only(&what) => self.read(slot, Reading::Call(call, what)),
            Call::LeaseKeepAlive(lease) => self.renew_somewhere(slot, call, lease),
            what => self.propose(slot, Some(call), pass.caller, request(what)),
        }
    }

    fn soon(&mut self, slot: usize, next: Next) {
        let most_us = if self.rng.once_in(10) { 20 * MS } else { 200 };
        let delay_us = self.rng.below(most_us);
        let place = self.place(slot);
        self.after(delay_us, What::Next(place, Box::new(next)));
    }

    /// What was judged goes on, if its member still lives.
    pub(crate) fn next(&mut self, place: Place, next: Box<Next>) {
        let slot = place.slot;
        if place != self.place(slot) {
            return;
        }
        if self.is_away(slot) {
            let delay_us = self.seats[slot].paused_until_us - self.now_us;
            self.after(delay_us, What::Next(place, next));
            return;
        }
        match *next {
            Next::Read(call, what, pass) => self.read_now(slot, call, &what, &pass),
            Next::LogIn(call) => self.propose_login(slot, call),
        }
    }

    /// Looks at the password; the look takes its time.
    pub(crate) fn log_in(&mut self, slot: usize, call: CallId, user: String, password: String) {
        let Some(life) = &mut self.seats[slot].life else { return };
        let known = life.auth.password_hash(&user).and_then(|known| {
            let hash = <[u8; 3]>::try_from(known.hash.as_ref()).ok();
            let same = hash.is_some_and(|hash| base64(hash) == password);
            if same { Ok(known.revision) } else { Err(Code::AuthFailed) }
        });
        match known {
            Ok(revision) => {
                life.logins.insert(call, Login { user, password, revision });
                self.soon(slot, Next::LogIn(call));
            }
            Err(code) => self.reply(call, Outcome::Refused(code)),
        }
    }

    fn propose_login(&mut self, slot: usize, call: CallId) {
        let letters = (0..PREFIX_LETTERS).map(|_| char::from(b'a' + self.rng.below(26) as u8));
        let simple_token: String = letters.collect();
        let Some(life) = &self.seats[slot].life else { return };
        let Some(login) = life.logins.get(&call) else { return };
        let name = login.user.clone();
        let login = pb::InternalAuthenticateRequest { name, simple_token, ..Default::default() };
        let request = InternalRaftRequest { authenticate: Some(login), ..Default::default() };
        self.propose(slot, Some(call), None, request);
    }

    /// A login was applied. The password may be another one since it was looked at.
    pub(crate) fn logged_in(&mut self, slot: usize, call: CallId, token: String, revision: u64) {
        let Some(life) = &mut self.seats[slot].life else { return };
        match life.logins.remove(&call) {
            Some(login) if login.revision != revision => {
                self.log_in(slot, call, login.user, login.password);
            }
            Some(_) => self.reply(call, Outcome::Authenticate { token }),
            None => self.violate(format!("call {call:?} was logged in and never asked for it")),
        }
    }
}

impl Life {
    fn judge(&self, errand: &Errand, now_ms: u64) -> Result<Pass, Code> {
        let caller = self.caller(&errand.by, now_ms)?;
        let leases = LeaseKeys(self.lessor.clone());
        let asked =
            |request: &Request<'_>| gate::judge(&self.auth, caller.as_ref(), request, &leases);
        match &errand.what {
            Call::Put(put) => asked(&Request::Put(put)),
            Call::Range(range) => asked(&Request::Range(range)),
            Call::DeleteRange(delete) => asked(&Request::DeleteRange(delete)),
            Call::Txn(txn) => asked(&Request::Txn(txn)),
            Call::Compact(_) => asked(&Request::Compact),
            Call::LeaseGrant(_) => asked(&Request::LeaseGrant),
            Call::LeaseRevoke(revoke) => asked(&Request::LeaseRevoke(revoke)),
            Call::LeaseKeepAlive(lease) => {
                asked(&Request::LeaseKeepAlive(&pb::LeaseKeepAliveRequest { id: lease.0 }))
            }
            Call::Auth(change) => asked(&of_auth(change)),
            Call::Authenticate { .. } => asked(&Request::Authenticate),
        }?;
        Ok(Pass { caller })
    }

    fn caller(&self, by: &Badge, now_ms: u64) -> Result<Option<Caller>, Code> {
        if !self.auth.is_enabled() {
            return Ok(None);
        }
        let revision = self.auth.revision();
        match by {
            Badge::None => Ok(None),
            Badge::Name(user) => Ok(Some(Caller { user: user.clone(), revision })),
            Badge::Token(token) => {
                let caller = self.auth.tokens().look_up(token, revision, now_ms);
                caller.map(Some).ok_or(Code::InvalidAuthToken)
            }
        }
    }

    /// Whether the token may have been made by an entry that is not applied here.
    fn is_behind(&self, by: &Badge) -> bool {
        let Badge::Token(token) = by else { return false };
        token::index_of(token).is_some_and(|index| index > self.applied.0)
    }

    /// Whether what was read under a pass may be answered.
    pub(crate) fn holds(&self, pass: &Pass) -> Result<(), Code> {
        match &pass.caller {
            None if self.auth.is_enabled() => Err(Code::AuthOldRevision),
            caller => gate::still_holds(&self.auth, caller.as_ref()),
        }
    }

    /// In whose name a leader ends a lease.
    pub(crate) fn root(&self) -> Option<Caller> {
        let caller = Caller { user: ketch_auth::ROOT.to_owned(), revision: self.auth.revision() };
        self.auth.is_enabled().then_some(caller)
    }
}

/// A change as the gate knows it.
fn of_auth(change: &InternalRaftRequest) -> Request<'static> {
    let known = [
        (change.auth_enable.is_some(), Request::AuthEnable),
        (change.auth_disable.is_some(), Request::AuthDisable),
        (change.auth_user_add.is_some(), Request::UserAdd),
        (change.auth_user_delete.is_some(), Request::UserDelete),
        (change.auth_user_change_password.is_some(), Request::UserChangePassword),
        (change.auth_user_grant_role.is_some(), Request::UserGrantRole),
        (change.auth_user_revoke_role.is_some(), Request::UserRevokeRole),
        (change.auth_role_add.is_some(), Request::RoleAdd),
        (change.auth_role_delete.is_some(), Request::RoleDelete),
        (change.auth_role_grant_permission.is_some(), Request::RoleGrantPermission),
        (change.auth_role_revoke_permission.is_some(), Request::RoleRevokePermission),
    ];
    let found = known.into_iter().find(|(is_it, _)| *is_it);
    found.map_or(Request::Internal, |(_, request)| request)
}
