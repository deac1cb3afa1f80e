//! `elect`: stand for an election and stay, or follow who leads.

use ketch_client::{Client, Session, Turn};
use ketch_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use ketch_proto::etcdserverpb::{RangeRequest, RangeResponse, WatchCreateRequest};
use ketch_proto::mvccpb::event::EventType;
use tokio::sync::mpsc;

use super::ranges;
use super::signals::Signals;
use crate::failure::Failure;
use crate::printer::Answer;
use crate::session::{Invocation, Session as Settings};

/// Seconds a lost leader keeps the others waiting.
const TTL: i64 = 60;

pub(super) async fn run(invocation: &Invocation) -> Result<(), Failure> {
    let arguments = invocation.arguments();
    let listen = invocation.flags.bool("listen");
    if arguments.is_empty() || arguments.len() > 2 {
        let message = "elect takes one election name argument and an optional proposal argument";
        return Err(Failure::bad_args(message));
    }
    if arguments.len() == 1 && !listen {
        return Err(Failure::bad_args("no proposal argument but -l not set"));
    }
    if arguments.len() == 2 && listen {
        return Err(Failure::bad_args("proposal given but -l is set"));
    }
    let settings = invocation.session(&[])?;
    let client = settings.client().await?.with_timeout(None);
    if listen {
        return follow(&settings, &client, &invocation.word(0)).await;
    }
    stand(&settings, &client, &invocation.word(0), arguments[1].clone()).await
}

async fn stand(
    settings: &Settings,
    client: &Client,
    name: &str,
    proposal: Vec<u8>,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let session = Session::open(client, TTL).await?;
    let turn = Turn::enter(client, name, &session, proposal.into()).await?;
    let elected = tokio::select! {
        waited = turn.wait() => waited.map_err(Failure::from),
        () = session.lost() => Err(Failure::error("session expired")),
        () = signals.next() => Err(Failure::error("context canceled")),
    };
    let result = match elected {
        Ok(()) => lead(settings, client, &session, &turn, &mut signals).await,
        Err(failure) => Err(failure),
    };
    // What cannot be given back now goes with the lease.
    let _ = turn.leave().await;
    let _ = session.close().await;
    result
}

async fn lead(
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
        () = session.lost() => Err(Failure::error("elect: session expired")),
    }
}

/// Shows every leader until a signal.
async fn follow(settings: &Settings, client: &Client, name: &str) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let (sender, mut leaders) = mpsc::channel(1);
    let observing = observe(client.clone(), format!("{name}/"), sender);
    tokio::pin!(observing);
    loop {
        tokio::select! {
            () = signals.next() => return Ok(()),
            ended = &mut observing => return ended,
            Some(leader) = leaders.recv() => settings.printer.print(&Answer::Get(&leader))?,
        }
    }
}

/// Sends the leader, what it proclaims later, and the leaders after it.
async fn observe(
    client: Client,
    prefix: String,
    leaders: mpsc::Sender<RangeResponse>,
) -> Result<(), Failure> {
    loop {
        let leader = first(&client, &prefix).await?;
        let (Some(header), Some(kv)) = (leader.header, leader.kvs.first().cloned()) else {
            return Ok(());
        };
        // The receiver lives as long as this future.
        let _ = leaders.send(RangeResponse { count: 0, more: false, ..leader }).await;
        let start_revision = header.revision + 1;
        let request = WatchCreateRequest { key: kv.key, start_revision, ..Default::default() };
        let mut events = client.watch().watch(request).await;
        'leading: while let Some(answer) = events.next().await? {
            for event in answer.events {
                if event.r#type == i32::from(EventType::Delete) {
                    break 'leading;
                }
                let kvs = event.kv.into_iter().collect();
                let again = RangeResponse { header: answer.header, kvs, ..Default::default() };
                let _ = leaders.send(again).await;
            }
        }
    }
}

/// The oldest key of the election, waited for if there is none.
async fn first(client: &Client, prefix: &str) -> Result<RangeResponse, Failure> {
    let (key, range_end) = ranges::by_prefix(prefix.to_owned().into());
    loop {
        let request = RangeRequest {
            key: key.clone(),
            range_end: range_end.clone(),
            limit: 1,
            sort_order: SortOrder::Ascend.into(),
            sort_target: SortTarget::Create.into(),
            ..Default::default()
        };
        let answer = client.kv().range(request).await?;
        if !answer.kvs.is_empty() {
            return Ok(answer);
        }
        let watch = WatchCreateRequest {
            key: key.clone(),
            range_end: range_end.clone(),
            start_revision: answer.header.map_or(0, |header| header.revision + 1),
            ..Default::default()
        };
        let mut events = client.watch().watch(watch).await;
        while let Some(answer) = events.next().await? {
            if !answer.events.is_empty() || answer.canceled {
                break;
            }
        }
    }
}
