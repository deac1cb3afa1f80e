//! Asks the member every few seconds whether it is there, and how long the way is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderMap;
use http::{Method, StatusCode};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::warn;

use super::Link;
use crate::client::{Client, empty, read_all};
use crate::limits;

/// Probes until the task is ended.
pub(super) async fn run(link: Arc<Link>) {
    let mut beat = interval(Duration::from_millis(limits::PROBE_INTERVAL_MS));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept = None;
    let mut failures = 0_u64;
    loop {
        beat.tick().await;
        let patience = link.shared.config.read_timeout();
        let late = || Err(io::ErrorKind::TimedOut.into());
        let probed = timeout(patience, probe(&link, kept.take())).await;
        match probed.unwrap_or_else(|_| late()) {
            Ok(client) => {
                kept = Some(client);
                failures = 0;
            }
            Err(error) => {
                failures += 1;
                // A member that starts a moment later than this one is no news.
                if failures > 1 {
                    warn!(remote_peer_id = %link.id, %error, "prober detected unhealthy status");
                }
            }
        }
    }
}

async fn probe(link: &Link, kept: Option<Client>) -> io::Result<Client> {
    let config = &link.shared.config;
    let mut client = match kept.filter(Client::is_open) {
        Some(client) => client,
        None => link.connect(config.write_timeout()).await?,
    };
    let begun = Instant::now();
    let answer = client.request(Method::GET, "/raft/probing", HeaderMap::new(), empty()).await?;
    let well = answer.status() == StatusCode::OK;
    read_all(answer.into_body(), limits::ERROR_TEXT_BYTES, config.read_timeout())
        .await
        .map_err(io::Error::other)?;
    if !well {
        return Err(io::Error::other("refused"));
    }
    link.counters.probed(begun.elapsed().as_secs_f64() * 1_000.0);
    Ok(client)
}
