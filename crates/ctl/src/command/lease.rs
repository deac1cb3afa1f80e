//! `lease grant | revoke | timetolive | list | keep-alive`.

use crate::failure::{BAD_CONNECTION, Failure};
use crate::printer::{Answer, Format, write};
use crate::session::Invocation;
use crate::text::number::{hex16, parse_int};

pub(super) async fn grant(invocation: &Invocation) -> Result<(), Failure> {
    if invocation.arguments().len() != 1 {
        return Err(Failure::bad_args("lease grant command needs TTL argument"));
    }
    let ttl = parse_int(&invocation.word(0), 10)
        .map_err(|why| Failure::bad_args(format!("bad TTL ({why})")))?;
    let session = invocation.session(&[])?;
    let answer = session.client().await?.lease().grant(ttl, 0).await;
    let answer =
        answer.map_err(|error| Failure::error(format!("failed to grant lease ({error})")))?;
    session.printer.print(&Answer::Grant(&answer))
}

pub(super) async fn revoke(invocation: &Invocation) -> Result<(), Failure> {
    if invocation.arguments().len() != 1 {
        return Err(Failure::bad_args("lease revoke command needs 1 argument"));
    }
    let id = id(invocation)?;
    let session = invocation.session(&[])?;
    let answer = session.client().await?.lease().revoke(id).await;
    let answer =
        answer.map_err(|error| Failure::error(format!("failed to revoke lease ({error})")))?;
    session.printer.print(&Answer::Revoke(id, &answer))
}

pub(super) async fn time_to_live(invocation: &Invocation) -> Result<(), Failure> {
    let session = invocation.session(&[])?;
    let client = session.client().await?.with_timeout(None);
    let id = one_id(invocation, "timetolive")?;
    let keys = session.flags.bool("keys");
    let answer = client.lease().time_to_live(id, keys).await?;
    session.printer.print(&Answer::TimeToLive(&answer, keys))
}

pub(super) async fn list(invocation: &Invocation) -> Result<(), Failure> {
    let session = invocation.session(&[])?;
    let answer = session.client().await?.with_timeout(None).lease().leases().await?;
    session.printer.print(&Answer::Leases(&answer))
}

pub(super) async fn keep_alive(invocation: &Invocation) -> Result<(), Failure> {
    let id = one_id(invocation, "keep-alive")?;
    let session = invocation.session(&[])?;
    let lease = session.client().await?.lease();
    if session.flags.bool("once") {
        let answer = lease.keep_alive_once(id).await;
        let answer = answer.map_err(|error| Failure::new(BAD_CONNECTION, error.to_string()))?;
        return session.printer.print(&Answer::KeepAlive(&answer));
    }
    let mut renewals = lease.keep_alive(id);
    while let Some(answer) = renewals.next().await {
        session.printer.print(&Answer::KeepAlive(&answer))?;
    }
    match session.printer.format {
        Format::Simple => write(format!("lease {} expired or revoked.\n", hex16(id)).as_bytes()),
        _ => Ok(()),
    }
}

fn one_id(invocation: &Invocation, command: &str) -> Result<i64, Failure> {
    if invocation.arguments().len() != 1 {
        let message = format!("lease {command} command needs lease ID as argument");
        return Err(Failure::bad_args(message));
    }
    id(invocation)
}

fn id(invocation: &Invocation) -> Result<i64, Failure> {
    parse_int(&invocation.word(0), 16)
        .map_err(|why| Failure::bad_args(format!("bad lease ID arg ({why}), expecting ID in Hex")))
}
