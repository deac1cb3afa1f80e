//! What no server could beat here, measured in the same run with the same generator.

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::RangeRequest;

use crate::calibration::{LOG_RECORD_BYTES, SyncProbe};
use crate::cells::{Figures, VALUE_BYTES};
use crate::connection::{Answer, Connection};
use crate::load::{self, Plan};
use crate::machine::Bounds;
use crate::process::{Program, cpu_us, free_address};
use crate::report::statistics::median;
use crate::scale::Scale;
use crate::workload::{Fixed, Keys, Puts, Request, Work};

/// The median of [`Limit::EchoAndSync`] with the disk left to another thread, as a server has to
/// that answers others meanwhile: two wake-ups more.
pub(crate) const SYNCED_APART: &str = "with a thread for the disk: p50 ms";

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
                let (mut figures, sync_ms) = echo_and_sync(scale, core, Disk::own(directory)?)?;
                figures.insert("of which fdatasync: p50 ms".to_owned(), sync_ms);
                let (apart, _) = echo_and_sync(scale, core, Disk::of_a_thread(directory)?)?;
                let p50_ms = apart.get("p50 ms").copied().unwrap_or(f64::NAN);
                figures.insert(SYNCED_APART.to_owned(), p50_ms);
                Ok(figures)
            }
        }
    }

    /// How many loads of its own it takes.
    pub(crate) fn loads(self) -> usize {
        match self {
            Self::None | Self::Loopback => 0,
            Self::Echo { .. } => 1,
            Self::EchoAndSync => 2,
        }
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

/// Who writes and syncs.
enum Disk {
    Own(SyncProbe),
    Thread { asks: Sender<()>, answers: Receiver<Option<f64>> },
}

impl Disk {
    fn own(directory: &Path) -> Result<Self> {
        Ok(Self::Own(SyncProbe::new(directory)?))
    }

    /// Ends when this is dropped.
    fn of_a_thread(directory: &Path) -> Result<Self> {
        let mut probe = SyncProbe::new(directory)?;
        let (asks, asked) = channel();
        let (answer, answers) = channel();
        std::thread::spawn(move || {
            for () in asked {
                let _ = answer.send(probe.once_us(LOG_RECORD_BYTES).ok());
            }
        });
        Ok(Self::Thread { asks, answers })
    }

    /// Microseconds of a write and its sync, if it succeeded.
    fn once_us(&mut self) -> Option<f64> {
        match self {
            Self::Own(probe) => probe.once_us(LOG_RECORD_BYTES).ok(),
            Self::Thread { asks, answers } => {
                asks.send(()).ok()?;
                answers.recv().ok()?
            }
        }
    }
}

/// Puts whose bytes are made durable when they are answered; only then does the answer count.
struct Synced {
    puts: Puts,
    disk: Disk,
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
        let synced = self.disk.once_us();
        self.taken_us.extend(synced);
        synced.is_some() && self.puts.check(answer)
    }
}

/// The figures of the whole, and the median of a sync in milliseconds.
fn echo_and_sync(scale: Scale, core: Option<usize>, disk: Disk) -> Result<(Figures, f64)> {
    let mut work = Synced { puts: puts(), disk, taken_us: Vec::new() };
    let figures = echo(scale, core, &mut work, 1, 1)?;
    Ok((figures, median(&work.taken_us).unwrap_or(f64::NAN) / 1e3))
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
