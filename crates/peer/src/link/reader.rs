//! Reads a stream we dialed: again and again, as long as the link stands.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderMap;
use http::{Method, StatusCode};
use hyper::body::Incoming;
use ketch_raft_proto::raftpb::Message;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::{Kind, Link};
use crate::client::{BodyError, Client, empty, next_chunk, read_all};
use crate::frame::{FrameError, append, message};
use crate::headers;
use crate::limits;
use crate::status::Counters;

/// Why a stream is not read any more.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("cannot dial: {0}")]
    Dial(io::Error),
    #[error("answered {0}: {1}")]
    Refused(StatusCode, String),
    #[error("cannot read: {0}")]
    Read(io::Error),
    #[error("cannot decode: {0}")]
    Frame(#[from] FrameError),
    #[error("closed by the other end")]
    Closed,
}

impl Ended {
    /// The host answered, and there is no listener.
    fn is_nobody_there(&self) -> bool {
        matches!(self, Self::Dial(error) if error.kind() == io::ErrorKind::ConnectionRefused)
    }
}

/// Dials and reads until the task is ended; two dials are [`limits::REDIAL_MS`] apart at least.
pub(super) async fn run(link: Arc<Link>, kind: Kind) {
    let mut refused = 0;
    loop {
        let begun = Instant::now();
        let ended = read_stream(&link, kind).await;
        refused = if ended.is_nobody_there() { refused + 1 } else { 0 };
        // Said once: what comes by other ways meanwhile shows that it lives after all.
        if refused > 0 && refused == link.urls_known() {
            link.shared.inward.gone(link.id);
        }
        debug!(peer = %link.id, kind = kind.name(), why = %ended, "stream ended");
        match ended {
            // The member may have changed its mind about the connection alone; the next dial
            // tells.
            Ended::Closed => {}
            Ended::Refused(StatusCode::GONE, _) => {
                link.down(kind.name(), &ended);
                link.shared.inward.removed_self();
            }
            _ => link.down(kind.name(), &ended),
        }
        sleep_until(begun + Duration::from_millis(limits::REDIAL_MS)).await;
    }
}

async fn read_stream(link: &Link, kind: Kind) -> Ended {
    let (client, body) = match open(link, kind).await {
        Ok(opened) => opened,
        Err(ended) => return ended,
    };
    link.up(kind.name());
    let _standing = Standing::new(link);
    let ended = match kind {
        Kind::Message => {
            let mut decoder = message::Decoder::default();
            read(link, body, |bytes, deliver| {
                decoder.push(bytes);
                while let Some(message) = decoder.next_message()? {
                    deliver(message);
                }
                Ok(())
            })
            .await
        }
        Kind::Append => {
            let mut decoder = append::Decoder::new(link.shared.config.local.0, link.id.0);
            read(link, body, |bytes, deliver| {
                decoder.push(bytes);
                while let Some(message) = decoder.next_message()? {
                    deliver(message);
                }
                Ok(())
            })
            .await
        }
    };
    drop(client);
    ended
}

/// Counts the stream as long as it is read, also if the task is ended.
struct Standing<'a>(&'a Link);

impl<'a> Standing<'a> {
    fn new(link: &'a Link) -> Self {
        Counters::add(&link.counters.streams_in, 1);
        Self(link)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        Counters::take(&self.0.counters.streams_in);
    }
}

async fn open(link: &Link, kind: Kind) -> Result<(Client, Incoming), Ended> {
    let config = &link.shared.config;
    let url = link.url();
    let failed = |error| {
        link.url_failed(&url);
        Ended::Dial(error)
    };
    let (within, stall) = (config.dial_timeout(), config.write_timeout());
    let mut client = Client::connect(&config.dialer, &url, within, stall).await.map_err(failed)?;
    let mut fields = HeaderMap::new();
    headers::put(config, &mut fields);
    headers::put_text(&mut fields, headers::RAFT_TO, &link.id.to_string());
    let path = format!("/raft/stream/{}/{}", kind.name(), config.local);
    let answer =
        timeout(config.read_timeout(), client.request(Method::GET, &path, fields, empty()))
            .await
            .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
    let (head, body) = answer.into_parts();
    if head.status == StatusCode::OK {
        return Ok((client, body));
    }
    link.url_failed(&url);
    let text = match read_all(body, limits::ERROR_TEXT_BYTES, config.read_timeout()).await {
        Ok(text) => String::from_utf8_lossy(&text).trim_end().to_owned(),
        Err(BodyError::Broken(error)) => return Err(Ended::Read(error)),
        Err(error @ BodyError::TooLong(_)) => error.to_string(),
    };
    Err(Ended::Refused(head.status, text))
}

/// Feeds what comes to `decode` until the stream ends.
async fn read(
    link: &Link,
    mut body: Incoming,
    mut decode: impl FnMut(&[u8], &mut dyn FnMut(Message)) -> Result<(), FrameError>,
) -> Ended {
    let patience = link.shared.config.read_timeout();
    loop {
        match next_chunk(&mut body, patience).await {
            Err(error) => return Ended::Read(error),
            Ok(None) => return Ended::Closed,
            Ok(Some(bytes)) => {
                Counters::add(&link.counters.received_bytes, bytes.len());
                if let Err(error) = decode(&bytes, &mut |message| deliver(link, message)) {
                    Counters::add(&link.counters.receive_failures, 1);
                    return error.into();
                }
            }
        }
    }
}

fn deliver(link: &Link, message: Message) {
    let ours = message.to() == link.shared.config.local.0;
    if !ours || !link.shared.inward.deliver(message) {
        Counters::add(&link.counters.receive_failures, 1);
    }
}
