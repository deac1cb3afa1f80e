//! `user add | delete | get | list | passwd | grant-role | revoke-role`.
//!
//! None of these is held to the command timeout, as in etcdctl.

use ketch_client::Auth;

use crate::failure::Failure;
use crate::password;
use crate::printer::{Access, Answer, write};
use crate::session::{Invocation, Session};

pub(super) async fn add(invocation: &Invocation) -> Result<(), Failure> {
    wants(invocation, 1, "user add command requires user name as its argument")?;
    let (name, password) = newcomer(invocation)?;
    let session = invocation.session(&[])?;
    let answer = auth(&session).await?.user_add(&name, password.as_deref()).await?;
    session.changed(format!("User {name} created\n"), answer.header)
}

/// Name and password: from the flag, else behind the name, else from standard input.
fn newcomer(invocation: &Invocation) -> Result<(String, Option<String>), Failure> {
    let given = invocation.word(0);
    if invocation.flags.bool("no-password") {
        return Ok((given, None));
    }
    let flag = invocation.flags.text("new-user-password");
    if !flag.is_empty() {
        return Ok((given, Some(flag.to_owned())));
    }
    match given.split_once(':') {
        Some(("", _)) => Err(Failure::bad_args("empty user name is not allowed")),
        Some((name, password)) => Ok((name.to_owned(), Some(password.to_owned()))),
        None => {
            let password = new_password(invocation, &given)?;
            Ok((given, Some(password)))
        }
    }
}

fn new_password(invocation: &Invocation, name: &str) -> Result<String, Failure> {
    if invocation.flags.bool("interactive") {
        return password::ask_new(name);
    }
    // What cannot be read is an empty password, which the server judges.
    Ok(password::read_word().unwrap_or_default())
}

pub(super) async fn delete(invocation: &Invocation) -> Result<(), Failure> {
    wants(invocation, 1, "user delete command requires user name as its argument")?;
    let name = invocation.word(0);
    let session = invocation.session(&[])?;
    let answer = auth(&session).await?.user_delete(&name).await?;
    session.changed(format!("User {name} deleted\n"), answer.header)
}

/// With `--detail` each role in full; the user itself is then a line of text in every format.
pub(super) async fn get(invocation: &Invocation) -> Result<(), Failure> {
    wants(invocation, 1, "user get command requires user name as its argument")?;
    let name = invocation.word(0);
    let session = invocation.session(&[])?;
    let auth = auth(&session).await?;
    let answer = auth.user_get(&name).await?;
    if !session.flags.bool("detail") {
        return session.printer.print(&Answer::Access(Access::User(&name, &answer)));
    }
    write(format!("User: {name}\n").as_bytes())?;
    for role in &answer.roles {
        write(b"\n")?;
        let answer = auth.role_get(role).await?;
        session.printer.print(&Answer::Access(Access::Role(role, &answer)))?;
    }
    Ok(())
}

pub(super) async fn list(invocation: &Invocation) -> Result<(), Failure> {
    wants(invocation, 0, "user list command requires no arguments")?;
    let session = invocation.session(&[])?;
    let answer = auth(&session).await?.user_list().await?;
    session.printer.print(&Answer::Access(Access::Users(&answer)))
}

pub(super) async fn passwd(invocation: &Invocation) -> Result<(), Failure> {
    wants(invocation, 1, "user passwd command requires user name as its argument")?;
    let name = invocation.word(0);
    let password = new_password(invocation, &name)?;
    let session = invocation.session(&[])?;
    let answer = auth(&session).await?.user_change_password(&name, &password).await?;
    session.changed("Password updated\n", answer.header)
}

pub(super) async fn grant_role(invocation: &Invocation) -> Result<(), Failure> {
    wants(invocation, 2, "user grant command requires user name and role name as its argument")?;
    let (user, role) = (invocation.word(0), invocation.word(1));
    let session = invocation.session(&[])?;
    let answer = auth(&session).await?.user_grant_role(&user, &role).await?;
    session.changed(format!("Role {role} is granted to user {user}\n"), answer.header)
}

pub(super) async fn revoke_role(invocation: &Invocation) -> Result<(), Failure> {
    wants(invocation, 2, "user revoke-role requires user name and role name as its argument")?;
    let (user, role) = (invocation.word(0), invocation.word(1));
    let session = invocation.session(&[])?;
    let answer = auth(&session).await?.user_revoke_role(&user, &role).await?;
    session.changed(format!("Role {role} is revoked from user {user}\n"), answer.header)
}

/// The calls, as long as they may take.
pub(super) async fn auth(session: &Session) -> Result<Auth, Failure> {
    Ok(session.client().await?.with_timeout(None).auth())
}

/// Complains unless there are so many arguments.
pub(super) fn wants(invocation: &Invocation, count: usize, complaint: &str) -> Result<(), Failure> {
    match invocation.arguments().len() == count {
        true => Ok(()),
        false => Err(Failure::bad_args(complaint)),
    }
}
