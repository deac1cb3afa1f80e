//! Load: closed loop (so many calls open at a time) or open loop (a rate, whatever the answers).
//!
//! One thread, one epoll. In the open loop a call's time starts when it was meant to start, so a
//! server that stalls is not spared the calls it kept from being made.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::event::{Timespec, epoll};

use crate::connection::{Answer, Connection};
use crate::workload::{Request, Work};

/// Longest sleep; also how long a full socket waits for its next try.
const TICK: Duration = Duration::from_millis(1);

/// How hard to press.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pressure {
    /// This many calls open at any time.
    Closed,
    /// This many calls a second, and from a point on another number.
    Open { per_second: f64, then: Option<(Duration, f64)> },
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    pub(crate) clients: usize,
    pub(crate) pressure: Pressure,
    pub(crate) duration: Duration,
    /// Stop after so many calls even before the time is over.
    pub(crate) calls_max: u64,
    /// How long to wait for the last answers; calls without one by then are abandoned.
    pub(crate) patience: Duration,
    /// Closed loop only: each client is a stream and sends its next message on it.
    pub(crate) streaming: bool,
    pub(crate) tls: bool,
}

impl Plan {
    /// So many calls open at any time, for a while.
    pub(crate) fn closed(connections: usize, clients: usize, duration: Duration) -> Self {
        let (pressure, patience) = (Pressure::Closed, Duration::from_secs(120));
        let (calls_max, streaming, tls) = (u64::MAX, false, false);
        Self { connections, clients, pressure, duration, calls_max, patience, streaming, tls }
    }

    /// So many calls a second, for a while.
    pub(crate) fn open(connections: usize, per_second: f64, duration: Duration) -> Self {
        let pressure = Pressure::Open { per_second, then: None };
        Self { pressure, ..Self::closed(connections, 0, duration) }
    }

    /// Calls that an open loop makes; 0 for a closed one, where nobody knows.
    fn calls_due(&self) -> usize {
        let Pressure::Open { per_second, then } = self.pressure else { return 0 };
        let (change, later) = then.unwrap_or((self.duration, 0.0));
        let first = self.duration.min(change);
        let calls = first.as_secs_f64() * per_second
            + self.duration.saturating_sub(change).as_secs_f64() * later;
        calls.min(self.calls_max as f64) as usize
    }

    /// So many calls, however long they take.
    pub(crate) fn calls(connections: usize, clients: usize, calls: u64) -> Self {
        Self { calls_max: calls, ..Self::closed(connections, clients, Duration::from_secs(900)) }
    }
}

/// An answered call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    /// When it was meant to start, since the beginning of the load.
    pub(crate) intended_ms: u32,
    pub(crate) latency_us: u32,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    /// When the last refused call was meant to start, since the beginning of the load.
    pub(crate) last_refused_ms: Option<u32>,
    /// Answered, but not as they should be.
    pub(crate) wrong: u64,
    /// Without an answer at the end; among the completions with the time they had waited.
    pub(crate) abandoned: u64,
    /// The generator's own: from when a call was meant to start until it was made.
    pub(crate) late: Duration,
    pub(crate) elapsed: Duration,
    /// Calls answered with a message, fastest first.
    pub(crate) completions: Vec<Completion>,
    pub(crate) received_bytes: u64,
    /// Sum over the calls.
    pub(crate) to_first_byte: Duration,
}

impl Outcome {
    /// Calls a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The latency below which this part (0 to 1) of the answers came, in milliseconds.
    pub(crate) fn quantile_ms(&self, part: f64) -> f64 {
        let last = self.completions.len().saturating_sub(1);
        let at = (last as f64 * part).round() as usize;
        self.completions.get(at).map_or(f64::NAN, |done| f64::from(done.latency_us) / 1000.0)
    }

    /// Of a hundred calls that got an answer.
    pub(crate) fn refused_percent(&self) -> f64 {
        self.refused as f64 / (self.answered + self.refused).max(1) as f64 * 100.0
    }

