//! What no server could beat here, measured in the same run with the same generator.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::RangeRequest;

use crate::cells::{Figures, VALUE_BYTES};
use crate::connection::Connection;
use crate::load::{self, Plan};
use crate::machine::{Bounds, Calibration};
use crate::process::{Program, cpu_us, free_address};
use crate::scale::Scale;
use crate::workload::{Fixed, Keys, Puts, Work};

/// Which limit a cell has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// None that a short probe shows.
    None,
    /// An empty handler under the same load; answers have a header, or a value of this size.
    Echo { answer_bytes: Option<usize>, connections: usize, clients: usize },
    /// One client's round trip to the empty handler, and one sync.
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
                echo(scale, core, answer_bytes, connections, clients)
            }
            Self::EchoAndSync => {
                let mut figures = echo(scale, core, None, 1, 1)?;
                let sync_ms = Calibration::take(directory)?.sync_us / 1e3;
                let p50 = figures["p50 ms"] + sync_ms;
                figures.insert("p50 ms".to_owned(), p50);
                figures.insert("ops per second".to_owned(), 1e3 / p50);
                Ok(figures)
            }
        }
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
    answer_bytes: Option<usize>,
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
    let mut work: Box<dyn Work> = match answer_bytes {
        None => Box::new(Puts::new(1, VALUE_BYTES, Keys::New(0))),
        Some(bytes) => {
            let limit = bytes as i64;
            let key = b"0123456789abcdef".to_vec().into();
            let request = RangeRequest { key, limit, ..Default::default() };
            Box::new(Fixed::new("KV/Range", &request).at_least(bytes as u64))
        }
    };
    let plan = |duration| Plan::closed(connections, clients, duration);
    load::run(&[address], &mut *work, plan(scale.warm_up))?.all_right()?;
    let before = cpu_us(echo.0.id())?;
    let outcome = load::run(&[address], &mut *work, plan(scale.measured))?.all_right()?;
    let cpu = cpu_us(echo.0.id())? - before;
    let figures = [
        ("server CPU us per op", cpu / outcome.answered as f64),
        ("ops per second", outcome.rate()),
        ("p50 ms", outcome.quantile_ms(0.5)),
        ("p99 ms", outcome.quantile_ms(0.99)),
    ];
    Ok(figures.map(|(name, value)| (name.to_owned(), value)).into())
}
