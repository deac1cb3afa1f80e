//! Watchers on a thread of their own: they count what they see and how late.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{WatchCreateRequest, WatchRequest};
use prost::Message;
use rustix::event::{Timespec, epoll};

use crate::connection::Connection;
use crate::{wire, workload};

/// How long all watchers may take to be there.
const CREATE_PATIENCE: Duration = Duration::from_secs(180);

/// What is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Watched {
    /// The whole key space.
    All,
    /// Watcher number n watches key number n.
    OneEach,
}

/// How many, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    /// Of each connection.
    pub(crate) streams: usize,
    /// On each stream.
    pub(crate) watchers: usize,
    pub(crate) watched: Watched,
    pub(crate) prev_kv: bool,
    /// 0 for from now on.
    pub(crate) start_revision: i64,
    /// Take what fits into a stream's first window, and no more.
    pub(crate) stalled: bool,
}

impl Plan {
    /// Watchers of everything, from now on.
    pub(crate) fn all(connections: usize, streams: usize, watchers: usize) -> Self {
        let (prev_kv, start_revision, stalled) = (false, 0, false);
        let watched = Watched::All;
        Self { connections, streams, watchers, watched, prev_kv, start_revision, stalled }
    }

    /// All of them together.
    pub(crate) fn count(&self) -> u64 {
        (self.connections * self.streams * self.watchers) as u64
    }
}

/// What they saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    /// From a put being made to its event, sorted; of stamped values only.
    lags_us: Vec<u32>,
    /// Watches that the server gave up.
    pub(crate) canceled: u64,
}

impl Seen {
    /// As of a load's outcome.
    pub(crate) fn lag_ms(&self, part: f64) -> f64 {
        let last = self.lags_us.len().saturating_sub(1);
        let at = (last as f64 * part).round() as usize;
        self.lags_us.get(at).map_or(f64::NAN, |us| f64::from(*us) / 1000.0)
    }
}

/// Running watchers.
pub(crate) struct Watchers {
    thread: JoinHandle<Result<Seen>>,
    stop: Arc<AtomicBool>,
    events: Arc<AtomicU64>,
}

impl Watchers {
    /// Starts them; returns when the server has confirmed each. Stamps count from `epoch`.
    pub(crate) fn start(address: SocketAddr, plan: Plan, epoch: Instant) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let events = Arc::new(AtomicU64::new(0));
        let (ready, is_ready) = std::sync::mpsc::channel();
        let mut watch = Watch {
            plan,
            epoch,
            connections: Vec::new(),
            seen: Seen::default(),
            created: 0,
            stop: Arc::clone(&stop),
            events: Arc::clone(&events),
        };
        let thread = std::thread::spawn(move || {
            watch.create(address)?;
            let poll = watch.register()?;
            let since = Instant::now();
            while watch.created < plan.count() {
                ensure!(since.elapsed() < CREATE_PATIENCE, "only {} watches", watch.created);
                watch.turn(&poll)?;
            }
            // The other side may have given up.
            let _ = ready.send(());
            while !watch.stop.load(Ordering::Relaxed) {
                watch.turn(&poll)?;
            }
            watch.seen.lags_us.sort_unstable();
            Ok(watch.seen)
        });
        match is_ready.recv_timeout(CREATE_PATIENCE) {
            Ok(()) => Ok(Self { thread, stop, events }),
            Err(_) => {
                stop.store(true, Ordering::Relaxed);
                let ended = thread.join().ok().context("the watching thread panicked")?;
                Err(ended.err().context("the watches were not confirmed")?)
            }
        }
    }

    /// Events so far.
    pub(crate) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Waits for so many events, then ends; missing ones show in the count.
    pub(crate) fn finish(self, expected: u64, patience: Duration) -> Result<Seen> {
        let since = Instant::now();
        while self.events() < expected && since.elapsed() < patience && !self.thread.is_finished() {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the watching thread panicked"))?
    }
}

struct Watch {
    plan: Plan,
    epoch: Instant,
    connections: Vec<Connection>,
    seen: Seen,
    created: u64,
    stop: Arc<AtomicBool>,
    events: Arc<AtomicU64>,
}

impl Watch {
    fn create(&mut self, address: SocketAddr) -> Result<()> {
        let block = workload::block("Watch/Watch", None);
        let mut number = 0;
        for _ in 0..self.plan.connections {
            let mut connection = if self.plan.stalled {
                Connection::open_narrow(address)?
            } else {
                Connection::open(address)?
            };
            for _ in 0..self.plan.streams {
                let stream = connection.stream(&block, 0);
                for _ in 0..self.plan.watchers {
                    let message = self.request(number).encode_to_vec();
                    connection.send(stream, &message, Instant::now());
                    number += 1;
                }
            }
            self.connections.push(connection);
        }
        Ok(())
    }

    fn request(&self, number: u64) -> WatchRequest {
        let (key, range_end) = match self.plan.watched {
            Watched::All => (vec![0], vec![0]),
            Watched::OneEach => (workload::key(number).to_vec(), Vec::new()),
        };
        let create = WatchCreateRequest {
            key: key.into(),
            range_end: range_end.into(),
            start_revision: self.plan.start_revision,
            prev_kv: self.plan.prev_kv,
            ..Default::default()
        };
        WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
    }

    fn register(&self) -> Result<impl AsFd + use<>> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (number, connection) in self.connections.iter().enumerate() {
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&poll, connection.socket.as_fd(), data, epoll::EventFlags::IN)?;
        }
        Ok(poll)
    }

    fn turn(&mut self, poll: &impl AsFd) -> Result<()> {
        let mut events = Vec::with_capacity(256);
        // Requests first: while watches are made there is much to send.
        if self.created < self.plan.count() {
            self.connections.iter_mut().try_for_each(|one| one.flush().map(|_| ()))?;
        }
        let wait = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        match epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let before = self.seen.events;
        for event in &events {
            let connection = &mut self.connections[event.data.u64() as usize];
            let (seen, created, epoch) = (&mut self.seen, &mut self.created, self.epoch);
            let mut lost = false;
            connection.receive(&mut |answer| {
                lost |= answer.ended;
                take(seen, created, epoch, answer.message);
            })?;
            ensure!(!lost, "the server ended a watch stream");
            connection.flush()?;
        }
        if self.seen.events > before {
            self.events.store(self.seen.events, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn take(seen: &mut Seen, created: &mut u64, epoch: Instant, message: &[u8]) {
    seen.bytes += message.len() as u64;
    let (events, value) = wire::events(message);
    seen.events += events;
    if events == 0 {
        *created += wire::number(message, 3);
        seen.canceled += wire::number(message, 4);
        return;
    }
    let Some(stamp) = value.and_then(workload::stamp_of) else { return };
    let lag = (epoch.elapsed().as_micros() as u64).saturating_sub(stamp);
    seen.lags_us.push(u32::try_from(lag).unwrap_or(u32::MAX));
}
