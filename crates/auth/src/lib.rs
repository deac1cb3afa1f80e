//! Users, roles, range permissions, tokens, and the one gate.
//!
//! ```text
//! applied request -> AuthStore (state in memory) + Batch (buckets auth, authUsers, authRoles)
//! request -> gate::judge            before dispatch, by the newest state this member has
//!         -> gate::judge_applied    at apply, by the state at that entry: every member the same
//! ```
//!
//! Rules, errors and what raises the auth revision are those of etcd 3.7.1, so that members of
//! both kinds agree; so are the bytes in the buckets.
//!
//! Invariant: knows no clock, no randomness and no passwords in clear: whoever calls hashes, signs
//! and says what time it is.
//! Invariant: only the thread that applies changes an [`AuthStore`]; every judgement is made on
//! one state, whole.
//! Invariant: there is one list of requests, [`gate::Request`], and none of it has a default: one
//! that is added without a rule does not compile.
//! Invariant: permissions are rebuilt for the users a change touches, and for no others.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! use ketch_auth::gate::{self, NoLeases, Request};
//! use ketch_auth::{AuthStore, Caller};
//! use ketch_base::Code;
//! use ketch_proto::etcdserverpb as pb;
//! # let disk = std::sync::Arc::new(ketch_env::real::RealDisk);
//! # let path = folder.path().join("ketch.redb");
//! # let (backend, _drain) =
//! #     ketch_backend::Backend::open(disk, &path, ketch_backend::Config::default())?;
//! let store = AuthStore::open(&backend.view())?;
//! let mut batch = ketch_backend::Batch::new();
//! let root = || "root".to_owned();
//! let user = pb::AuthUserAddRequest { name: root(), ..Default::default() };
//! store.user_add(&user, &mut batch)?;
//! let grant = pb::AuthUserGrantRoleRequest { user: root(), role: root() };
//! store.user_grant_role(&grant, &mut batch)?;
//! store.enable(&mut batch)?;
//! let range = pb::RangeRequest { key: "a".into(), ..Default::default() };
//! let judged = |caller| gate::judge(&store, caller, &Request::Range(&range), &NoLeases);
//! assert_eq!(judged(None), Err(Code::UserEmpty));
//! let caller = Caller { user: root(), revision: store.revision() };
//! assert_eq!(judged(Some(&caller)), Ok(()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backward;
mod caller;
mod change;
mod error;
pub mod gate;
mod hash;
mod order;
mod permissions;
mod ranges;
mod roles;
mod state;
mod store;
#[cfg(test)]
mod tests;
pub mod token;
mod users;

pub use caller::Caller;
pub use error::OpenError;
pub use hash::PasswordHash;
pub use store::{AuthStore, Status};
pub use token::{SimpleTokens, Tokens};

/// The user, and the role, that may do everything.
pub const ROOT: &str = "root";
