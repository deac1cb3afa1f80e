//! What is measured. Every cell runs on fresh servers and gives figures by name.

mod cluster;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::load::{self, Outcome, Plan, Pressure};
use crate::process::Program;
use crate::subject::Subject;
use crate::workload::Workload;

/// Figures of one run of one cell.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// Value size of the table; keys have 16 bytes.
const VALUE_BYTES: usize = 256;
const KEY_BYTES: usize = 16;
const MIB: f64 = 1024.0 * 1024.0;

/// One cell of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Puts {
        connections: usize,
        clients: usize,
    },
    Ranges {
        connections: usize,
        clients: usize,
        serializable: bool,
    },
    Million,
    /// Three members; the connections go to the leader or to all in turn.
    Cluster {
        connections: usize,
        clients: usize,
        all_members: bool,
    },
    /// Three members at a rate both programs can take.
    ClusterAtRate,
    /// Three members, one follower frozen for two seconds.
    FrozenFollower,
    Failover,
}

/// All cells, in the order of the table.
pub(crate) const CELLS: &[Cell] = &[
    cell("P1", "put, 1 client", Kind::Puts { connections: 1, clients: 1 }),
    cell("P2a", "put, 100 clients on 10 connections", Kind::Puts { connections: 10, clients: 100 }),
    cell(
        "P2b",
        "put, 1000 clients on 100 connections",
        Kind::Puts { connections: 100, clients: 1000 },
    ),
    cell("R1a", "range, serializable, 1 client", ranges(1, 1, true)),
    cell("R1b", "range, serializable, 100 clients on 10 connections", ranges(10, 100, true)),
    cell("R1c", "range, serializable, 1000 clients on 100 connections", ranges(100, 1000, true)),
    cell("R2a", "range, linearizable, 1 client", ranges(1, 1, false)),
    cell("R2b", "range, linearizable, 100 clients on 10 connections", ranges(10, 100, false)),
    cell("R2c", "range, linearizable, 1000 clients on 100 connections", ranges(100, 1000, false)),
    cell("P5a", "put, 3 members, 1 client of the leader", cluster(1, 1, false)),
    cell("P5b", "put, 3 members, 100 clients of the leader", cluster(10, 100, false)),
    cell("P5c", "put, 3 members, 100 clients of all members", cluster(12, 100, true)),
    cell("P5d", "put, 3 members, 1000 clients of the leader", cluster(100, 1000, false)),
    cell("P5r", "put, 3 members, 4000 puts a second", Kind::ClusterAtRate),
    cell("F1", "leader killed: time without writes", Kind::Failover),
    cell("F3", "a follower frozen for 2 s under 1000 puts a second", Kind::FrozenFollower),
    cell("S", "a million keys: memory, list, restart, defragment, snapshot", Kind::Million),
];

const fn cell(id: &'static str, title: &'static str, kind: Kind) -> Cell {
    Cell { id, title, kind }
}

const fn ranges(connections: usize, clients: usize, serializable: bool) -> Kind {
    Kind::Ranges { connections, clients, serializable }
}

const fn cluster(connections: usize, clients: usize, all_members: bool) -> Kind {
    Kind::Cluster { connections, clients, all_members }
}

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    pub(crate) range_keys: u64,
    pub(crate) million: u64,
    /// Leaders to kill.
    pub(crate) failovers: u64,
}

impl Cell {
    /// Runs the cell once against a fresh server.
    pub(crate) fn run(&self, program: &Program, base: &Path, scale: Scale) -> Result<Figures> {
        let mut subject = Subject::start(program, base, self.members())?;
        match self.kind {
            Kind::Puts { connections, clients } => {
                let at = [subject.address()];
                puts(&subject, &at, connections, clients, scale)
            }
            Kind::Cluster { connections, clients, all_members } => {
                let leader = vec![subject.address()];
                let at = if all_members { subject.addresses() } else { leader };
                puts(&subject, &at, connections, clients, scale)
            }
            Kind::ClusterAtRate => cluster::at_rate(&subject, scale),
            Kind::FrozenFollower => cluster::frozen_follower(&mut subject, scale),
            Kind::Failover => cluster::failover(&mut subject, scale),
            Kind::Ranges { connections, clients, serializable } => {
                fill(&subject, scale.range_keys)?;
                let mut work = Workload::ranges(7, serializable, scale.range_keys);
                measure(&subject, &[subject.address()], &mut work, connections, clients, scale)
            }
            Kind::Million => million(&mut subject, scale),
        }
    }

    fn members(&self) -> usize {
        match self.kind {
            Kind::Puts { .. } | Kind::Ranges { .. } | Kind::Million => 1,
            _ => 3,
        }
    }

    /// Whether one run says enough: it holds many trials, or takes minutes.
    pub(crate) fn once(&self) -> bool {
        matches!(self.kind, Kind::Million | Kind::Failover)
    }
}

fn puts(
    subject: &Subject,
    at: &[SocketAddr],
    connections: usize,
    clients: usize,
    scale: Scale,
) -> Result<Figures> {
    let mut work = Workload::puts(11, VALUE_BYTES, true, 0, 0);
    let before = subject.usage()?;
    let mut figures = measure(subject, at, &mut work, connections, clients, scale)?;
    // The working storage is written behind; let it come up before counting bytes.
    std::thread::sleep(Duration::from_millis(500));
    let user_bytes = work.made() as f64 * (VALUE_BYTES + KEY_BYTES) as f64;
    let written = subject.usage()?.written_bytes - before.written_bytes;
    figures.insert("bytes written per user byte", written / user_bytes);
    Ok(figures)
}

