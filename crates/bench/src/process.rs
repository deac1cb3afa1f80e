//! One server process, watched through `/proc`.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Which program, and how it is started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    /// Beyond those every member gets.
    pub(crate) flags: Vec<String>,
    /// A core to stay on; any if none.
    pub(crate) core: Option<usize>,
    /// Clients come under TLS.
    pub(crate) tls: bool,
}

impl Program {
    /// The same with more flags.
    pub(crate) fn with(&self, flags: &[&str]) -> Self {
        let mut program = self.clone();
        program.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        program
    }

    /// What it says of its version.
    pub(crate) fn version(&self) -> String {
        let output = Command::new(&self.path).arg("--version").output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        // ketch says on the first line whose interface it has, and on the second which it is.
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().take(2).map(|line| line.trim_start_matches("Git SHA: "));
        let lines: Vec<&str> = lines.filter(|line| !line.starts_with("Not provided")).collect();
        format!("{}: {}", self.name, lines.join(", "))
    }

    /// The command, on its core.
    pub(crate) fn command(&self) -> Command {
        let Some(core) = self.core else { return Command::new(&self.path) };
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).arg(&self.path);
        command
    }
}

/// Where a member is reached and keeps its data.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) client: SocketAddr,
    pub(crate) peer: SocketAddr,
    /// Health and metrics, always in clear.
    pub(crate) health: SocketAddr,
    pub(crate) directory: PathBuf,
}

/// A running process.
pub(crate) struct Process {
    program: Program,
    child: Child,
    place: Place,
    /// `--initial-cluster`.
    cluster: String,
}

/// What a process used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_us: f64,
    pub(crate) written_bytes: f64,
    /// Syncs of the log and commits of the working storage, as the server counts them.
    pub(crate) syncs: f64,
    /// Calls of write and read.
    pub(crate) io_calls: f64,
}

impl Place {
    /// Two free ports, and a directory under `base`.
    pub(crate) fn find(name: &str, base: &Path) -> Result<Self> {
        let directory = base.join(name);
        fs::create_dir_all(&directory)?;
        Ok(Self {
            name: name.to_owned(),
            client: free_address()?,
            peer: free_address()?,
            health: free_address()?,
            directory,
        })
    }
}

impl Process {
    /// Starts, without waiting.
    pub(crate) fn start(program: &Program, place: &Place, cluster: &str) -> Result<Self> {
        let child = spawn(program, place, cluster)?;
        let (program, place, cluster) = (program.clone(), place.clone(), cluster.to_owned());
        Ok(Self { program, child, place, cluster })
    }

    /// Where clients go.
    pub(crate) fn address(&self) -> SocketAddr {
        self.place.client
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).context("a process id")?;
        kill_process(pid, Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts again on the same directory, without waiting.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.child = spawn(&self.program, &self.place, &self.cluster)?;
        Ok(())
    }

    /// Stops the process in its tracks, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) -> Result<()> {
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        let pid = Pid::from_raw(self.child.id().cast_signed()).context("a process id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Whether it says of itself that it leads.
    pub(crate) fn leads(&self) -> bool {
        get(self.place.health, "/metrics")
            .is_ok_and(|text| text.lines().any(|line| line == "etcd_server_is_leader 1"))
    }

    /// What the process used since it began; syncs too if `count_syncs`, which costs it a page of
    /// metrics.
    pub(crate) fn usage(&self, count_syncs: bool) -> Result<Usage> {
        let syncs = if count_syncs { self.syncs() } else { 0.0 };
        let io = fs::read_to_string(format!("/proc/{}/io", self.child.id()))?;
        let field = |name: &str| -> f64 {
            let value = io.lines().find_map(|line| line.strip_prefix(name));
            value.and_then(|text| text.trim().parse().ok()).unwrap_or(0.0)
        };
        let written_bytes = field("write_bytes: ");
        let io_calls = field("syscw: ") + field("syscr: ");
        let cpu_us = cpu_us(self.child.id())?;
        Ok(Usage { cpu_us, written_bytes, syncs, io_calls })
    }

    fn syncs(&self) -> f64 {
        let text = get(self.place.health, "/metrics").unwrap_or_default();
        let counts = text.lines().filter_map(|line| {
            line.strip_prefix("etcd_disk_wal_fsync_duration_seconds_count ")
                .or_else(|| line.strip_prefix("etcd_disk_backend_commit_duration_seconds_count "))
        });
        counts.filter_map(|count| count.trim().parse::<f64>().ok()).sum()
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory now and its peak since [`Process::reset_peak`], in bytes.
    pub(crate) fn memory(&self) -> Result<(f64, f64)> {
        memory(self.child.id())
    }

    /// Begins a new peak.
    pub(crate) fn reset_peak(&self) -> Result<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }

    /// Waits until a linearizable read succeeds.
    pub(crate) fn wait_healthy(&mut self, patience: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}", self.program.name);
            }
            if healthy(self.place.health).unwrap_or(false) {
                return Ok(());
            }
            if started.elapsed() > patience {
                bail!("{} was not healthy after {patience:?}", self.program.name);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Processor time of a process.
pub(crate) fn cpu_us(id: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let (_, rest) = stat.rsplit_once(") ").context("stat")?;
    let field = |number: usize| -> f64 {
        rest.split(' ').nth(number - 3).and_then(|field| field.parse().ok()).unwrap_or(0.0)
    };
    Ok((field(14) + field(15)) / rustix::param::clock_ticks_per_second() as f64 * 1e6)
}

/// User time of this process, of the children it waited for, and of these, in ticks.
pub(crate) fn family_user_ticks(servers: &[u32]) -> f64 {
    let field = |path: String, numbers: &[usize]| -> f64 {
        let stat = fs::read_to_string(path).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(") ") else { return 0.0 };
        let fields: Vec<&str> = rest.split(' ').collect();
        let number = |at: &usize| fields.get(at - 3)?.parse::<f64>().ok();
        numbers.iter().filter_map(number).sum()
    };
    let servers = servers.iter().map(|id| field(format!("/proc/{id}/stat"), &[14]));
    field("/proc/self/stat".to_owned(), &[14, 16]) + servers.sum::<f64>()
}

/// Resident memory of a process now, and its peak, in bytes.
pub(crate) fn memory(id: u32) -> Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
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

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Program, place: &Place, cluster: &str) -> Result<Child> {
    let Place { name, client, peer, health, directory } = place;
    let scheme = if program.tls { "https" } else { "http" };
    let log = fs::OpenOptions::new().create(true).append(true).open(directory.join("log"))?;
    program
        .command()
        .args(["--name", name, "--data-dir"])
        .arg(directory.join("data"))
        .args(["--listen-client-urls", &format!("{scheme}://{client}")])
        .args(["--advertise-client-urls", &format!("{scheme}://{client}")])
        .args(["--listen-peer-urls", &format!("http://{peer}")])
        .args(["--initial-advertise-peer-urls", &format!("http://{peer}")])
        .args(["--initial-cluster", cluster])
        .args(["--quota-backend-bytes", "8589934592", "--snapshot-count", "10000"])
        .args(["--listen-metrics-urls", &format!("http://{health}")])
        .args(program.tls.then_some("--auto-tls"))
        .args(["--log-level", "warn"])
        .args(&program.flags)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .with_context(|| format!("start {}", program.path.display()))
}

/// A loopback address nobody listens on.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// `/health` does a linearizable read.
fn healthy(address: SocketAddr) -> Result<bool> {
    let answer = get(address, "/health")?;
    Ok(answer.contains(" 200 ") && answer.contains("\"health\":\"true\""))
}

fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}
