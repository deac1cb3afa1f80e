//! W1 to W4: watches.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Bench, Figures, MIB, VALUE_BYTES};
use crate::load::{self, Outcome, Plan};
use crate::machine;
use crate::watchers::{self, Seen, Watched, Watchers};
use crate::workload::{Keys, Puts};

const WIDE_BYTES: usize = 1024;
/// Connections, streams of each, watchers of each stream, puts a second.
const FAN_OUTS: [(usize, usize, usize, f64); 4] =
    [(1, 1, 1, 1000.0), (10, 10, 1, 500.0), (10, 10, 10, 100.0), (100, 10, 10, 10.0)];
/// A p99 of fewer puts would be that of the slowest; those of several runs have their median taken.
const SAMPLES: f64 = 100.0;
const STALLED_RATE: f64 = 5000.0;
/// Last events may be this late before they count as lost.
const PATIENCE: Duration = Duration::from_secs(60);

fn puts_at(bench: &Bench<'_>, rate: f64, epoch: Instant, bytes: usize) -> Result<Outcome> {
    let mut work = Puts::new(61, bytes, Keys::Among(1000)).stamped(epoch);
    let duration = bench.scale.measured.max(Duration::from_secs_f64(SAMPLES / rate));
    load::run(&bench.at(), &mut work, Plan::open(4, rate, duration))?.none_wrong()
}

/// Fails unless every watcher saw every put.
fn ensure_all_seen(seen: &Seen, expected: u64) -> Result<()> {
    ensure!(seen.canceled == 0, "{} watches were canceled", seen.canceled);
    ensure!(seen.events == expected, "{} events of {expected} came", seen.events);
    Ok(())
}

/// The same puts without and with watchers; then as many events as the server can make.
pub(super) fn fan_out(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut all = Figures::new();
    let epoch = Instant::now();
    for (connections, streams, each, rate) in FAN_OUTS {
        let plan = watchers::Plan::all(connections, streams, each);
        let count = plan.count();
        let alone = puts_at(bench, rate, epoch, WIDE_BYTES)?;
        let before = bench.rss_mib()?;
        let watchers = Watchers::start(bench.subject.address(), plan, epoch)?;
        let grown = (bench.rss_mib()? - before) * MIB;
        let with = puts_at(bench, rate, epoch, WIDE_BYTES)?;
        let seen = watchers.finish(count * with.answered, PATIENCE)?;
        ensure_all_seen(&seen, count * with.answered)?;
        let mut set = |name: &str, value| all.insert(format!("{count} watchers: {name}"), value);
        set("put p50 ms without", alone.quantile_ms(0.5));
        set("put p50 ms with", with.quantile_ms(0.5));
        set("put p99 ms without", alone.quantile_ms(0.99));
        set("put p99 ms with", with.quantile_ms(0.99));
        set("lag p50 ms", seen.lag_ms(0.5));
        set("lag p99 ms", seen.lag_ms(0.99));
        set("RSS KiB per watcher", grown / 1024.0 / count as f64);
        if count >= 1000 {
            flood(bench, plan, &mut all)?;
        }
    }
    Ok(all)
}

/// Puts as fast as they are taken, for so many events.
fn flood(bench: &Bench<'_>, plan: watchers::Plan, all: &mut Figures) -> Result<()> {
    let count = plan.count();
    let puts = (bench.scale.fan_out_events / count).max(2);
    let watchers = Watchers::start(bench.subject.address(), plan, Instant::now())?;
    let before = bench.subject.usage(false)?.cpu_us;
    let own = machine::own_cpu_us();
    let since = Instant::now();
    let mut work = Puts::new(63, WIDE_BYTES, Keys::Among(1000));
    load::run(&bench.at(), &mut work, Plan::calls(4, 16, puts))?.all_right()?;
    let seen = watchers.finish(count * puts, PATIENCE)?;
    let seconds = since.elapsed().as_secs_f64();
    ensure_all_seen(&seen, count * puts)?;
    let events = seen.events as f64;
    let cpu_s = (bench.subject.usage(false)?.cpu_us - before) / 1e6;
    let own_us = machine::own_cpu_us() - own;
    let mut set = |name: &str, value| all.insert(format!("{count} watchers: {name}"), value);
    set("events per second per core", events / cpu_s);
    set("events per second", events / seconds);
    set("MiB per second", seen.bytes as f64 / MIB / seconds);
    set("generator CPU us per event", own_us / events);
    Ok(())
}

