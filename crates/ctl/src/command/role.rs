//! `role add | delete | get | list | grant-permission | revoke-permission`.
//!
//! None of these is held to the command timeout, as in etcdctl.

use bytes::Bytes;
use ketch_proto::authpb::Permission;
use ketch_proto::authpb::permission::Type;

use super::ranges::by_prefix;
use super::user::{auth, wants};
use crate::failure::Failure;
use crate::flags::Flags;
use crate::printer::{Access, Answer};
use crate::session::Invocation;

/// As a range's end, no end; as a key, the first of all.
const ZERO: &[u8] = b"\0";

pub(super) async fn add(invocation: &Invocation) -> Result<(), Failure> {
    wants(invocation, 1, "role add command requires role name as its argument")?;
    let role = invocation.word(0);
    let session = invocation.session(&[])?;
    let answer = auth(&session).await?.role_add(&role).await?;
    session.changed(format!("Role {role} created\n"), answer.header)
}

pub(super) async fn delete(invocation: &Invocation) -> Result<(), Failure> {
    wants(invocation, 1, "role delete command requires role name as its argument")?;
    let role = invocation.word(0);
    let session = invocation.session(&[])?;
    let answer = auth(&session).await?.role_delete(&role).await?;
    session.changed(format!("Role {role} deleted\n"), answer.header)
}

pub(super) async fn get(invocation: &Invocation) -> Result<(), Failure> {
    wants(invocation, 1, "role get command requires role name as its argument")?;
    let role = invocation.word(0);
    let session = invocation.session(&[])?;
    let answer = auth(&session).await?.role_get(&role).await?;
    session.printer.print(&Answer::Access(Access::Role(&role, &answer)))
}

pub(super) async fn list(invocation: &Invocation) -> Result<(), Failure> {
    wants(invocation, 0, "role list command requires no arguments")?;
    let session = invocation.session(&[])?;
    let answer = auth(&session).await?.role_list().await?;
    session.printer.print(&Answer::Access(Access::Roles(&answer)))
}

pub(super) async fn grant_permission(invocation: &Invocation) -> Result<(), Failure> {
    let [_, _, keys @ ..] = invocation.arguments() else { return Err(grant_wants_more()) };
    if keys.is_empty() {
        return Err(grant_wants_more());
    }
    let role = invocation.word(0);
    let kind = kind(&invocation.word(1))?;
    let (key, range_end) = range(&invocation.flags, keys)?;
    let permission = Permission { perm_type: kind.into(), key, range_end };
    let session = invocation.session(&[])?;
    let answer = auth(&session).await?.role_grant_permission(&role, permission).await?;
    session.changed(format!("Role {role} updated\n"), answer.header)
}

fn grant_wants_more() -> Failure {
    let what = "role name, permission type, and key [endkey] as its argument";
    Failure::bad_args(format!("role grant command requires {what}"))
}

fn kind(word: &str) -> Result<Type, Failure> {
    Type::from_str_name(&word.to_uppercase())
        .ok_or_else(|| Failure::bad_args(format!("invalid permission type: {word}")))
}

pub(super) async fn revoke_permission(invocation: &Invocation) -> Result<(), Failure> {
    let keys = invocation.arguments().get(1..).filter(|keys| !keys.is_empty());
    let Some(keys) = keys else {
        let what = "role name and key [endkey] as its argument";
        return Err(Failure::bad_args(format!("role revoke-permission command requires {what}")));
    };
    let role = invocation.word(0);
    let (key, end) = range(&invocation.flags, keys)?;
    let session = invocation.session(&[])?;
    let revoking = auth(&session).await?;
    let answer = revoking.role_revoke_permission(&role, key, end.clone()).await?;
    // Told as it was asked: the empty key as such.
    session.changed(revoked(&role, &keys[0], &end), answer.header)
}

fn revoked(role: &str, key: &[u8], end: &[u8]) -> Vec<u8> {
    let role = role.as_bytes();
    match end {
        b"" => [b"Permission of key ", key, b" is revoked from role ", role, b"\n"].concat(),
        ZERO => {
            let parts = [b"Permission of range [", key, b", <open ended> is revoked from role "];
            [&parts.concat(), role, b"\n"].concat()
        }
        end => {
            let range = [b"Permission of range [", key, b", ", end, b")"].concat();
            [&range, b" is revoked from role ".as_slice(), role, b"\n"].concat()
        }
    }
}

/// The keys of a permission. The empty key, which no key can be, stands for the first one.
fn range(flags: &Flags, keys: &[Vec<u8>]) -> Result<(Bytes, Bytes), Failure> {
    let (prefix, from_key) = (flags.bool("prefix"), flags.bool("from-key"));
    let (key, end) = (keys.first().map_or(b"".as_slice(), |key| key), keys.get(1));
    let both = prefix && from_key && (key.is_empty() || end.is_none());
    if both {
        return Err(Failure::bad_args("--from-key and --prefix flags are mutually exclusive"));
    }
    if key.is_empty() {
        let end = if prefix || from_key { ZERO } else { b"" };
        return Ok((ZERO.into(), end.into()));
    }
    let key = Bytes::copy_from_slice(key);
    let unexpected = |flag: &str| {
        Err(Failure::bad_args(format!("unexpected endkey argument with --{flag} flag")))
    };
    match end {
        Some(_) if prefix => unexpected("prefix"),
        Some(_) if from_key => unexpected("from-key"),
        Some(end) => Ok((key, Bytes::copy_from_slice(end))),
        None if prefix => Ok(by_prefix(key)),
        None if from_key => Ok((key, ZERO.into())),
        None => Ok((key, Bytes::new())),
    }
}
