//! The peers thread: one runtime for the peer port and the links to the other members.

mod accept;
mod door;
mod incoming;
mod outgoing;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, bail};
use ketch_peer::{Dialer, Links, Port};
use ketch_tls::{Acceptor, Identity};
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::listen::Listening;
use crate::member::Member;
use accept::Reception;
use door::Door;

pub(crate) use incoming::Place;
pub(crate) use outgoing::SnapshotSender;

/// Connections other members may hold open with us at a time.
const CONNECTIONS_MAX: usize = 4_096;
/// Threads that make and read snapshots and hashes.
const BLOCKING_THREADS: usize = 8;

/// The running peer side of a member.
pub(crate) struct Peers {
    /// The way to the other members.
    pub(crate) links: Links,
    /// Sends whole states.
    pub(crate) snapshots: SnapshotSender,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Peers {
    /// Serves `listeners` and makes the links that [`Links::follow`] is told of. Where a URL says
    /// https, ours or another member's, `identity` is shown.
    ///
    /// # Errors
    /// There is no runtime, or no certificate for a listener that needs one.
    pub(crate) fn start(
        config: &Config,
        member: &Arc<Member>,
        place: Place,
        listeners: Vec<Listening>,
        identity: Option<Arc<Identity>>,
    ) -> Result<Self> {
        let listeners = with_acceptors(listeners, identity.as_ref())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("peers-blocking")
            .build()?;
        let door = Arc::new(Door::new(Arc::clone(member), place));
        let (links, port) =
            Links::start(links_config(config, member, identity), door, runtime.handle());
        let snapshots = SnapshotSender::new(Arc::clone(member), links.clone(), runtime.handle());
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new().name("peers".to_owned()).spawn(move || {
            runtime.block_on(serve(listeners, port, stopped));
            // A snapshot on its way is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { links, snapshots, stop, thread })
    }

    /// Ends the links and the port.
    pub(crate) fn stop(self) {
        self.links.stop();
        self.stop.send_replace(true);
        let _ = self.thread.join();
    }
}

fn with_acceptors(
    listeners: Vec<Listening>,
    identity: Option<&Arc<Identity>>,
) -> Result<Vec<(Listening, Option<Acceptor>)>> {
    let with = |listening: Listening| {
        let acceptor = match (listening.url.is_secure, identity) {
            (false, _) => None,
            (true, Some(identity)) => Some(identity.acceptor()?),
            (true, None) => bail!("no certificate for {}", listening.url.text),
        };
        Ok((listening, acceptor))
    };
    listeners.into_iter().map(with).collect()
}

fn links_config(
    config: &Config,
    member: &Member,
    identity: Option<Arc<Identity>>,
) -> ketch_peer::Config {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    ketch_peer::Config {
        election_ms: config.election_ms,
        read_timeout_ms: ms(config.raft_read_timeout),
        write_timeout_ms: ms(config.raft_write_timeout),
        dialer: Dialer::new(identity),
        ..ketch_peer::Config::new(member.id, member.cluster, config.peer_urls.clone())
    }
}

async fn serve(
    listeners: Vec<(Listening, Option<Acceptor>)>,
    port: Arc<Port<Door>>,
    mut stopped: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    for (listening, acceptor) in listeners {
        let reception = Reception { port: Arc::clone(&port), acceptor, room: Arc::clone(&room) };
        tokio::spawn(reception.run(listening));
    }
    // An error is the sender gone: the end as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
