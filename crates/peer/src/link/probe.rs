//! Asks the member every few seconds whether it is there, and how long the way is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderMap;
use http::{Method, StatusCode};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::debug;

use super::Link;
use crate::client::{Client, empty, read_all};
use crate::limits;

/// Probes until the task is ended.
pub(super) async fn run(link: Arc<Link>) {
    let mut beat = interval(Duration::from_millis(limits::PROBE_INTERVAL_MS));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept = None;
    loop {
        beat.tick().await;
        let patience = link.shared.config.read_timeout();
        kept = match timeout(patience, probe(&link, kept.take())).await {
            Ok(Ok(client)) => Some(client),
            Ok(Err(error)) => {
                debug!(peer = %link.id, %error, "probe failed");
                None
            }
            Err(_) => None,
        };
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
