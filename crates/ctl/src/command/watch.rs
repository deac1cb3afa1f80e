//! `watch`: one from the line, or many from standard input.

mod arguments;

use arguments::Target;
use bytes::Bytes;
use ketch_client::{Client, Events, Watcher, cancellation};
use ketch_proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use ketch_proto::mvccpb::event::EventType;
use ketch_proto::mvccpb::{Event, KeyValue};
use tokio::sync::mpsc;

use super::input::Lines;
use super::{exec, ranges};
use crate::failure::{ERROR, Failure, INTERRUPTED, INVALID_INPUT, say};
use crate::flags::Flags;
use crate::printer::{Answer, Printer, write};
use crate::session::{Invocation, lossy};
use crate::text::quote::{quote, quote_all};
use crate::text::words;
use crate::tree::WATCH_FLAGS;

/// Variables in place of key and end.
const KEY: &str = "ETCDCTL_WATCH_KEY";
const RANGE_END: &str = "ETCDCTL_WATCH_RANGE_END";

pub(super) async fn run(invocation: &Invocation) -> Result<(), Failure> {
    if invocation.flags.bool("interactive") {
        return interactive(invocation).await;
    }
    let target = target(invocation, &invocation.flags)
        .map_err(|wrong| Failure::bad_args(wrong.text().to_owned()))?;
    let session = invocation.session(&[KEY, RANGE_END])?;
    let watcher = session.client().await?.watch();
    let request = request(&session.flags, &target).map_err(Failure::bad_args)?;
    let events = watcher.watch(request).await;
    follow(session.printer, events, &target.exec).await?;
    Err(Failure::new(INTERRUPTED, "watch is canceled by the server"))
}

fn target(invocation: &Invocation, flags: &Flags) -> Result<Target, arguments::Wrong> {
    let given = |name| invocation.variable(name).unwrap_or("");
    arguments::read(flags.arguments(), flags.dash(), given(KEY), given(RANGE_END))
}

fn request(flags: &Flags, target: &Target) -> Result<WatchCreateRequest, &'static str> {
    let (key, end) = (target.key.clone(), target.range_end.clone());
    let (key, range_end) = match (flags.bool("prefix"), end) {
        (true, Some(_)) => return Err("`range_end` and `--prefix` are mutually exclusive"),
        (true, None) => ranges::by_prefix(key),
        (false, end) => (key, end.unwrap_or(Bytes::new())),
    };
    Ok(WatchCreateRequest {
        key,
        range_end,
        start_revision: flags.int("rev"),
        progress_notify: flags.bool("progress-notify"),
        prev_kv: flags.bool("prev-kv"),
        ..Default::default()
    })
}

/// Shows a watch until the server ends it.
async fn follow(printer: Printer, mut events: Events, exec: &[Vec<u8>]) -> Result<(), Failure> {
    while let Some(answer) = events.next().await? {
        let over = cancellation(&answer);
        // Of the end of a running watch etcd's client tells only one reason.
        if over.is_some() && !answer.created && answer.compact_revision == 0 {
            break;
        }
        let answer = WatchResponse { created: false, ..answer };
        if let Some(reason) = &over {
            say(&format!("watch was canceled ({reason})"));
        }
        if over.is_none() && answer.events.is_empty() {
            let revision = answer.header.map_or(0, |header| header.revision);
            write(format!("progress notify: {revision}\n").as_bytes())?;
        }
        printer.print(&Answer::Watch(&answer))?;
        if !exec.is_empty() {
            for event in &answer.events {
                run_program(exec, &answer, event).await?;
            }
        }
        if over.is_some() {
            break;
        }
    }
    Ok(())
}

async fn run_program(
    words: &[Vec<u8>],
    answer: &WatchResponse,
    event: &Event,
) -> Result<(), Failure> {
    let kind = EventType::try_from(event.r#type).map_or("UNKNOWN", |kind| kind.as_str_name());
    let empty = KeyValue::default();
    let kv = event.kv.as_ref().unwrap_or(&empty);
    let variables = vec![
        ("ETCD_WATCH_REVISION", answer.header.map_or(0, |header| header.revision).to_string()),
        ("ETCD_WATCH_EVENT_TYPE", quote(kind.as_bytes())),
        ("ETCD_WATCH_KEY", quote(&kv.key)),
        ("ETCD_WATCH_VALUE", quote(&kv.value)),
    ];
    exec::run(words.to_vec(), variables).await.map_err(|unsuccessful| {
        let words: Vec<_> = words.iter().map(|word| lossy(word)).collect();
        say(&format!("command {} error ({})", quote_all(&words), unsuccessful.text));
        Failure::silent(ERROR)
    })
}

/// Reads lines until standard input ends; every watch shows its events meanwhile.
async fn interactive(invocation: &Invocation) -> Result<(), Failure> {
    let session = invocation.session(&[KEY, RANGE_END])?;
    let client: Client = session.client().await?;
    let watcher = client.watch();
    let mut lines = Lines::open()?.in_background();
    let (failed, mut failures) = mpsc::channel(1);
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => {
                    let line = line.trim_end_matches('\r');
                    obey(invocation, session.printer, &watcher, line, &failed).await?;
                }
                None => {
                    let message = "error reading watch request line: EOF";
                    return Err(Failure::new(INVALID_INPUT, message));
                }
            },
            Some(failure) = failures.recv() => return Err(failure),
        }
    }
}

/// One line: `watch ..` or `progress`. Mistakes that etcdctl survives are told, others end it.
async fn obey(
    invocation: &Invocation,
    printer: Printer,
    watcher: &Watcher,
    line: &str,
    failed: &mpsc::Sender<Failure>,
) -> Result<(), Failure> {
    let words = words::split(line).map_err(|why| Failure::new(INVALID_INPUT, why))?;
    let complain = |why: &str| say(&format!("Invalid command {line} ({why})"));
    match words.first().map(|word| lossy(word)).as_deref() {
        None => {
            say(&format!("Invalid command: {line} (watch and progress supported)"));
            return Ok(());
        }
        Some("progress") => {
            watcher.request_progress().await;
            return Ok(());
        }
        Some("watch") => {}
        Some(_) => {
            complain("only support watch");
            return Ok(());
        }
    }
    if words.len() < 2 && invocation.variable(KEY).unwrap_or("").is_empty() {
        complain("command type or key is not provided");
        return Ok(());
    }
    let mut flags = Flags::new(WATCH_FLAGS.iter().copied());
    flags.parse(&words[1..]).map_err(Failure::bad_args)?;
    let target = match target(invocation, &flags) {
        Ok(target) => target,
        Err(wrong) if wrong.is_survivable() => {
            complain(wrong.text());
            return Ok(());
        }
        Err(wrong) => return Err(Failure::bad_args(wrong.text().to_owned())),
    };
    let request = match request(&flags, &target) {
        Ok(request) => request,
        Err(why) => {
            complain(why);
            return Ok(());
        }
    };
    let events = watcher.watch(request).await;
    let failed = failed.clone();
    tokio::spawn(async move {
        if let Err(failure) = follow(printer, events, &target.exec).await {
            // The receiver lives as long as the program.
            let _ = failed.send(failure).await;
        }
    });
    Ok(())
}
