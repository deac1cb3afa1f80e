//! What is measured. Every cell gives figures by name; the ids are those of the benchmark matrix.

mod audit;
mod cluster;
mod grid;
mod leases;
mod lists;
mod million;
mod mixed;
mod overload;
mod puts;
mod reads;
mod space;
mod storm;
mod tls;
mod txns;
mod watches;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use ketch_proto::etcdserverpb::{RangeRequest, RangeResponse};

use crate::limit::Limit;
use crate::load::{self, Outcome, Plan};
use crate::machine;
use crate::process::Program;
use crate::scale::Scale;
use crate::subject::Subject;
use crate::workload::{Keys, Puts, Work};

/// Figures of one run of one cell.
pub(crate) type Figures = BTreeMap<String, f64>;

/// Value size of the table; keys have 16 bytes.
pub(crate) const VALUE_BYTES: usize = 256;
const KEY_BYTES: usize = 16;
const MIB: f64 = 1024.0 * 1024.0;

/// One cell of the table.
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) needs: Needs,
    pub(crate) limit: Limit,
    /// Takes long or holds many trials: a quick run does one of each.
    pub(crate) heavy: bool,
    pub(crate) run: fn(&mut Bench<'_>) -> Result<Figures>,
}

/// What stands when a cell begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// So many members with nothing in them.
    Fresh { members: usize },
    /// One member with the rows that reads are made of; cells that follow share it.
    Rows,
    /// One member with a million keys; cells that follow share it.
    Million,
}

/// A run of a cell: the servers, and how much to do.
pub(crate) struct Bench<'a> {
    pub(crate) subject: Subject,
    pub(crate) program: &'a Program,
    pub(crate) base: &'a Path,
    pub(crate) scale: Scale,
    /// What was measured while the data were put in.
    pub(crate) filled: Figures,
}

/// A cell that this server cannot run.
#[derive(Debug, thiserror::Error)]
#[error("not supported: {0}")]
pub(crate) struct Unsupported(pub(crate) String);

const FRESH: Needs = Needs::Fresh { members: 1 };
const THREE: Needs = Needs::Fresh { members: 3 };

