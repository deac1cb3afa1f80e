//! Cells of three members on one machine.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Bench, Figures, KEY_BYTES, VALUE_BYTES, figures, settle};
use crate::connection::Connection;
use crate::load::{self, Outcome, Plan};
use crate::workload::{Keys, Puts, Ranges, Request, Work};

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

/// New keys, by so many clients; connections go to the leader or to all in turn.
pub(super) fn puts(
    bench: &mut Bench<'_>,
    connections: usize,
    clients: usize,
    all_members: bool,
) -> Result<Figures> {
    let leader = vec![bench.subject.address()];
    let at = if all_members { bench.subject.addresses() } else { leader };
    let mut work = Puts::new(11, VALUE_BYTES, Keys::New(0));
    let before = bench.subject.usage(false)?;
    let mut measured = bench.measure(&at, &mut work, connections, clients)?;
    bench.ensure_put_once(work.made())?;
    settle();
    let user_bytes = work.made() as f64 * (VALUE_BYTES + KEY_BYTES) as f64;
    let written = bench.subject.usage(false)?.written_bytes - before.written_bytes;
    measured.insert("bytes written per user byte".to_owned(), written / user_bytes);
    Ok(measured)
}

/// Linearizable reads of single keys at all members.
pub(super) fn reads(bench: &mut Bench<'_>) -> Result<Figures> {
    let rows = bench.scale.rows / 5;
    bench.fill(rows, VALUE_BYTES)?;
    let mut work = Ranges::new(7, false, rows, VALUE_BYTES);
    bench.measure(&bench.subject.addresses(), &mut work, 12, 100)
}

fn open_loop(
    at: SocketAddr,
    work: &mut dyn Work,
    per_second: f64,
    duration: Duration,
) -> Result<Outcome> {
    load::run(&[at], work, Plan::open(10, per_second, duration))?.all_right()
}

/// Puts at the leader at a fixed rate.
pub(super) fn at_rate(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut work = Puts::new(17, VALUE_BYTES, Keys::New(0));
    open_loop(bench.subject.address(), &mut work, RATE_PER_SECOND, bench.scale.warm_up)?;
    let plan = Plan::open(10, RATE_PER_SECOND, bench.scale.measured);
    let (outcome, used) = bench.metered(&bench.at(), &mut work, plan)?;
    Ok(super::common(&outcome.all_right()?, used, ""))
}

/// The same rate, first in peace, then with one follower standing still.
pub(super) fn frozen_follower(bench: &mut Bench<'_>) -> Result<Figures> {
    let address = bench.subject.address();
    let mut work = Puts::new(19, VALUE_BYTES, Keys::New(0));
    open_loop(address, &mut work, CALM_PER_SECOND, bench.scale.warm_up)?;
    let calm = open_loop(address, &mut work, CALM_PER_SECOND, FROZEN)?;
    bench.subject.follower()?.freeze(true)?;
    let frozen = open_loop(address, &mut work, CALM_PER_SECOND, FROZEN);
    bench.subject.follower()?.freeze(false)?;
    let frozen = frozen?;
    Ok(figures([
        ("p99 ms, all well", calm.quantile_ms(0.99)),
        ("p99 ms, follower frozen", frozen.quantile_ms(0.99)),
        ("longest ms, follower frozen", frozen.quantile_ms(1.0)),
    ]))
}

/// A follower misses so many puts that only a snapshot brings it back, while others go on.
pub(super) fn catch_up(bench: &mut Bench<'_>) -> Result<Figures> {
    let missed = bench.scale.million / 5;
    let address = bench.subject.address();
    let mut work = Puts::new(21, VALUE_BYTES, Keys::Among(1000));
    let calm = open_loop(address, &mut work, CALM_PER_SECOND, FROZEN)?;
    bench.subject.follower()?.kill()?;
    let fill = Plan::calls(8, 512, missed);
    load::run(&bench.at(), &mut Puts::new(3, VALUE_BYTES, Keys::New(0)), fill)?.all_right()?;
    let follower = bench.subject.follower()?;
    let (with, took) = std::thread::scope(|scope| -> Result<_> {
        let load = scope.spawn(|| open_loop(address, &mut work, CALM_PER_SECOND, FROZEN));
        let since = Instant::now();
        follower.restart()?;
        follower.wait_healthy(FAILOVER_PATIENCE)?;
        let took = since.elapsed();
        Ok((super::joined(load, "puts")?, took))
    })?;
    Ok(figures([
        ("puts missed", missed as f64),
        ("from its start to its first linearizable read s", took.as_secs_f64()),
        ("put p99 ms without", calm.quantile_ms(0.99)),
        ("put p99 ms with", with.quantile_ms(0.99)),
    ]))
}

/// Kills leader after leader; each time puts go to the others until one is taken.
pub(super) fn failover(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut gaps_ms = Vec::new();
    let subject = &mut bench.subject;
    for trial in 0..bench.scale.failovers {
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
    Ok(figures([
        ("median ms without writes", at(0.5)),
        ("worst ms without writes", at(1.0)),
        ("leaders killed", gaps_ms.len() as f64),
    ]))
}

/// Time until a put is answered. Puts that were made before the new leader stood may be lost, so
/// new ones are made all the time.
fn first_put(addresses: &[SocketAddr], trial: u64) -> Result<Duration> {
    let since = Instant::now();
    let mut connections =
        addresses.iter().map(|at| Connection::open(*at)).collect::<Result<Vec<_>>>()?;
    let mut work = Puts::new(23, VALUE_BYTES, Keys::New(trial << 32));
    let mut request = Request::default();
    let mut taken = None;
    while taken.is_none() {
        ensure!(since.elapsed() < FAILOVER_PATIENCE, "no write after {FAILOVER_PATIENCE:?}");
        for connection in &mut connections {
            work.next(&mut request);
            connection.call(&work.blocks()[0], &request.message, 0, Instant::now());
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
