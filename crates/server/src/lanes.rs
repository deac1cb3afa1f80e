//! Lanes: one single-threaded runtime per core. A connection lives on one lane from accept to end.
//!
//! One listener hands connections out in turn. Sharing the port between lanes (SO_REUSEPORT)
//! would let a second server bind the same port unnoticed.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use ketch_api::ports::Origin;
use ketch_api::{ConnectionConfig, Edge, Surface, serve_connection};
use tokio::sync::{mpsc, watch};

use crate::member::Member;

/// Connections handed to a lane that it has not taken yet.
const HANDED_CONNECTIONS: usize = 1024;
/// Rest after an accept that failed, e.g. for want of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(20);

/// The running lanes.
pub(crate) struct Lanes {
    handoff: Vec<mpsc::Sender<Arrival>>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

struct Arrival {
    socket: TcpStream,
    surface: Surface,
}

impl Lanes {
    /// Starts `count` lanes that answer by `edge`.
    pub(crate) fn start(
        count: usize,
        edge: &Arc<Edge<Member>>,
        connection: ConnectionConfig,
    ) -> io::Result<Self> {
        let mut lanes =
            Self { handoff: Vec::new(), stop: watch::Sender::new(false), threads: Vec::new() };
        for number in 0..count {
            let (handoff, arrivals) = mpsc::channel(HANDED_CONNECTIONS);
            let edge = Arc::clone(edge);
            let (connection, stop) = (connection.clone(), lanes.stop.subscribe());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let thread = std::thread::Builder::new()
                .name(format!("lane-{number}"))
                .spawn(move || runtime.block_on(lane(arrivals, edge, connection, stop)))?;
            lanes.handoff.push(handoff);
            lanes.threads.push(thread);
        }
        Ok(lanes)
    }

    /// Accepts on `listener` for ever, on a thread of its own, and hands out in turn.
    pub(crate) fn accept(&self, listener: TcpListener, surface: Surface) -> io::Result<()> {
        let handoff = self.handoff.clone();
        std::thread::Builder::new().name("accept".to_owned()).spawn(move || {
            for turn in (0..handoff.len()).cycle() {
                let socket = match listener.accept() {
                    Ok((socket, _)) => socket,
                    Err(error) => {
                        tracing::warn!(error = %error, "failed to accept a connection");
                        std::thread::sleep(ACCEPT_REST);
                        continue;
                    }
                };
                // A lane that is over its limit loses the connection rather than the server.
                let _ = handoff[turn].try_send(Arrival { socket, surface });
                if handoff[turn].is_closed() {
                    return;
                }
            }
        })?;
        Ok(())
    }

    /// Waits until every lane has drained. Call [`Edge::stop`] first.
    pub(crate) fn join(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

async fn lane(
    mut arrivals: mpsc::Receiver<Arrival>,
    edge: Arc<Edge<Member>>,
    connection: ConnectionConfig,
    mut stop: watch::Receiver<bool>,
) {
    let mut open = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            arrival = arrivals.recv() => match arrival {
                Some(arrival) => admit(arrival, &edge, &connection, &mut open),
                None => break,
            },
            Some(_) = open.join_next() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    arrivals.close();
    let drained = async { while open.join_next().await.is_some() {} };
    let patience = Duration::from_millis(connection.drain_ms);
    if tokio::time::timeout(patience, drained).await.is_err() {
        tracing::warn!(connections = open.len() as u64, "connections did not finish in time");
    }
}

fn admit(
    arrival: Arrival,
    edge: &Arc<Edge<Member>>,
    connection: &ConnectionConfig,
    open: &mut tokio::task::JoinSet<()>,
) {
    let prepared = arrival
        .socket
        .set_nodelay(true)
        .and_then(|()| arrival.socket.set_nonblocking(true))
        .and_then(|()| tokio::net::TcpStream::from_std(arrival.socket));
    let socket = match prepared {
        Ok(socket) => socket,
        Err(error) => {
            tracing::debug!(error = %error, "lost a connection before it began");
            return;
        }
    };
    let edge = Arc::clone(edge);
    let connection = connection.clone();
    let origin = Origin { remote: socket.peer_addr().ok(), name: None };
    open.spawn(async move {
        let surface = arrival.surface;
        if let Err(error) = serve_connection(socket, edge, surface, &connection, origin).await {
            tracing::debug!(error = %error, "connection ended");
        }
    });
}
