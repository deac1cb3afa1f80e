//! Load: closed loop (so many calls open at a time) or open loop (a rate, whatever the answers).
//!
//! One thread, one epoll. In the open loop a call's time starts when it was meant to start, so a
//! server that stalls is not spared the calls it kept from being made.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::event::{Timespec, epoll};

use crate::connection::{Answer, Connection};
use crate::workload::Workload;

/// How hard to press.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pressure {
    /// This many calls open at any time.
    Closed,
    /// This many calls a second.
    Open { per_second: f64 },
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
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    pub(crate) elapsed: Duration,
    /// Microseconds, sorted.
    pub(crate) latencies_us: Vec<u32>,
    pub(crate) received_bytes: u64,
}

impl Outcome {
    /// Calls a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The latency below which this part (0 to 1) of the answers came, in milliseconds.
    pub(crate) fn quantile_ms(&self, part: f64) -> f64 {
        let last = self.latencies_us.len().saturating_sub(1);
        let at = (last as f64 * part).round() as usize;
        self.latencies_us.get(at).map_or(f64::NAN, |us| f64::from(*us) / 1000.0)
    }

    fn take(&mut self, answer: Answer) {
        if answer.ok {
            self.answered += 1;
        } else {
            self.refused += 1;
        }
        self.received_bytes += answer.bytes;
        let us = answer.intended.elapsed().as_micros();
        self.latencies_us.push(u32::try_from(us).unwrap_or(u32::MAX));
    }
}

/// Runs the load and waits for the last answers. Connections go to the addresses in turn.
pub(crate) fn run(
    addresses: &[SocketAddr],
    workload: &mut Workload,
    plan: Plan,
) -> Result<Outcome> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::with_capacity(plan.connections);
    for number in 0..plan.connections {
        let mut connection = Connection::open(addresses[number % addresses.len()])?;
        let interest = epoll::EventFlags::IN;
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&poll, connection.socket.as_fd(), data, interest)?;
        connection.flush()?;
        connections.push(connection);
    }
    let mut driver = Driver {
        started: Instant::now(),
        outcome: Outcome::default(),
        made: 0,
        plan,
        blocked: vec![false; plan.connections],
    };
    driver.drive(&poll, &mut connections, workload)?;
    let mut outcome = driver.outcome;
    outcome.elapsed = driver.started.elapsed();
    outcome.latencies_us.sort_unstable();
    Ok(outcome)
}

struct Driver {
    started: Instant,
    outcome: Outcome,
    made: u64,
    plan: Plan,
    blocked: Vec<bool>,
}

impl Driver {
    fn drive(
        &mut self,
        poll: &impl AsFd,
        connections: &mut [Connection],
        workload: &mut Workload,
    ) -> Result<()> {
        if matches!(self.plan.pressure, Pressure::Closed) {
            for client in 0..self.plan.clients {
                self.make(&mut connections[client % self.plan.connections], workload);
            }
        }
        self.flush_all(connections)?;
        let mut events = Vec::with_capacity(256);
        loop {
            let over = self.over();
            if over && connections.iter().all(|connection| connection.open_calls() == 0) {
                return Ok(());
            }
            if !over {
                self.make_due(connections, workload)?;
            }
            events.clear();
            let wait = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
            match epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let number = event.data.u64() as usize;
                self.serve(&mut connections[number], number, workload)?;
            }
            for (connection, blocked) in connections.iter_mut().zip(&mut self.blocked) {
                if *blocked {
                    *blocked = connection.flush()?;
                }
            }
        }
    }

    fn serve(
        &mut self,
        connection: &mut Connection,
        number: usize,
        workload: &mut Workload,
    ) -> Result<()> {
        let before = self.outcome.latencies_us.len();
        let outcome = &mut self.outcome;
        connection.receive(&mut |answer| outcome.take(answer))?;
        if matches!(self.plan.pressure, Pressure::Closed) {
            for _ in before..self.outcome.latencies_us.len() {
                if !self.over() {
                    self.make(connection, workload);
                }
            }
        }
        self.blocked[number] = connection.flush()?;
        Ok(())
    }

    fn over(&self) -> bool {
        self.made >= self.plan.calls_max || self.started.elapsed() >= self.plan.duration
    }

    fn make(&mut self, connection: &mut Connection, workload: &mut Workload) {
        self.make_at(connection, workload, Instant::now());
    }

    fn make_at(&mut self, connection: &mut Connection, workload: &mut Workload, at: Instant) {
        let message = workload.next_message();
        connection.call(workload.block(), &message, at);
        self.made += 1;
    }

    fn make_due(&mut self, connections: &mut [Connection], workload: &mut Workload) -> Result<()> {
        let Pressure::Open { per_second } = self.plan.pressure else { return Ok(()) };
        let due = (self.started.elapsed().as_secs_f64() * per_second) as u64;
        if self.made >= due {
            return Ok(());
        }
        while self.made < due {
            let at = self.started + Duration::from_secs_f64(self.made as f64 / per_second);
            let number = (self.made % self.plan.connections as u64) as usize;
            self.make_at(&mut connections[number], workload, at);
        }
        self.flush_all(connections)
    }

    fn flush_all(&mut self, connections: &mut [Connection]) -> Result<()> {
        for (number, connection) in connections.iter_mut().enumerate() {
            self.blocked[number] = connection.flush()?;
        }
        Ok(())
    }
}
