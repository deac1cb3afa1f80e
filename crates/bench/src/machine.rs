//! The machine: what it is, and what it can do at best.

use std::fs;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::calibration::{LOG_RECORD_BYTES, SyncProbe, load_average};

/// What the machine can do at best, measured once in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// A put's bytes written to a prepared file, and fdatasync, a second.
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
        let mut probe = SyncProbe::new(directory)?;
        Ok(Self {
            syncs_per_second: 1e6 / probe.median_us(LOG_RECORD_BYTES, 1000)?,
            large_syncs_per_second: 1e6 / probe.median_us(65_536, 500)?,
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

/// Processor time of this process and its threads, in microseconds.
pub(crate) fn own_cpu_us() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