fn measure(
    subject: &Subject,
    at: &[SocketAddr],
    work: &mut Workload,
    connections: usize,
    clients: usize,
    scale: Scale,
) -> Result<Figures> {
    let plan = |duration| Plan {
        connections,
        clients,
        pressure: Pressure::Closed,
        duration,
        calls_max: u64::MAX,
    };
    load::run(at, work, plan(scale.warm_up))?;
    let before = subject.usage()?;
    let own = own_cpu_us();
    let outcome = load::run(at, work, plan(scale.measured))?;
    let own = own_cpu_us() - own;
    let after = subject.usage()?;
    ensure!(outcome.refused == 0, "{} calls were refused", outcome.refused);
    ensure!(outcome.answered > 0, "no call was answered");
    let calls = outcome.answered as f64;
    Ok([
        ("server CPU us per op", (after.cpu_us - before.cpu_us) / calls),
        ("ops per second", outcome.rate()),
        ("p50 ms", outcome.quantile_ms(0.5)),
        ("p99 ms", outcome.quantile_ms(0.99)),
        ("generator CPU us per op", own / calls),
    ]
    .into())
}

fn fill(subject: &Subject, keys: u64) -> Result<Outcome> {
    let mut work = Workload::puts(3, VALUE_BYTES, true, 0, 0);
    let plan = Plan {
        connections: 8,
        clients: 512,
        pressure: Pressure::Closed,
        duration: Duration::from_secs(600),
        calls_max: keys,
    };
    let outcome = load::run(&[subject.address()], &mut work, plan)?;
    ensure!(outcome.refused == 0, "{} puts were refused while filling", outcome.refused);
    Ok(outcome)
}

/// One call on a connection of its own.
fn once(subject: &Subject, mut work: Workload) -> Result<Outcome> {
    let plan = Plan {
        connections: 1,
        clients: 1,
        pressure: Pressure::Closed,
        duration: Duration::from_secs(600),
        calls_max: 1,
    };
    let outcome = load::run(&[subject.address()], &mut work, plan)?;
    ensure!(outcome.refused == 0, "the call was refused");
    Ok(outcome)
}

fn million(subject: &mut Subject, scale: Scale) -> Result<Figures> {
    let mut figures = Figures::new();
    let before = subject.usage()?;
    let filled = fill(subject, scale.million)?;
    std::thread::sleep(Duration::from_secs(2));
    let after = subject.usage()?;
    let user_bytes = scale.million as f64 * (VALUE_BYTES + KEY_BYTES) as f64;
    figures.insert("fill: ops per second", filled.rate());
    figures.insert(
        "fill: server CPU us per op",
        (after.cpu_us - before.cpu_us) / scale.million as f64,
    );
    figures.insert(
        "fill: bytes written per user byte",
        (after.written_bytes - before.written_bytes) / user_bytes,
    );
    figures.insert("idle RSS MiB", subject.leader().memory()?.0 / MIB);
    for (method, peak, time) in [
        ("RangeStream", "list by RangeStream: peak above idle MiB", "list by RangeStream: s"),
        ("Range", "list by Range: peak above idle MiB", "list by Range: s"),
    ] {
        let idle = subject.leader().memory()?.0;
        subject.leader().reset_peak()?;
        let outcome = once(subject, Workload::list(method))?;
        ensure!(outcome.received_bytes as f64 > user_bytes, "the list was short");
        figures.insert(peak, (subject.leader().memory()?.1 - idle) / MIB);
        figures.insert(time, outcome.elapsed.as_secs_f64());
    }
    let took = once(subject, Workload::fixed("/etcdserverpb.Maintenance/Snapshot", Vec::new()))?;
    figures.insert("snapshot: s", took.elapsed.as_secs_f64());
    let (stall, took) = defragment_under_load(subject)?;
    figures.insert("defragment: longest put ms", stall);
    figures.insert("defragment: s", took);
    let restart = subject.crash_and_restart()?;
    figures.insert("restart after kill -9: s", restart.as_secs_f64());
    std::thread::sleep(Duration::from_secs(1));
    figures.insert("RSS after restart MiB", subject.leader().memory()?.0 / MIB);
    Ok(figures)
}

/// Puts at a steady rate while the server defragments: the longest put is the stall.
fn defragment_under_load(subject: &Subject) -> Result<(f64, f64)> {
    let address = subject.address();
    std::thread::scope(|scope| {
        let load = scope.spawn(move || {
            let plan = Plan {
                connections: 2,
                clients: 0,
                pressure: Pressure::Open { per_second: 500.0 },
                duration: Duration::from_secs(15),
                calls_max: u64::MAX,
            };
            let mut work = Workload::puts(5, VALUE_BYTES, false, 1000, 0);
            load::run(&[address], &mut work, plan)
        });
        std::thread::sleep(Duration::from_secs(2));
        let started = Instant::now();
        once(subject, Workload::fixed("/etcdserverpb.Maintenance/Defragment", Vec::new()))?;
        let took = started.elapsed().as_secs_f64();
        let outcome = load.join().map_err(|_| anyhow::anyhow!("the load thread panicked"))??;
        Ok((outcome.quantile_ms(1.0), took))
    })
}

fn own_cpu_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let field = |number: usize| -> f64 {
        rest.split(' ').nth(number - 3).and_then(|field| field.parse().ok()).unwrap_or(0.0)
    };
    (field(14) + field(15)) / rustix::param::clock_ticks_per_second() as f64 * 1e6
}
