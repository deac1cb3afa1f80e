//! Posts messages one by one while the member has not dialed the stream for them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use ketch_raft_proto::raftpb::{Message, MessageType};
use prost::Message as _;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::Link;
use crate::client::{Client, full, read_all};
use crate::headers;
use crate::limits;
use crate::status::Counters;

/// Why a post did not arrive.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("{0}")]
    Broken(#[from] io::Error),
    #[error("this member was removed from the cluster")]
    Removed,
    #[error("answered {0}: {1}")]
    Refused(StatusCode, String),
}

/// Starts the connections' tasks.
pub(super) fn spawn(link: &Arc<Link>) -> Vec<AbortHandle> {
    let worker = |_| link.shared.runtime.spawn(run(link.clone())).abort_handle();
    (0..limits::PIPELINE_CONNECTIONS).map(worker).collect()
}

async fn run(link: Arc<Link>) {
    let mut kept = None;
    loop {
        let message = link.next_post().await;
        let is_snapshot = message.r#type() == MessageType::MsgSnap;
        let outcome = post(&link, &mut kept, &message).await;
        let arrived = outcome.is_ok();
        match outcome {
            Ok(()) => link.up("post"),
            Err(error) => {
                kept = None;
                link.down("post", &error);
                link.lost(1);
                if matches!(error, PostError::Removed) {
                    link.shared.inward.removed_self();
                }
            }
        }
        if is_snapshot {
            link.shared.inward.snapshot_sent(link.id, arrived);
        }
    }
}

async fn post(link: &Link, kept: &mut Option<Client>, message: &Message) -> Result<(), PostError> {
    let body = Bytes::from(message.encode_to_vec());
    let length = body.len();
    let patience = Duration::from_millis(limits::PIPELINE_ANSWER_MS);
    // A kept connection may have been closed meanwhile; that says nothing about the member.
    let reused = match kept.take().filter(Client::is_open) {
        Some(client) => {
            timeout(patience, post_on(link, client, body.clone())).await.unwrap_or_else(late).ok()
        }
        None => None,
    };
    let (answer, client) = match reused {
        Some(done) => done,
        None => {
            let client = link.connect(link.shared.config.write_timeout()).await?;
            timeout(patience, post_on(link, client, body)).await.unwrap_or_else(late)?
        }
    };
    check(link, answer).await?;
    Counters::add(&link.counters.sent_bytes, length);
    *kept = Some(client);
    Ok(())
}

fn late<T>(_: tokio::time::error::Elapsed) -> io::Result<T> {
    Err(io::ErrorKind::TimedOut.into())
}

async fn post_on(
    link: &Link,
    mut client: Client,
    body: Bytes,
) -> io::Result<(Response<Incoming>, Client)> {
    let mut fields = HeaderMap::new();
    headers::put(&link.shared.config, &mut fields);
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/protobuf"));
    let answer = client.request(Method::POST, "/raft", fields, full(body)).await?;
    Ok((answer, client))
}

/// Reads the answer to a post, also to a snapshot's.
pub(super) async fn check(link: &Link, answer: Response<Incoming>) -> Result<(), PostError> {
    let status = answer.status();
    let patience = link.shared.config.read_timeout();
    let text = read_all(answer.into_body(), limits::ERROR_TEXT_BYTES, patience).await;
    match status {
        StatusCode::NO_CONTENT => Ok(()),
        StatusCode::FORBIDDEN | StatusCode::GONE => Err(PostError::Removed),
        _ => {
            let text = text.map_err(io::Error::other)?;
            let text = String::from_utf8_lossy(&text).trim_end().to_owned();
            Err(PostError::Refused(status, text))
        }
    }
}