/// Many watchers, each of a key of its own.
pub(super) fn single_keys(bench: &mut Bench<'_>) -> Result<Figures> {
    let watchers_each = (bench.scale.single_watchers / 100).max(1) as usize;
    let plan =
        watchers::Plan { watched: Watched::OneEach, ..watchers::Plan::all(100, 1, watchers_each) };
    let epoch = Instant::now();
    let alone = puts_at(bench, 1000.0, epoch, VALUE_BYTES)?;
    let before = bench.rss_mib()?;
    let since = Instant::now();
    let watchers = Watchers::start(bench.subject.address(), plan, epoch)?;
    let created = since.elapsed().as_secs_f64();
    let grown = (bench.rss_mib()? - before) * MIB;
    let with = puts_at(bench, 1000.0, epoch, VALUE_BYTES)?;
    // The keys of the puts are the first thousand, so each has its watcher.
    let seen = watchers.finish(with.answered, PATIENCE)?;
    ensure_all_seen(&seen, with.answered)?;
    let count = plan.count() as f64;
    Ok(super::figures([
        ("watchers", count),
        ("watches made per second", count / created),
        ("RSS bytes per watcher", grown / count),
        ("put p99 ms without", alone.quantile_ms(0.99)),
        ("put p99 ms with", with.quantile_ms(0.99)),
        ("lag p50 ms", seen.lag_ms(0.5)),
        ("lag p99 ms", seen.lag_ms(0.99)),
    ]))
}

/// Watchers that do not read must cost nobody else anything.
pub(super) fn stalled(bench: &mut Bench<'_>) -> Result<Figures> {
    let epoch = Instant::now();
    let address = bench.subject.address();
    let fast = watchers::Plan { prev_kv: true, ..watchers::Plan::all(1, 1, 1) };
    let slow = watchers::Plan { prev_kv: true, stalled: true, ..watchers::Plan::all(10, 10, 1) };
    let watchers = Watchers::start(address, fast, epoch)?;
    let alone = puts_at(bench, STALLED_RATE, epoch, WIDE_BYTES)?;
    let calm = watchers.finish(alone.answered, PATIENCE)?;
    ensure_all_seen(&calm, alone.answered)?;
    let before = bench.rss_mib()?;
    let stalled = Watchers::start(address, slow, epoch)?;
    let watchers = Watchers::start(address, fast, epoch)?;
    bench.subject.leader().reset_peak()?;
    let with = puts_at(bench, STALLED_RATE, epoch, WIDE_BYTES)?;
    let seen = watchers.finish(with.answered, PATIENCE)?;
    ensure_all_seen(&seen, with.answered)?;
    let peak = bench.subject.leader().memory()?.1 / MIB;
    let held_back = stalled.finish(0, Duration::ZERO)?;
    ensure!(held_back.events < with.answered * 100, "nobody was held back");
    Ok(super::figures([
        ("put p99 ms without", alone.quantile_ms(0.99)),
        ("put p99 ms with", with.quantile_ms(0.99)),
        ("puts refused % with", with.refused_percent()),
        ("fast watcher's lag p99 ms without", calm.lag_ms(0.99)),
        ("fast watcher's lag p99 ms with", seen.lag_ms(0.99)),
        ("peak RSS MiB above before", peak - before),
        ("RSS bytes per put", (peak - before) * MIB / with.answered as f64),
    ]))
}

/// A hundred watchers that begin at the beginning.
pub(super) fn replay(bench: &mut Bench<'_>) -> Result<Figures> {
    let events = bench.scale.replayed;
    bench.fill(events, VALUE_BYTES)?;
    super::settle();
    let alone = puts_at(bench, 500.0, Instant::now(), VALUE_BYTES)?;
    let plan = watchers::Plan { start_revision: 2, ..watchers::Plan::all(10, 10, 1) };
    let each = events + alone.answered;
    let expected = plan.count() * each;
    let before = bench.subject.usage(false)?.cpu_us;
    bench.subject.leader().reset_peak()?;
    let idle = bench.rss_mib()?;
    let since = Instant::now();
    // Watches are confirmed while the replay runs; the puts begin behind that.
    let watchers = Watchers::start(bench.subject.address(), plan, Instant::now())?;
    let with = puts_at(bench, 500.0, Instant::now(), VALUE_BYTES)?;
    while watchers.events() < expected && since.elapsed() < PATIENCE * 5 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = since.elapsed().as_secs_f64();
    let cpu_s = (bench.subject.usage(false)?.cpu_us - before) / 1e6;
    let peak = bench.subject.leader().memory()?.1 / MIB - idle;
    let all = expected + plan.count() * with.answered;
    let seen = watchers.finish(all, PATIENCE)?;
    ensure_all_seen(&seen, all)?;
    Ok(super::figures([
        ("events per second per core", expected as f64 / cpu_s),
        ("events per second, at least", expected as f64 / seconds),
        ("put p99 ms without", alone.quantile_ms(0.99)),
        ("put p99 ms with", with.quantile_ms(0.99)),
        ("peak RSS MiB above idle", peak),
    ]))
}
