//! Cells of three members on one machine.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Figures, Scale, VALUE_BYTES};
use crate::connection::Connection;
use crate::load::{self, Outcome, Plan, Pressure};
use crate::subject::Subject;
use crate::workload::Workload;

/// About half of what etcd with three members can take on two cores.
const RATE_PER_SECOND: f64 = 4000.0;
/// A rate at which nothing queues, so that a stall shows.
const CALM_PER_SECOND: f64 = 1000.0;
/// How long the follower is frozen.
const FROZEN: Duration = Duration::from_secs(2);
/// Pause between two puts while a leader is missed.
const PROBE_PAUSE: Duration = Duration::from_millis(5);
/// A cluster that takes no write for so long is broken.
const FAILOVER_PATIENCE: Duration = Duration::from_secs(60);

fn open_loop(
    at: SocketAddr,
    work: &mut Workload,
    per_second: f64,
    duration: Duration,
) -> Result<Outcome> {
    let plan = Plan {
        connections: 10,
        clients: 0,
        pressure: Pressure::Open { per_second },
        duration,
        calls_max: u64::MAX,
    };
    let outcome = load::run(&[at], work, plan)?;
    ensure!(outcome.refused == 0, "{} puts were refused", outcome.refused);
    Ok(outcome)
}

/// Puts at the leader at a fixed rate.
pub(super) fn at_rate(subject: &Subject, scale: Scale) -> Result<Figures> {
    let mut work = Workload::puts(17, VALUE_BYTES, true, 0, 0);
    open_loop(subject.address(), &mut work, RATE_PER_SECOND, scale.warm_up)?;
    let before = subject.usage()?;
    let outcome = open_loop(subject.address(), &mut work, RATE_PER_SECOND, scale.measured)?;
    let after = subject.usage()?;
    let calls = outcome.answered as f64;
    Ok([
        ("server CPU us per op", (after.cpu_us - before.cpu_us) / calls),
        ("p50 ms", outcome.quantile_ms(0.5)),
        ("p99 ms", outcome.quantile_ms(0.99)),
    ]
    .into())
}

/// The same rate, first in peace, then with one follower standing still.
pub(super) fn frozen_follower(subject: &mut Subject, scale: Scale) -> Result<Figures> {
    let address = subject.address();
    let mut work = Workload::puts(19, VALUE_BYTES, true, 0, 0);
    open_loop(address, &mut work, CALM_PER_SECOND, scale.warm_up)?;
    let calm = open_loop(address, &mut work, CALM_PER_SECOND, FROZEN)?;
    subject.follower()?.freeze(true)?;
    let frozen = open_loop(address, &mut work, CALM_PER_SECOND, FROZEN);
    subject.follower()?.freeze(false)?;
    let frozen = frozen?;
    Ok([
        ("p99 ms, all well", calm.quantile_ms(0.99)),
        ("p99 ms, follower frozen", frozen.quantile_ms(0.99)),
        ("longest ms, follower frozen", frozen.quantile_ms(1.0)),
    ]
    .into())
}

/// Kills leader after leader; each time puts go to the others until one is taken.
pub(super) fn failover(subject: &mut Subject, scale: Scale) -> Result<Figures> {
    let mut gaps_ms = Vec::new();
    for trial in 0..scale.failovers {
        // Not all at the same distance from the last heartbeat.
        std::thread::sleep(Duration::from_millis(200 + 37 * (trial % 7)));
        let dead = subject.address();
        let others: Vec<_> = subject.addresses().into_iter().filter(|at| *at != dead).collect();
        subject.leader().kill()?;
        gaps_ms.push(first_put(&others, trial)?.as_secs_f64() * 1000.0);
        subject.leader().restart()?;
        subject.wait_healthy()?;
    }
    gaps_ms.sort_by(f64::total_cmp);
    let at = |part: f64| gaps_ms[((gaps_ms.len() - 1) as f64 * part).round() as usize];
    Ok([
        ("median ms without writes", at(0.5)),
        ("worst ms without writes", at(1.0)),
        ("leaders killed", gaps_ms.len() as f64),
    ]
    .into())
}

/// Time until a put is answered. Puts that were made before the new leader stood may be lost, so
/// new ones are made all the time.
fn first_put(addresses: &[SocketAddr], trial: u64) -> Result<Duration> {
    let since = Instant::now();
    let mut connections =
        addresses.iter().map(|at| Connection::open(*at)).collect::<Result<Vec<_>>>()?;
    let mut work = Workload::puts(23, VALUE_BYTES, true, 0, trial << 32);
    let mut taken = None;
    while taken.is_none() {
        ensure!(since.elapsed() < FAILOVER_PATIENCE, "no write after {FAILOVER_PATIENCE:?}");
        for connection in &mut connections {
            let message = work.next_message();
            connection.call(work.block(), &message, Instant::now());
            connection.flush()?;
            connection.receive(&mut |answer| {
                if answer.ok {
                    taken.get_or_insert_with(|| since.elapsed());
                }
            })?;
        }
        std::thread::sleep(PROBE_PAUSE);
    }
    Ok(taken.unwrap_or(FAILOVER_PATIENCE))
}
