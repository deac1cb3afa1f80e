//! The store: one state for all, changed on one thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ketch_backend::{Batch, View};
use ketch_base::Code;
use ketch_proto::etcdserverpb as pb;
use parking_lot::RwLock;

use crate::state::State;
use crate::token::{SimpleTokens, Tokens};
use crate::{OpenError, PasswordHash, ROOT};

/// Users, roles and whether they count. Clones share.
///
/// Changes are for the thread that applies. Each writes what it changed to the batch; one that is
/// refused changes nothing.
#[derive(Clone, Debug)]
pub struct AuthStore {
    shared: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Held only to clone or change one pointer, and for a change of what it points to.
    state: RwLock<Arc<State>>,
    /// What the state says, for those who ask with every call.
    enabled: AtomicBool,
    tokens: SimpleTokens,
}

/// Whether authentication is on, and its revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Requests are judged.
    pub enabled: bool,
    /// Raised by one with nearly every change; begins at 1.
    pub revision: u64,
}

impl AuthStore {
    /// Takes up the state of a database, new or not.
    ///
    /// # Errors
    /// The database cannot be read, or a row is not what its bucket holds.
    pub fn open(view: &View) -> Result<Self, OpenError> {
        let state = State::load(view)?;
        let enabled = AtomicBool::new(state.enabled);
        let state = RwLock::new(Arc::new(state));
        let inner = Inner { state, enabled, tokens: SimpleTokens::default() };
        Ok(Self { shared: Arc::new(inner) })
    }

    /// Takes up the state of a database that was installed in place of the one before.
    ///
    /// Tokens are not in it, nor what made some of them worthless meanwhile: a password, the end
    /// of a user, authentication turned off and on again. All of these raise the revision, and if
    /// anything did, all tokens lose their worth here, as with a restart.
    ///
    /// # Errors
    /// As [`AuthStore::open`].
    pub fn reload(&self, view: &View) -> Result<(), OpenError> {
        let next = Arc::new(State::load(view)?);
        let last = std::mem::replace(&mut *self.shared.state.write(), Arc::clone(&next));
        self.shared.enabled.store(next.enabled, Ordering::Release);
        if !next.enabled || next.revision != last.revision {
            self.tokens().clear();
        }
        Ok(())
    }

    /// Whether requests are judged. Takes no lock.
    pub fn is_enabled(&self) -> bool {
        self.shared.enabled.load(Ordering::Acquire)
    }

    /// The auth revision.
    pub fn revision(&self) -> u64 {
        self.shared.state.read().revision
    }

    /// Both of one state.
    pub fn status(&self) -> Status {
        let state = self.state();
        Status { enabled: state.enabled, revision: state.revision }
    }

    /// The simple tokens in force. They are not in the database: a restart forgets them.
    pub fn tokens(&self) -> &SimpleTokens {
        &self.shared.tokens
    }

    /// What the password of a login must match.
    ///
    /// # Errors
    /// [`Code::AuthNotEnabled`], [`Code::AuthFailed`] for an unknown user, and
    /// [`Code::NoPasswordUser`].
    pub fn password_hash(&self, user: &str) -> Result<PasswordHash, Code> {
        let state = self.state();
        let user = state.password_user(user)?;
        if user.no_password() {
            return Err(Code::NoPasswordUser);
        }
        Ok(PasswordHash { hash: user.record.password.clone(), revision: state.revision })
    }

    /// Stores the first revision, once. For every entry: cheap when there is nothing to do.
    pub fn found(&self, batch: &mut Batch) {
        if !self.shared.state.read().founded {
            self.change(|state| state.store_revision(batch));
        }
    }

    /// Turns authentication on. The revision stays.
    ///
    /// # Errors
    /// [`Code::RootUserNotExist`], [`Code::RootRoleNotExist`].
    pub fn enable(&self, batch: &mut Batch) -> Result<pb::AuthEnableResponse, Code> {
        let state = self.state();
        if !state.enabled {
            let root = state.user(ROOT).ok_or(Code::RootUserNotExist)?;
            if !root.is_root() {
                return Err(Code::RootRoleNotExist);
            }
            drop(state);
            self.change(|state| state.set_enabled(true, batch));
        }
        Ok(pb::AuthEnableResponse::default())
    }

    /// Turns authentication off; all simple tokens are forgotten.
    pub fn disable(&self, batch: &mut Batch) -> pb::AuthDisableResponse {
        if self.is_enabled() {
            self.change(|state| {
                state.set_enabled(false, batch);
                state.raise_revision(batch);
            });
            self.tokens().clear();
        }
        pb::AuthDisableResponse::default()
    }

    /// A login that the proposing member has checked. Its token is `<prefix>.<applied>`, with the
    /// last index applied before this entry, and counts on every member from here on; without a
    /// prefix there is none, and whoever proposed signs one. Gives the token and the revision it
    /// was given at.
    ///
    /// # Errors
    /// [`Code::AuthNotEnabled`]; [`Code::AuthFailed`] for a user that is gone or has no password.
    pub fn authenticate(
        &self,
        request: &pb::InternalAuthenticateRequest,
        applied: u64,
    ) -> Result<(String, u64), Code> {
        let state = self.state();
        if state.password_user(&request.name)?.no_password() {
            return Err(Code::AuthFailed);
        }
        if request.simple_token.is_empty() {
            return Ok((String::new(), state.revision));
        }
        let token = format!("{}.{applied}", request.simple_token);
        self.tokens().assign(&request.name, &token);
        Ok((token, state.revision))
    }

    /// The state as it is now.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.shared.state.read())
    }

    /// Changes the state: in place, unless somebody still looks at it.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.shared.state.write();
        change(Arc::make_mut(&mut *state));
        self.shared.enabled.store(state.enabled, Ordering::Release);
    }
}
