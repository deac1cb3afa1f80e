//! Lanes: one single-threaded runtime per core. A connection lives on one lane from accept to end.
//!
//! One listener hands connections out in turn. Sharing the port between lanes (SO_REUSEPORT)
//! would let a second server bind the same port unnoticed.

mod admission;
mod socket;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use ketch_api::{ConnectionConfig, Edge};
use tokio::sync::{mpsc, watch};

use crate::desk;
use crate::listen::{Incoming, Listening, SocketFile};
use crate::member::Member;
use crate::rest;
use admission::{Room, admit};

pub(crate) use admission::{Door, SecureDoor};

/// Connections handed to a lane that it has not taken yet.
const HANDED_CONNECTIONS: usize = 1024;
/// Tasks a lane runs before it looks at those woken by other threads: calls whose answer has come.
/// They go before new calls and watch events; by the library's default only one task in 31 would be
/// such a call, and a busy lane would take calls and hardly finish any.
const ANSWERS_FIRST: u32 = 1;
/// Rest after an accept that failed, e.g. for want of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(20);

/// The running lanes.
pub(crate) struct Lanes {
    handoff: Vec<mpsc::Sender<Arrival>>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    /// Threads that accept end with the process only: their socket files go with us.
    files: Vec<SocketFile>,
}

struct Arrival {
    incoming: Incoming,
    door: Door,
}

impl Lanes {
    /// Starts `count` lanes that answer by `edge`.
    pub(crate) fn start(
        count: usize,
        member: &Arc<Member>,
        edge: &Arc<Edge<Member>>,
        connection: &ConnectionConfig,
    ) -> io::Result<Self> {
        let mut lanes = Self {
            handoff: Vec::new(),
            stop: watch::Sender::new(false),
            threads: Vec::new(),
            files: Vec::new(),
        };
        for number in 0..count {
            let (handoff, arrivals) = mpsc::channel(HANDED_CONNECTIONS);
            let (edge, stop) = (Arc::clone(edge), lanes.stop.subscribe());
            let member = Arc::clone(member);
            let room = Room { edge, config: connection.clone(), stop };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .thread_name("lane-blocking")
                .global_queue_interval(ANSWERS_FIRST)
                .build()?;
            let thread =
                std::thread::Builder::new().name(format!("lane-{number}")).spawn(move || {
                    runtime.block_on(async {
                        desk::open(number, &member);
                        tokio::spawn(rest::on_lane());
                        lane(arrivals, room).await;
                    });
                })?;
            lanes.handoff.push(handoff);
            lanes.threads.push(thread);
        }
        Ok(lanes)
    }

    /// Accepts for ever, on a thread of its own, and hands out in turn.
    pub(crate) fn accept(&mut self, listening: Listening, door: Door) -> io::Result<()> {
        let handoff = self.handoff.clone();
        let socket = listening.socket;
        self.files.extend(socket.file());
        std::thread::Builder::new().name("accept".to_owned()).spawn(move || {
            for turn in (0..handoff.len()).cycle() {
                let incoming = match socket.accept() {
                    Ok(incoming) => incoming,
                    Err(error) => {
                        tracing::warn!(error = %error, "failed to accept a connection");
                        std::thread::sleep(ACCEPT_REST);
                        continue;
                    }
                };
                // A lane that is over its limit loses the connection rather than the server.
                let _ = handoff[turn].try_send(Arrival { incoming, door: door.clone() });
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

async fn lane(mut arrivals: mpsc::Receiver<Arrival>, room: Room) {
    let mut stop = room.stop.clone();
    let mut open = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            arrival = arrivals.recv() => match arrival {
                Some(Arrival { incoming, door }) => admit(incoming, door, &room, &mut open),
                None => break,
            },
            Some(_) = open.join_next() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    arrivals.close();
    let drained = async { while open.join_next().await.is_some() {} };
    let patience = Duration::from_millis(room.config.drain_ms);
    if tokio::time::timeout(patience, drained).await.is_err() {
        tracing::warn!(connections = open.len() as u64, "connections did not finish in time");
    }
}
