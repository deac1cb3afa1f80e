//! `endpoint health | status | hashkv`.

use std::time::Instant;

use ketch_client::{Client, Code, Error};
use ketch_proto::etcdserverpb::{AlarmMember, AlarmType, RangeRequest};
use tokio::task::JoinSet;

use crate::failure::{ERROR, Failure, say};
use crate::printer::{Answer, Format, Health};
use crate::session::Invocation;
use crate::text::duration;

/// All endpoints at once, shown as they answer.
pub(super) async fn health(invocation: &Invocation) -> Result<(), Failure> {
    let session = invocation.session(&[])?;
    let endpoints = session.endpoints().await?;
    let session = session.logging_as("client");
    let mut probes = JoinSet::new();
    for endpoint in endpoints {
        let client = session.unknown_client_of(vec![endpoint.clone()]);
        probes.spawn(probe(endpoint, client));
    }
    let list = probes.join_all().await;
    session.printer.print(&Answer::Health(&list))?;
    let sick: Vec<_> = list.iter().filter(|health| !health.healthy).collect();
    if session.printer.format == Format::Simple {
        for health in &sick {
            let what = "is unhealthy: failed to commit proposal";
            say(&format!("{} {what}: {}", health.endpoint, health.error));
        }
    }
    if sick.is_empty() { Ok(()) } else { Err(Failure::error("unhealthy cluster")) }
}

/// A linearizable read of a key that need not exist, then a look at the alarms.
async fn probe(endpoint: String, client: Result<Client, Error>) -> Health {
    let start = Instant::now();
    let result = match client {
        Ok(client) => match read(&client).await {
            Ok(()) => alarms(&client).await,
            Err(error) => Err(error.to_string()),
        },
        Err(error) => Err(error.to_string()),
    };
    let took = duration::show(start.elapsed());
    let error = result.err().unwrap_or_default();
    Health { endpoint, healthy: error.is_empty(), took, error }
}

async fn read(client: &Client) -> Result<(), Error> {
    client.log_in().await?;
    let request = RangeRequest { key: "health".into(), ..Default::default() };
    match client.kv().range(request).await {
        Ok(_) => Ok(()),
        // Who may not read has been judged by a working quorum.
        Err(error) if error.code() == Code::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

async fn alarms(client: &Client) -> Result<(), String> {
    let Ok(answer) = client.maintenance().alarms().await else {
        return Err("Unable to fetch the alarm list".to_owned());
    };
    if answer.alarms.is_empty() {
        return Ok(());
    }
    let name = |member: &AlarmMember| match AlarmType::try_from(member.alarm) {
        Ok(AlarmType::Nospace) => "NOSPACE ",
        Ok(AlarmType::Corrupt) => "CORRUPT ",
        Ok(AlarmType::None) | Err(_) => "UNKNOWN ",
    };
    Err(format!("Active Alarm(s): {}", answer.alarms.iter().map(name).collect::<String>()))
}

pub(super) async fn status(invocation: &Invocation) -> Result<(), Failure> {
    let session = invocation.session(&[])?;
    let mut list = Vec::new();
    let mut failed = false;
    for endpoint in session.endpoints().await? {
        let client = session.client_of(vec![endpoint.clone()]).await?;
        match client.maintenance().status().await {
            Ok(status) => list.push((endpoint, status)),
            Err(error) => {
                say(&format!("Failed to get the status of endpoint {endpoint} ({error})"));
                failed = true;
            }
        }
    }
    session.printer.print(&Answer::Status(&list))?;
    if failed { Err(Failure::silent(ERROR)) } else { Ok(()) }
}

pub(super) async fn hash_kv(invocation: &Invocation) -> Result<(), Failure> {
    let session = invocation.session(&[])?;
    let revision = session.flags.int("rev");
    let mut list = Vec::new();
    let mut last = None;
    for endpoint in session.endpoints().await? {
        let client = session.client_of(vec![endpoint.clone()]).await?;
        match client.maintenance().hash_kv(revision).await {
            Ok(answer) => list.push((endpoint, answer)),
            Err(error) => {
                say(&format!("Failed to get the hash of endpoint {endpoint} ({error})"));
                last = Some(error);
            }
        }
    }
    session.printer.print(&Answer::HashKv(&list))?;
    last.map_or(Ok(()), |error| Err(error.into()))
}
