//! What no server could beat here, measured in the same run with the same generator.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::RangeRequest;

use crate::calibration::{LOG_RECORD_BYTES, SyncProbe};
use crate::cells::{Figures, VALUE_BYTES};
use crate::connection::{Answer, Connection};
use crate::load::{self, Plan};
use crate::machine::Bounds;
use crate::process::{Program, cpu_us, free_address};
use crate::scale::Scale;
use crate::workload::{Fixed, Keys, Puts, Request, Work};

/// Which limit a cell has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// None that a short probe shows.
    None,
    /// An empty handler under the same load; answers have a header, or a value of this size.
    Echo { answer_bytes: Option<usize>, connections: usize, clients: usize },
    /// One client that calls the empty handler and, when the answer is there, writes a put's bytes
    /// as a log does and syncs them, before the next call.
    EchoAndSync,
    /// Bytes through a loopback connection.
    Loopback,
}

impl Limit {
    /// Figures of the same names as the cell's.
    pub(crate) fn measure(
        self,
        scale: Scale,
        bounds: &Bounds,
        core: Option<usize>,
        directory: &Path,
    ) -> Result<Figures> {
        match self {
            Self::None => Ok(Figures::new()),
            Self::Loopback => {
                Ok([("MiB per second".to_owned(), bounds.loopback_mib_per_second)].into())
            }
            Self::Echo { answer_bytes, connections, clients } => {
                let mut work: Box<dyn Work> = match answer_bytes {
                    None => Box::new(puts()),
                    Some(bytes) => Box::new(read(bytes)),
                };
                echo(scale, core, &mut *work, connections, clients)
            }
            Self::EchoAndSync => {
                let probe = SyncProbe::new(directory)?;
                let mut work = Synced { puts: puts(), probe, taken_us: Vec::new() };
                let mut figures = echo(scale, core, &mut work, 1, 1)?;
                work.taken_us.sort_by(f64::total_cmp);
                let middle = work.taken_us.get(work.taken_us.len() / 2);
                let sync_ms = middle.copied().unwrap_or(f64::NAN) / 1e3;
                figures.insert("of which fdatasync: p50 ms".to_owned(), sync_ms);
                Ok(figures)
            }
        }
    }

    /// Whether it takes a load of its own.
    pub(crate) fn is_probed(self) -> bool {
        matches!(self, Self::Echo { .. } | Self::EchoAndSync)
    }

    /// Whether it depends so much on the moment that it is taken after every run.
    pub(crate) fn is_fickle(self) -> bool {
        matches!(self, Self::EchoAndSync)
    }
}

fn puts() -> Puts {
    Puts::new(1, VALUE_BYTES, Keys::New(0))
}

fn read(bytes: usize) -> Fixed {
    let limit = bytes as i64;
    let key = b"0123456789abcdef".to_vec().into();
    let request = RangeRequest { key, limit, ..Default::default() };
    Fixed::new("KV/Range", &request).at_least(bytes as u64)
}

/// Puts whose client makes the bytes durable itself; an answer counts when that is done.
struct Synced {
    puts: Puts,
    probe: SyncProbe,
    taken_us: Vec<f64>,
}

impl Work for Synced {
    fn blocks(&self) -> &[Vec<u8>] {
        self.puts.blocks()
    }

    fn next(&mut self, request: &mut Request) {
        self.puts.next(request);
    }

    fn check(&mut self, answer: &Answer<'_>) -> bool {
        let synced = self.probe.once_us(LOG_RECORD_BYTES);
        self.taken_us.extend(synced.as_ref().ok());
        synced.is_ok() && self.puts.check(answer)
    }
}

struct Echo(Child);

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn echo(
    scale: Scale,
    core: Option<usize>,
    work: &mut dyn Work,
    connections: usize,
    clients: usize,
) -> Result<Figures> {
    let address = free_address()?;
    let path = std::env::current_exe()?;
    let program = Program { name: "echo", path, flags: Vec::new(), core, tls: false };
    let child =
        program.command().arg("echo").arg(address.to_string()).stdout(Stdio::null()).spawn();
    let echo = Echo(child.context("start the empty handler")?);
    let since = Instant::now();
    while Connection::open(address).is_err() {
        ensure!(since.elapsed() < Duration::from_secs(10), "the empty handler does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    let plan = |duration| Plan::closed(connections, clients, duration);
    load::run(&[address], work, plan(scale.warm_up))?.all_right()?;
    let before = cpu_us(echo.0.id())?;
    let outcome = load::run(&[address], work, plan(scale.measured))?.all_right()?;
    let cpu = cpu_us(echo.0.id())? - before;
    let figures = [
        ("server CPU us per op", cpu / outcome.answered as f64),
        ("ops per second", outcome.rate()),
        ("p50 ms", outcome.quantile_ms(0.5)),
        ("p99 ms", outcome.quantile_ms(0.99)),
    ];
    Ok(figures.map(|(name, value)| (name.to_owned(), value)).into())
}