    /// Fails unless every call was answered as it should be.
    pub(crate) fn all_right(self) -> Result<Self> {
        ensure!(self.refused == 0, "{} calls were refused", self.refused);
        self.none_wrong()
    }

    /// Fails if an answer was wrong or is missing; a server may refuse what is too much for it.
    pub(crate) fn none_wrong(self) -> Result<Self> {
        ensure!(self.wrong == 0, "{} answers were wrong", self.wrong);
        ensure!(self.abandoned == 0, "{} calls got no answer", self.abandoned);
        ensure!(self.answered > 0, "no call was answered");
        Ok(self)
    }

    fn take(&mut self, answer: &Answer<'_>, right: bool, since: Instant) {
        if !answer.ok {
            self.refused += 1;
            self.last_refused_ms =
                self.last_refused_ms.max(Some(ms_between(since, answer.intended)));
            return;
        }
        self.answered += 1;
        self.wrong += u64::from(!right);
        self.received_bytes += answer.bytes;
        self.to_first_byte += answer.first.map_or(Duration::ZERO, |at| at - answer.intended);
        self.complete(answer.intended, since);
    }

    fn complete(&mut self, intended: Instant, since: Instant) {
        let intended_ms = ms_between(since, intended);
        let latency_us = u32::try_from(intended.elapsed().as_micros()).unwrap_or(u32::MAX);
        self.completions.push(Completion { intended_ms, latency_us });
    }
}

fn ms_between(since: Instant, at: Instant) -> u32 {
    u32::try_from(at.saturating_duration_since(since).as_millis()).unwrap_or(u32::MAX)
}

/// Runs the load and waits for the last answers. Connections go to the addresses in turn.
pub(crate) fn run(addresses: &[SocketAddr], work: &mut dyn Work, plan: Plan) -> Result<Outcome> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::with_capacity(plan.connections);
    for number in 0..plan.connections {
        let open = if plan.tls { Connection::open_tls } else { Connection::open };
        let mut connection = open(addresses[number % addresses.len()])?;
        let interest = epoll::EventFlags::IN;
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&poll, connection.socket.as_fd(), data, interest)?;
        connection.flush()?;
        connections.push(connection);
    }
    // Room for all: to move millions of them would hold up the calls that are due meanwhile.
    let completions = Vec::with_capacity(plan.calls_due());
    let mut driver = Driver {
        started: Instant::now(),
        outcome: Outcome { completions, ..Outcome::default() },
        made: 0,
        plan,
        work,
        request: Request::default(),
        blocked: vec![false; plan.connections],
        streams: Vec::new(),
        free: Vec::new(),
    };
    driver.drive(&poll, &mut connections)?;
    let abandoned = driver.unanswered();
    let mut outcome = std::mem::take(&mut driver.outcome);
    outcome.elapsed = driver.started.elapsed();
    outcome.abandoned = abandoned;
    if abandoned > 0 && !plan.streaming {
        for intended in connections.iter().flat_map(Connection::unanswered) {
            outcome.complete(intended, driver.started);
        }
    }
    outcome.completions.sort_unstable_by_key(|done| done.latency_us);
    Ok(outcome)
}

struct Driver<'w> {
    started: Instant,
    outcome: Outcome,
    made: u64,
    plan: Plan,
    work: &'w mut dyn Work,
    request: Request,
    blocked: Vec<bool>,
    /// Stream of every client, when they are streams.
    streams: Vec<u32>,
    /// Clients that have their answer.
    free: Vec<u64>,
}

