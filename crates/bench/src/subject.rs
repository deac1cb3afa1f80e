//! A server under test: a process of its own on a fresh directory, watched through `/proc`.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Which program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
}

/// A running member.
pub(crate) struct Subject {
    program: Program,
    child: Child,
    client: SocketAddr,
    peer: SocketAddr,
    directory: tempfile::TempDir,
}

/// What a process used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_us: f64,
    pub(crate) written_bytes: f64,
}

impl Subject {
    /// Starts on an empty directory under `base` and waits until it is healthy.
    pub(crate) fn start(program: &Program, base: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix(program.name).tempdir_in(base)?;
        let (client, peer) = (free_address()?, free_address()?);
        let child = spawn(program, directory.path(), client, peer)?;
        let mut subject = Self { program: program.clone(), child, client, peer, directory };
        subject.wait_healthy(Duration::from_secs(30))?;
        Ok(subject)
    }

    /// Where clients go.
    pub(crate) fn address(&self) -> SocketAddr {
        self.client
    }

    /// kill -9, start again on the same directory, and wait for the first linearizable read;
    /// gives the time from start to read.
    pub(crate) fn crash_and_restart(&mut self) -> Result<Duration> {
        self.child.kill()?;
        self.child.wait()?;
        let started = Instant::now();
        self.child = spawn(&self.program, self.directory.path(), self.client, self.peer)?;
        self.wait_healthy(Duration::from_secs(120))?;
        Ok(started.elapsed())
    }

    /// Processor time and bytes written since the process began.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, rest) = stat.rsplit_once(") ").context("stat")?;
        let field = |number: usize| -> f64 {
            rest.split(' ').nth(number - 3).and_then(|field| field.parse().ok()).unwrap_or(0.0)
        };
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let cpu_us = (field(14) + field(15)) / ticks * 1e6;
        let io = fs::read_to_string(format!("/proc/{}/io", self.child.id()))?;
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        let written_bytes = written.and_then(|text| text.trim().parse().ok()).unwrap_or(0.0);
        Ok(Usage { cpu_us, written_bytes })
    }

    /// Resident memory now and its peak since [`Subject::reset_peak`], in bytes.
    pub(crate) fn memory(&self) -> Result<(f64, f64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| -> f64 {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok())
                .unwrap_or(f64::NAN)
                * 1024.0
        };
        Ok((field("VmRSS:"), field("VmHWM:")))
    }

    /// Begins a new peak.
    pub(crate) fn reset_peak(&self) -> Result<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }

    fn wait_healthy(&mut self, patience: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}", self.program.name);
            }
            if healthy(self.client).unwrap_or(false) {
                return Ok(());
            }
            if started.elapsed() > patience {
                bail!("{} was not healthy after {patience:?}", self.program.name);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Program, data: &Path, client: SocketAddr, peer: SocketAddr) -> Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(data.join("log"))?;
    Command::new(&program.path)
        .args(["--name", "bench", "--data-dir"])
        .arg(data.join("data"))
        .args(["--listen-client-urls", &format!("http://{client}")])
        .args(["--advertise-client-urls", &format!("http://{client}")])
        .args(["--listen-peer-urls", &format!("http://{peer}")])
        .args(["--initial-advertise-peer-urls", &format!("http://{peer}")])
        .args(["--initial-cluster", &format!("bench=http://{peer}")])
        .args(["--quota-backend-bytes", "8589934592", "--snapshot-count", "10000"])
        .args(["--log-level", "warn"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .with_context(|| format!("start {}", program.path.display()))
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// `/health` does a linearizable read.
fn healthy(address: SocketAddr) -> Result<bool> {
    let mut socket = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.write_all(b"GET /health HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer.contains(" 200 ") && answer.contains("\"health\":\"true\""))
}
