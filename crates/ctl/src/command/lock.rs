//! `lock`: hold a name while a program runs, or until a signal.

use bytes::Bytes;
use ketch_client::{Client, Session, Turn};
use ketch_proto::etcdserverpb::RangeRequest;

use super::exec;
use super::signals::Signals;
use crate::failure::Failure;
use crate::printer::Answer;
use crate::session::{Invocation, Session as Settings};
use crate::text::log;

/// Seconds that etcd's client takes for a session of no time.
const TTL_DEFAULT: i64 = 60;

pub(super) async fn run(invocation: &Invocation) -> Result<(), Failure> {
    let Some((_, program)) = invocation.arguments().split_first() else {
        let message = "lock takes a lock name argument and an optional command to execute";
        return Err(Failure::bad_args(message));
    };
    let settings = invocation.session(&[])?;
    let client = settings.client().await?.with_timeout(None);
    let mut signals = Signals::listen()?;
    let session = Session::open(&client, time_to_live(settings.flags.int("ttl"))).await?;
    let turn = Turn::enter(&client, &invocation.word(0), &session, Bytes::new()).await?;
    let acquired = tokio::select! {
        waited = turn.wait() => waited.map_err(Failure::from),
        () = session.lost() => Err(Failure::error("session expired")),
        () = signals.next() => Err(Failure::error("context canceled")),
    };
    let result = match acquired {
        Ok(()) if program.is_empty() => {
            hold(&settings, &client, &session, &turn, &mut signals).await
        }
        Ok(()) => execute(program, &turn).await,
        Err(failure) => Err(failure),
    };
    // What cannot be given back now goes with the lease.
    let _ = turn.leave().await;
    let _ = session.close().await;
    result
}

fn time_to_live(ttl: i64) -> i64 {
    if ttl > 0 {
        return ttl;
    }
    let caller = concat!(file!(), ":", line!());
    let message = "WithTTL(): TTL should be > 0, preserving current TTL";
    let current = log::Field::Number(TTL_DEFAULT.unsigned_abs());
    log::typed("warn", "etcd-client", caller, message, &[("current-session-ttl", current)]);
    TTL_DEFAULT
}

/// Shows the key and waits.
async fn hold(
    settings: &Settings,
    client: &Client,
    session: &Session,
    turn: &Turn,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let request = RangeRequest { key: turn.key().to_owned().into(), ..Default::default() };
    let answer = client.kv().range(request).await?;
    settings.printer.print(&Answer::Get(&answer))?;
    tokio::select! {
        () = signals.next() => Ok(()),
        () = session.lost() => Err(Failure::error("session expired")),
    }
}

/// The program's code becomes ours. Signals reach it by itself, as part of the terminal's job.
async fn execute(program: &[Vec<u8>], turn: &Turn) -> Result<(), Failure> {
    let variables = vec![
        ("ETCD_LOCK_KEY", turn.key().to_owned()),
        ("ETCD_LOCK_REV", turn.revision().to_string()),
    ];
    exec::run(program.to_vec(), variables)
        .await
        .map_err(|unsuccessful| Failure::new(unsuccessful.code, unsuccessful.text))
}