impl Driver<'_> {
    fn drive(&mut self, poll: &impl AsFd, connections: &mut [Connection]) -> Result<()> {
        if matches!(self.plan.pressure, Pressure::Closed) {
            let first = u64::min(self.plan.clients as u64, self.plan.calls_max) as usize;
            for client in 0..first {
                let connection = &mut connections[client % self.plan.connections];
                if self.plan.streaming {
                    self.streams.push(connection.stream(&self.work.blocks()[0], client as u64));
                    self.send(connection, client as u64);
                } else {
                    self.make(connection, Instant::now());
                }
            }
        }
        self.flush_all(connections)?;
        let mut events = Vec::with_capacity(256);
        let mut over_since = None;
        loop {
            if self.over() {
                let since = *over_since.get_or_insert_with(Instant::now);
                if self.unanswered() == 0 || since.elapsed() > self.plan.patience {
                    return Ok(());
                }
            } else {
                self.make_due(connections)?;
            }
            events.clear();
            let pause = self.pause();
            let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(pause.subsec_nanos()) };
            match epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let number = event.data.u64() as usize;
                self.serve(&mut connections[number], number)?;
            }
            for (connection, blocked) in connections.iter_mut().zip(&mut self.blocked) {
                if *blocked {
                    *blocked = connection.flush()?;
                }
            }
        }
    }

    fn serve(&mut self, connection: &mut Connection, number: usize) -> Result<()> {
        let Self { outcome, work, started, free, .. } = self;
        free.clear();
        connection.receive(&mut |answer| {
            let right = !answer.ok || work.check(&answer);
            outcome.take(&answer, right, *started);
            free.push(answer.tag);
        })?;
        if matches!(self.plan.pressure, Pressure::Closed) {
            let free = std::mem::take(&mut self.free);
            for client in &free {
                if self.over() {
                    break;
                }
                if self.plan.streaming {
                    self.send(connection, *client);
                } else {
                    self.make(connection, Instant::now());
                }
            }
            self.free = free;
        }
        self.blocked[number] = connection.flush()?;
        Ok(())
    }

    fn unanswered(&self) -> u64 {
        self.made - self.outcome.answered - self.outcome.refused
    }

    /// The next message on a client's stream.
    fn send(&mut self, connection: &mut Connection, client: u64) {
        self.work.next(&mut self.request);
        let stream = self.streams[client as usize];
        connection.send(stream, &self.request.message, Instant::now());
        self.made += 1;
    }

    fn over(&self) -> bool {
        self.made >= self.plan.calls_max || self.started.elapsed() >= self.plan.duration
    }

    fn make(&mut self, connection: &mut Connection, at: Instant) {
        self.work.next(&mut self.request);
        let Request { block, message, tag } = &self.request;
        connection.call(&self.work.blocks()[*block], message, *tag, at);
        self.made += 1;
    }

    /// When call number `number` is meant to start, since the beginning.
    fn due_at(&self, number: u64) -> Duration {
        let Pressure::Open { per_second, then } = self.plan.pressure else { return Duration::ZERO };
        let plain = number as f64 / per_second;
        let seconds = match then {
            Some((change, later)) if plain > change.as_secs_f64() => {
                let first = change.as_secs_f64() * per_second;
                change.as_secs_f64() + (number as f64 - first) / later
            }
            _ => plain,
        };
        Duration::from_secs_f64(seconds)
    }

    /// Time to the next call, at most a tick.
    fn pause(&self) -> Duration {
        if matches!(self.plan.pressure, Pressure::Closed) {
            return TICK;
        }
        let due = self.due_at(self.made).saturating_sub(self.started.elapsed());
        due.clamp(Duration::from_micros(20), TICK)
    }

    fn make_due(&mut self, connections: &mut [Connection]) -> Result<()> {
        if matches!(self.plan.pressure, Pressure::Closed) {
            return Ok(());
        }
        let now = self.started.elapsed();
        let before = self.made;
        while self.made < self.plan.calls_max && self.due_at(self.made) <= now {
            let at = self.started + self.due_at(self.made);
            self.outcome.late = self.outcome.late.max(at.elapsed());
            let number = (self.made % self.plan.connections as u64) as usize;
            self.make(&mut connections[number], at);
        }
        if self.made > before { self.flush_all(connections) } else { Ok(()) }
    }

    fn flush_all(&mut self, connections: &mut [Connection]) -> Result<()> {
        for (number, connection) in connections.iter_mut().enumerate() {
            self.blocked[number] = connection.flush()?;
        }
        Ok(())
    }
}
