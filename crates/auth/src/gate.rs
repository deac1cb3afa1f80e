//! The one gate: who may do what.
//!
//! ```text
//! Request --need()--> Open | Login | Root | RootOr.. | Keys --walk--> every key range touched
//! ```
//!
//! [`judge`] runs before dispatch, on the newest state this member has, and knows every request
//! there is. [`judge_applied`] runs at apply, on the state as of that entry, and asks exactly what
//! etcd 3.7.1 asks there, for members must not differ: requests that members make on their own
//! (compactions, alarms, lease checkpoints) carry no user.

mod keys;
mod request;

use ketch_base::Code;

pub use keys::{Leases, NoLeases};
pub use request::Request;

use crate::state::State;
use crate::{AuthStore, Caller};
use keys::Keys;

/// What a request asks of its caller, apart from keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need<'a> {
    /// Nothing.
    Nothing,
    /// To be somebody; whether the user still exists is not looked at (etcd).
    Login,
    /// The role root.
    Root,
    /// The role root, or to be this user.
    RootOrUser(&'a str),
    /// The role root, or to have this role.
    RootOrRole(&'a str),
}

/// Whether the request may go on. Everything is judged that will be judged at apply, and what is
/// judged nowhere else; by a member that is behind, a refusal may come too early.
///
/// # Errors
/// [`Code::UserEmpty`] without credentials, [`Code::AuthOldRevision`] for a caller known at an
/// older revision, [`Code::UserNotFound`] where root is needed and the user is gone,
/// [`Code::PermissionDenied`].
pub fn judge(
    store: &AuthStore,
    caller: Option<&Caller>,
    request: &Request<'_>,
    leases: &dyn Leases,
) -> Result<(), Code> {
    let state = store.state();
    if !state.enabled {
        return Ok(());
    }
    meets(&state, caller, request.need())?;
    let nobody = Caller::default();
    Keys { state: &state, caller: caller.unwrap_or(&nobody), leases }.of(request)
}

/// Whether an entry's request may be made. `caller` is what the entry's header says, empty where
/// it says nothing.
///
/// # Errors
/// As [`judge`].
pub fn judge_applied(
    store: &AuthStore,
    caller: &Caller,
    request: &Request<'_>,
    leases: &dyn Leases,
) -> Result<(), Code> {
    let state = store.state();
    if !state.enabled {
        return Ok(());
    }
    if request.is_of_auth() {
        meets(&state, Some(caller), request.need())?;
    }
    Keys { state: &state, caller, leases }.of(request)
}

/// Whether what was read by `caller` may be answered: the store must still be at the revision at
/// which the caller was judged.
///
/// # Errors
/// [`Code::AuthOldRevision`].
pub fn still_holds(store: &AuthStore, caller: Option<&Caller>) -> Result<(), Code> {
    match caller {
        Some(caller) if caller.revision != 0 && caller.revision != store.revision() => {
            Err(Code::AuthOldRevision)
        }
        Some(_) | None => Ok(()),
    }
}

fn meets(state: &State, caller: Option<&Caller>, need: Need<'_>) -> Result<(), Code> {
    let name = caller.map_or("", |caller| &caller.user);
    match need {
        Need::Nothing => Ok(()),
        Need::Login => caller.map(|_| ()).ok_or(Code::UserEmpty),
        Need::Root => root(state, name),
        Need::RootOrUser(user) => root(state, name).or_else(|code| or(name == user, code)),
        Need::RootOrRole(role) => root(state, name).or_else(|code| {
            let held = state.user(name).is_some_and(|user| user.has(role));
            or(held, code)
        }),
    }
}

fn or(otherwise: bool, code: Code) -> Result<(), Code> {
    if otherwise { Ok(()) } else { Err(code) }
}

/// Root's requests are not bound to a revision.
fn root(state: &State, name: &str) -> Result<(), Code> {
    if name.is_empty() {
        return Err(Code::UserEmpty);
    }
    let user = state.user(name).ok_or(Code::UserNotFound)?;
    or(user.is_root(), Code::PermissionDenied)
}