type Run = fn(&mut Bench<'_>) -> Result<Figures>;

/// A short cell.
const fn cell(id: &'static str, title: &'static str, needs: Needs, limit: Limit, run: Run) -> Cell {
    Cell { id, title, needs, limit, heavy: false, run }
}

/// A long one, without a limit that a probe of seconds could show.
const fn heavy(id: &'static str, title: &'static str, needs: Needs, run: Run) -> Cell {
    Cell { id, title, needs, limit: Limit::None, heavy: true, run }
}

const fn put_echo(connections: usize, clients: usize) -> Limit {
    Limit::Echo { answer_bytes: None, connections, clients }
}

const fn range_echo(connections: usize, clients: usize) -> Limit {
    Limit::Echo { answer_bytes: Some(VALUE_BYTES), connections, clients }
}

/// All cells, in the order of the table, but that what is to be seen of a million keys at rest
/// comes before the reads, which may be made on the same data.
#[rustfmt::skip]
pub(crate) const CELLS: &[Cell] = &[
    cell("P1", "put, 1 client", FRESH, Limit::EchoAndSync, |b| puts::closed(b, 1, 1)),
    cell("P2c", "put, 10 clients on 10 connections", FRESH, put_echo(10, 10), |b| puts::closed(b, 10, 10)),
    cell("P2a", "put, 100 clients on 10 connections", FRESH, put_echo(10, 100), |b| puts::closed(b, 10, 100)),
    cell("P2b", "put, 1000 clients on 100 connections", FRESH, put_echo(100, 1000), |b| puts::closed(b, 100, 1000)),
    cell("P2r", "put, latency against rate", FRESH, Limit::None, puts::against_rate),
    heavy("P3", "put, 64 clients, values of 16 B to 1 MiB", FRESH, puts::sizes),
    cell("P4", "put, 1000 clients, 1000 hot keys", FRESH, put_echo(100, 1000), puts::hot),
    cell("P5a", "put, 3 members, 1 client of the leader", THREE, Limit::None, |b| cluster::puts(b, 1, 1, false)),
    cell("P5b", "put, 3 members, 100 clients of the leader", THREE, Limit::None, |b| cluster::puts(b, 10, 100, false)),
    cell("P5c", "put, 3 members, 100 clients of all members", THREE, Limit::None, |b| cluster::puts(b, 12, 100, true)),
    cell("P5d", "put, 3 members, 1000 clients of the leader", THREE, Limit::None, |b| cluster::puts(b, 100, 1000, false)),
    cell("P5r", "put, 3 members, 4000 puts a second", THREE, Limit::None, cluster::at_rate),
    heavy("S4", "bytes and syncs while a million keys are put", Needs::Million, million::bytes),
    heavy("S2", "memory with a million keys", Needs::Million, million::memory),
    cell("R1a", "range, serializable, 1 client", Needs::Rows, range_echo(1, 1), |b| reads::single(b, 1, 1, true)),
    cell("R1b", "range, serializable, 100 clients on 10 connections", Needs::Rows, range_echo(10, 100), |b| reads::single(b, 10, 100, true)),
    cell("R1c", "range, serializable, 1000 clients on 100 connections", Needs::Rows, range_echo(100, 1000), |b| reads::single(b, 100, 1000, true)),
    cell("R2a", "range, linearizable, 1 client", Needs::Rows, range_echo(1, 1), |b| reads::single(b, 1, 1, false)),
    cell("R2b", "range, linearizable, 100 clients on 10 connections", Needs::Rows, range_echo(10, 100), |b| reads::single(b, 10, 100, false)),
    cell("R2c", "range, linearizable, 1000 clients on 100 connections", Needs::Rows, range_echo(100, 1000), |b| reads::single(b, 100, 1000, false)),
    cell("R4", "limit 1, count only, keys only over all rows, 4 clients", Needs::Rows, Limit::None, reads::wide),
    cell("R2m", "range, linearizable, 3 members, 100 clients of all members", THREE, range_echo(12, 100), cluster::reads),
    cell("R3", "range of 500 rows of 1 KiB, 16 clients", FRESH, Limit::Loopback, lists::pages),
    heavy("R5", "large list of 10 KB rows: unary, paged, streamed, 1 and 5 clients", FRESH, lists::large),
    cell("T1", "create if absent, 1 KiB, 64 and 500 clients", FRESH, put_echo(10, 64), txns::create),
    cell("T2", "update if unchanged, 1 KiB, 5 % conflicts, 64 and 500 clients", FRESH, put_echo(10, 64), txns::update),
    heavy("T3", "transactions of 128 puts, flat and nested, 16 clients", FRESH, txns::big),
    heavy("M1", "mixed trace of a control plane with 50 watches, rising rate", FRESH, mixed::trace),
    heavy("M2", "mixtures of reads and puts, 32 and 256 clients, small and large values", FRESH, grid::mixtures),
    heavy("W1", "fan-out to 1 .. 10,000 watchers of everything", FRESH, watches::fan_out),
    heavy("W2", "many watchers of one key each, 1000 puts a second", FRESH, watches::single_keys),
    heavy("W3", "100 stalled watchers and a fast one, 5000 puts a second", FRESH, watches::stalled),
    heavy("W4", "replay from an old revision to 100 watchers", FRESH, watches::replay),
    cell("L1", "keep-alives of leases, 1000 streams on 100 connections", FRESH, Limit::None, leases::keep_alive),
    heavy("L2", "leases: grant, attach, revoke; expiry of all at once", FRESH, leases::storm),
    heavy("C1", "compaction under 5000 puts a second, a tenth kept", FRESH, space::compaction),
    heavy("C2", "defragment, half of it free, under puts, reads and a watch", FRESH, space::defragment),
    heavy("R6", "list of a million keys", Needs::Million, million::list),
    heavy("S3", "snapshot of a million keys under 500 puts a second", Needs::Million, million::snapshot),
    heavy("S3r", "snapshot of a million keys, saved and restored by each one's own tools", Needs::Million, million::restore),
    heavy("S1", "restart with a million keys: after kill -9, clean, with a cold page cache", Needs::Million, million::restart),
    heavy("S2v", "memory with five versions of a fifth of a million keys", FRESH, million::versions),
    heavy("F1", "leader killed: time without writes", THREE, cluster::failover),
    Cell { limit: put_echo(50, 500), ..heavy("F2", "twice the load it can take, then half", FRESH, overload::twice) },
    heavy("F3", "a follower frozen for 2 s under 1000 puts a second", THREE, cluster::frozen_follower),
    heavy("S3f", "a follower that was away: back by a snapshot under 1000 puts a second", THREE, cluster::catch_up),
    heavy("A1", "puts during a storm of 5000 logins a second", FRESH, storm::logins),
    cell("A2", "puts with the audit log off and on", FRESH, Limit::None, audit::off_and_on),
    cell("A3", "puts in clear and under TLS", FRESH, Limit::None, tls::clear_and_tls),
];

/// What a load came to that ran on a thread beside others.
fn joined<T>(load: std::thread::ScopedJoinHandle<'_, Result<T>>, what: &str) -> Result<T> {
    load.join().map_err(|_| anyhow::anyhow!("the {what} panicked"))?
}

/// What the matrix has and this program has not, and why.
pub(crate) const NOT_RUN: &[(&str, &str, &str)] = &[
    (
        "P6",
        "put, 3 members, 0.25 ms between them",
        "a delay on the loopback device would be everybody's",
    ),
    (
        "S2",
        "memory after ten minutes of churn",
        "longer than a run may take; S2v shows what versions cost",
    ),
    (
        "C1, C2, S1, S3",
        "10 million keys or revisions, files of 4 GB",
        "a million and half a GB at most: longer than a run may take",
    ),
];

/// What a load cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    cpu_us: f64,
    own_cpu_us: f64,
    syncs: f64,
    io_calls: f64,
    flushes: f64,
}

