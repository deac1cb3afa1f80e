//! What each command does: read its arguments, ask the cluster, hand the answer to the printer.
//!
//! Every file follows etcdctl in what is checked before the variables are read (arguments) and
//! what after (formats), because the first complaint is the one users see.

mod alarm;
mod auth;
mod compaction;
mod defrag;
mod del;
mod elect;
mod endpoint;
mod exec;
mod get;
mod input;
mod lease;
mod lock;
mod member;
mod program;
mod put;
mod ranges;
mod role;
mod signals;
mod snapshot;
mod txn;
mod user;
mod watch;

use std::future::Future;

use crate::failure::Failure;
use crate::session::Invocation;
use crate::tree::Verb;

pub(crate) use ranges::by_prefix;

/// Runs the command that was found.
pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    match invocation.found.spec().verb {
        Verb::Group | Verb::Help => program::help(invocation),
        Verb::NotYet => program::not_yet(invocation),
        Verb::Options => program::options(),
        Verb::Version => program::version(),
        Verb::Put => wait(put::run(invocation)),
        Verb::Get => wait(get::run(invocation)),
        Verb::Del => wait(del::run(invocation)),
        Verb::Txn => wait(txn::run(invocation)),
        Verb::Compaction => wait(compaction::run(invocation)),
        Verb::Watch => wait(watch::run(invocation)),
        Verb::LeaseGrant => wait(lease::grant(invocation)),
        Verb::LeaseRevoke => wait(lease::revoke(invocation)),
        Verb::LeaseTimeToLive => wait(lease::time_to_live(invocation)),
        Verb::LeaseList => wait(lease::list(invocation)),
        Verb::LeaseKeepAlive => wait(lease::keep_alive(invocation)),
        Verb::Lock => wait(lock::run(invocation)),
        Verb::Elect => wait(elect::run(invocation)),
        Verb::MemberList => wait(member::list(invocation)),
        Verb::MemberAdd => wait(member::add(invocation)),
        Verb::MemberRemove => wait(member::remove(invocation)),
        Verb::MemberUpdate => wait(member::update(invocation)),
        Verb::MemberPromote => wait(member::promote(invocation)),
        Verb::MoveLeader => wait(member::move_leader(invocation)),
        Verb::EndpointHealth => wait(endpoint::health(invocation)),
        Verb::EndpointStatus => wait(endpoint::status(invocation)),
        Verb::EndpointHashKv => wait(endpoint::hash_kv(invocation)),
        Verb::AlarmList => wait(alarm::list(invocation)),
        Verb::AlarmDisarm => wait(alarm::disarm(invocation)),
        Verb::Defrag => wait(defrag::run(invocation)),
        Verb::SnapshotSave => wait(snapshot::save(invocation)),
        Verb::AuthEnable => wait(auth::enable(invocation)),
        Verb::AuthDisable => wait(auth::disable(invocation)),
        Verb::AuthStatus => wait(auth::status(invocation)),
        Verb::UserAdd => wait(user::add(invocation)),
        Verb::UserDelete => wait(user::delete(invocation)),
        Verb::UserGet => wait(user::get(invocation)),
        Verb::UserList => wait(user::list(invocation)),
        Verb::UserPasswd => wait(user::passwd(invocation)),
        Verb::UserGrantRole => wait(user::grant_role(invocation)),
        Verb::UserRevokeRole => wait(user::revoke_role(invocation)),
        Verb::RoleAdd => wait(role::add(invocation)),
        Verb::RoleDelete => wait(role::delete(invocation)),
        Verb::RoleGet => wait(role::get(invocation)),
        Verb::RoleList => wait(role::list(invocation)),
        Verb::RoleGrantPermission => wait(role::grant_permission(invocation)),
        Verb::RoleRevokePermission => wait(role::revoke_permission(invocation)),
    }
}

/// One thread is enough for one command. What still blocks at the end (a read of the terminal)
/// must not hold the program up.
fn wait(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(command);
    runtime.shutdown_background();
    result
}
