//! The machine: what it can do at best, and whether it kept still.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

/// More change of a probe than this, between before a run and after it, spoils the run.
const CHANGE_MAX: f64 = 0.2;
/// A cluster of probes short enough to stand around every run.
const SYNCS: usize = 60;
const LOOPS: usize = 5;

/// Short probes around every run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calibration {
    /// A fixed loop of arithmetic, best of a few.
    pub(crate) loop_us: f64,
    /// Appending 4 KiB and fdatasync, median.
    pub(crate) sync_us: f64,
    /// Time the host took from us since boot, in ticks of the processor clock.
    pub(crate) steal_ticks: f64,
    pub(crate) load_average: f64,
}

impl Calibration {
    /// Takes about 50 ms.
    pub(crate) fn take(directory: &Path) -> Result<Self> {
        Ok(Self {
            loop_us: (0..LOOPS).map(|_| arithmetic_us()).fold(f64::INFINITY, f64::min),
            sync_us: sync_us(directory, 4096, SYNCS)?,
            steal_ticks: steal_ticks(),
            load_average: load_average(),
        })
    }

    /// Whether the machine was another one afterwards.
    pub(crate) fn moved(&self, after: &Self) -> bool {
        let change = |a: f64, b: f64| (a / b).max(b / a) - 1.0;
        change(self.loop_us, after.loop_us) > CHANGE_MAX
            || change(self.sync_us, after.sync_us) > CHANGE_MAX
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "loop_us": self.loop_us,
            "sync_us": self.sync_us,
            "steal_ticks": self.steal_ticks,
            "load_average": self.load_average,
        })
    }
}

/// What the machine can do at best, measured once in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// fdatasync after appending 4 KiB, a second.
    pub(crate) syncs_per_second: f64,
    /// The same of 64 KiB.
    pub(crate) large_syncs_per_second: f64,
    pub(crate) copy_mib_per_second: f64,
    /// One way over a loopback connection.
    pub(crate) loopback_mib_per_second: f64,
}

impl Bounds {
    /// Takes about two seconds.
    pub(crate) fn measure(directory: &Path) -> Result<Self> {
        Ok(Self {
            syncs_per_second: 1e6 / sync_us(directory, 4096, 1000)?,
            large_syncs_per_second: 1e6 / sync_us(directory, 65_536, 500)?,
            copy_mib_per_second: copy_mib_per_second(),
            loopback_mib_per_second: loopback_mib_per_second()?,
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "syncs_per_second": self.syncs_per_second,
            "large_syncs_per_second": self.large_syncs_per_second,
            "copy_mib_per_second": self.copy_mib_per_second,
            "loopback_mib_per_second": self.loopback_mib_per_second,
        })
    }
}

/// Processor, kernel, file system and the like, for the report.
pub(crate) fn description(directory: &Path) -> serde_json::Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let field = |path: &str, name: &str| -> String {
        let text = read(path);
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("", |(_, value)| value).trim().to_owned()
    };
    serde_json::json!({
        "processor": field("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "mount": mount(directory),
        "load_average": load_average(),
    })
}

/// Type and options of the file system.
fn mount(directory: &Path) -> String {
    let directory = directory.canonicalize().unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut best = ("", String::new());
    for line in mounts.lines() {
        let words: Vec<_> = line.split(' ').collect();
        if let [_, point, kind, options, ..] = words[..]
            && directory.starts_with(point)
            && point.len() >= best.0.len()
        {
            best = (point, format!("{kind} {options}"));
        }
    }
    best.1
}

/// Flush requests that devices completed since boot, all of them together.
pub(crate) fn device_flushes() -> f64 {
    let table = fs::read_to_string("/proc/diskstats").unwrap_or_default();
    let flushes = table.lines().filter_map(|line| line.split_whitespace().nth(18));
    flushes.filter_map(|field| field.parse::<f64>().ok()).sum()
}

fn arithmetic_us() -> f64 {
    let since = Instant::now();
    let mut state = 1_u64;
    for _ in 0..1_000_000 {
        state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    black_box(state);
    since.elapsed().as_secs_f64() * 1e6
}

/// Median microseconds of an append and its fdatasync.
fn sync_us(directory: &Path, bytes: usize, times: usize) -> Result<f64> {
    let mut file = tempfile::tempfile_in(directory)?;
    let block = vec![0x5a; bytes];
    let one = |file: &mut File| -> Result<f64> {
        let since = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        Ok(since.elapsed().as_secs_f64() * 1e6)
    };
    let mut taken = (0..times).map(|_| one(&mut file)).collect::<Result<Vec<_>>>()?;
    taken.sort_by(f64::total_cmp);
    Ok(taken[times / 2])
}

fn copy_mib_per_second() -> f64 {
    const MIB: usize = 64;
    let from = vec![1_u8; MIB << 20];
    let mut to = vec![0_u8; MIB << 20];
    to.copy_from_slice(&from);
    let since = Instant::now();
    for _ in 0..8 {
        to.copy_from_slice(black_box(&from));
        black_box(&to);
    }
    8.0 * MIB as f64 / since.elapsed().as_secs_f64()
}

fn loopback_mib_per_second() -> Result<f64> {
    const MIB: usize = 512;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let sender = std::thread::spawn(move || -> std::io::Result<()> {
        let mut socket = TcpStream::connect(address)?;
        let block = vec![0; 65_536];
        (0..MIB * 16).try_for_each(|_| socket.write_all(&block))
    });
    let (mut socket, _) = listener.accept()?;
    let mut block = vec![0; 65_536];
    let since = Instant::now();
    while socket.read(&mut block)? > 0 {}
    let rate = MIB as f64 / since.elapsed().as_secs_f64();
    sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
    Ok(rate)
}

fn steal_ticks() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    line.split_whitespace().nth(8).and_then(|field| field.parse().ok()).unwrap_or(0.0)
}

fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0.0)
}

/// Processor time of this process and its threads, in microseconds.
pub(crate) fn own_cpu_us() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