impl Bench<'_> {
    /// A load and what it cost the servers and us. Refusals are left to the caller.
    fn metered(
        &self,
        at: &[SocketAddr],
        work: &mut dyn Work,
        plan: Plan,
    ) -> Result<(Outcome, Used)> {
        let flushes = machine::device_flushes();
        let before = self.subject.usage(true)?;
        let cpu_us = self.subject.usage(false)?.cpu_us;
        let own = machine::own_cpu_us();
        let outcome = load::run(at, work, plan)?;
        let own_cpu_us = machine::own_cpu_us() - own;
        let cpu_us = self.subject.usage(false)?.cpu_us - cpu_us;
        let after = self.subject.usage(true)?;
        let used = Used {
            cpu_us,
            own_cpu_us,
            syncs: after.syncs - before.syncs,
            io_calls: after.io_calls - before.io_calls,
            flushes: machine::device_flushes() - flushes,
        };
        Ok((outcome, used))
    }

    /// Warms up, measures, and gives the figures that every load has.
    fn measure(
        &self,
        at: &[SocketAddr],
        work: &mut dyn Work,
        connections: usize,
        clients: usize,
    ) -> Result<Figures> {
        let plan = |duration| Plan::closed(connections, clients, duration);
        load::run(at, work, plan(self.scale.warm_up))?.all_right()?;
        let (outcome, used) = self.metered(at, work, plan(self.scale.measured))?;
        Ok(common(&outcome.all_right()?, used, ""))
    }

    /// The member, or the leader.
    fn at(&self) -> [SocketAddr; 1] {
        [self.subject.address()]
    }

    /// Puts keys numbered from 0.
    pub(crate) fn fill(&self, keys: u64, value_bytes: usize) -> Result<(Outcome, Used)> {
        let mut work = Puts::new(3, value_bytes, Keys::New(0));
        self.fill_with(&mut work, keys)
    }

    fn fill_with(&self, work: &mut dyn Work, calls: u64) -> Result<(Outcome, Used)> {
        let (outcome, used) = self.metered(&self.at(), work, Plan::calls(8, 512, calls))?;
        Ok((outcome.all_right()?, used))
    }

    /// How many keys there are, and the store's revision.
    fn count(&self) -> Result<(i64, i64)> {
        let all = RangeRequest { count_only: true, ..everything() };
        let answer: RangeResponse = self.subject.ask("KV/Range", &all)?;
        Ok((answer.count, answer.header.unwrap_or_default().revision))
    }

    /// Fails unless there are so many keys, each put once since the beginning.
    fn ensure_put_once(&self, keys: u64) -> Result<()> {
        let (count, revision) = self.count()?;
        ensure!(count.cast_unsigned() == keys, "{keys} keys were put and {count} are there");
        ensure!(revision.cast_unsigned() == keys + 1, "revision {revision} after {keys} puts");
        Ok(())
    }

    fn rss_mib(&mut self) -> Result<f64> {
        Ok(self.subject.leader().memory()?.0 / MIB)
    }
}

/// Every key.
fn everything() -> RangeRequest {
    RangeRequest { key: vec![0].into(), range_end: vec![0].into(), ..Default::default() }
}

/// CPU first, then throughput, then latency.
fn common(outcome: &Outcome, used: Used, prefix: &str) -> Figures {
    let calls = outcome.answered.max(1) as f64;
    let figures = [
        ("server CPU us per op", used.cpu_us / calls),
        ("ops per second", outcome.rate()),
        ("p50 ms", outcome.quantile_ms(0.5)),
        ("p99 ms", outcome.quantile_ms(0.99)),
        ("generator CPU us per op", used.own_cpu_us / calls),
        ("syncs per op", used.syncs / calls),
        ("device flushes per op", used.flushes / calls),
        ("io calls per op", used.io_calls / calls),
    ];
    figures.map(|(name, value)| (format!("{prefix}{name}"), value)).into()
}

/// Figures with names that are known.
fn figures<const N: usize>(named: [(&str, f64); N]) -> Figures {
    named.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The working storage is written behind; lets it come up before bytes are counted.
fn settle() {
    std::thread::sleep(Duration::from_millis(500));
}
