//! The peers thread: one runtime for the peer port and the links to the other members.

mod door;
mod incoming;
mod outgoing;

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use ketch_peer::{Links, Port, serve_connection};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::member::Member;
use door::Door;

pub(crate) use incoming::Place;
pub(crate) use outgoing::SnapshotSender;

/// Connections other members may hold open with us at a time.
const CONNECTIONS_MAX: usize = 4_096;
/// Threads that make and read snapshots and hashes.
const BLOCKING_THREADS: usize = 8;
/// Rest after an accept that failed, e.g. for want of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(20);

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
    /// Serves `listeners` and makes the links that [`Links::follow`] is told of.
    pub(crate) fn start(
        config: &Config,
        member: &Arc<Member>,
        place: Place,
        listeners: Vec<TcpListener>,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("peers-blocking")
            .build()?;
        let door = Arc::new(Door::new(Arc::clone(member), place));
        let (links, port) = Links::start(links_config(config, member), door, runtime.handle());
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

fn links_config(config: &Config, member: &Member) -> ketch_peer::Config {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    ketch_peer::Config {
        election_ms: config.election_ms,
        read_timeout_ms: ms(config.raft_read_timeout),
        write_timeout_ms: ms(config.raft_write_timeout),
        ..ketch_peer::Config::new(member.id, member.cluster, config.peer_urls.clone())
    }
}

async fn serve(
    listeners: Vec<TcpListener>,
    port: Arc<Port<Door>>,
    mut stopped: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    for listener in listeners {
        tokio::spawn(accept(listener, Arc::clone(&port), Arc::clone(&room)));
    }
    // An error is the sender gone: the end as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn accept(listener: TcpListener, port: Arc<Port<Door>>, room: Arc<Semaphore>) {
    let listener =
        listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => super::fatal("failed to listen for peers", &error),
    };
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(error = %error, "failed to accept a connection of a peer");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let port = Arc::clone(&port);
        tokio::spawn(async move {
            answer(socket, port).await;
            drop(place);
        });
    }
}

async fn answer(socket: TcpStream, port: Arc<Port<Door>>) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(error = %error, "lost a connection of a peer before it began");
        return;
    }
    serve_connection(socket, port).await;
}
