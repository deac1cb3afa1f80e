//! One member as a process of its own: start, wait until it serves, kill, stop, start again.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{binaries, peers, ports};

/// etcd looks at its storage's version every few seconds.
const VERSIONS_LIMIT: Duration = Duration::from_secs(30);

/// Addresses every test member advertises, whatever it listens on: identifiers hash them.
const ADVERTISED_PEER: &str = "http://127.0.0.1:23800";
const READY_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Which server a member runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Ours.
    Ketch,
    /// The real one, the oracle.
    Etcd,
    /// The last release line before the oracle's.
    EtcdOld,
}

impl Program {
    /// What the tests judge: ketch, or the oracle itself with `KETCH_TESTED=etcd`, which shows
    /// whether a failing test is wrong about etcd.
    pub fn under_test() -> Self {
        match std::env::var("KETCH_TESTED").as_deref() {
            Ok("etcd") => Self::Etcd,
            _ => Self::Ketch,
        }
    }
}

impl Program {
    /// The offline tool that belongs to it.
    ///
    /// # Panics
    /// When that of etcd was not built, which callers have asked for before.
    pub fn utl(self) -> PathBuf {
        match self {
            Self::Ketch => binaries::path("ketchutl"),
            Self::Etcd | Self::EtcdOld => peers::find("etcdutl").expect("asked for before"),
        }
    }
}

/// A member's place in a cluster of several; without one it is alone and on ports of its own.
#[derive(Debug, Clone)]
pub struct Place {
    /// `--name`.
    pub name: String,
    /// Where clients come in.
    pub client_port: u16,
    /// Where it listens for other members.
    pub peer_port: u16,
    /// What it tells other members of that: perhaps a relay's address.
    pub peer_url: String,
    /// Flags that name the cluster to found or to join.
    pub bootstrap: Vec<String>,
}

/// What may differ from the default member.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Flags appended to the usual ones.
    pub flags: Vec<String>,
    /// Environment variables set for the process.
    pub vars: Vec<(String, String)>,
    /// A data directory that is there already, e.g. a restored one; else a fresh one.
    pub data_dir: Option<PathBuf>,
    /// Its place among others.
    pub place: Option<Place>,
}

impl Options {
    /// The defaults with more flags.
    pub fn with_flags(flags: &[&str]) -> Self {
        Self { flags: flags.iter().map(|flag| (*flag).to_owned()).collect(), ..Self::default() }
    }
}

/// How a start went.
#[derive(Debug)]
pub enum Start {
    /// The member is healthy.
    Serving,
    /// The process ended by itself.
    Ended {
        /// How.
        status: ExitStatus,
        /// What it printed in this life.
        log: String,
    },
}

/// A member's process, its folder and its ports. Dropping it kills the process.
#[derive(Debug)]
pub struct Member {
    program: Program,
    options: Options,
    folder: TempDir,
    client_port: u16,
    peer_port: u16,
    child: Option<Child>,
}

impl Member {
    /// Starts a member on free ports and waits until it is healthy.
    ///
    /// # Errors
    /// When it exits or is not healthy in time; the end of its log is in the message.
    pub fn start(program: Program, options: Options) -> Result<Self> {
        let mut member = Self::prepare(program, options)?;
        member.restart()?;
        Ok(member)
    }

    /// A member with ports and a folder, not started.
    ///
    /// # Errors
    /// When no temporary folder can be made.
    pub fn prepare(program: Program, options: Options) -> Result<Self> {
        let folder = TempDir::with_prefix("ketch-test-").context("making a temporary folder")?;
        let (client_port, peer_port) = match &options.place {
            Some(place) => (place.client_port, place.peer_port),
            None => (ports::free_port(), ports::free_port()),
        };
        Ok(Self { program, options, folder, client_port, peer_port, child: None })
    }

    /// Starts the process again on the same folder and ports and waits until it is healthy.
    ///
    /// # Errors
    /// As `start`.
    pub fn restart(&mut self) -> Result<()> {
        match self.try_start()? {
            Start::Serving => Ok(()),
            Start::Ended { status, .. } => {
                bail!("the member ended with {status}; {}", self.log_tail())
            }
        }
    }

    /// Starts the process and tells how that ends: serving, or with a status and last words.
    ///
    /// # Errors
    /// When neither comes in time.
    pub fn try_start(&mut self) -> Result<Start> {
        let before = self.log().len();
        self.spawn()?;
        let end = Instant::now() + READY_LIMIT;
        while Instant::now() < end {
            if self.http_get("/health").is_ok_and(|(code, _)| code == 200) {
                return Ok(Start::Serving);
            }
            let child = self.child.as_mut().context("just started")?;
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return Ok(Start::Ended { status, log: self.log().split_off(before) });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("neither serving nor ended; {}", self.log_tail());
    }

    /// Starts the process and does not wait.
    ///
    /// # Errors
    /// When the program does not start at all.
    pub fn spawn(&mut self) -> Result<()> {
        self.kill();
        let log = OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().context("starting the member")?);
        Ok(())
    }

    /// The command line that starts this member, for tests that run it themselves.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program_path(self.program));
        let client = self.endpoint();
        let (name, peer_url) = match &self.options.place {
            Some(place) => (place.name.as_str(), place.peer_url.as_str()),
            None => ("s1", ADVERTISED_PEER),
        };
        // As it advertises it: in clear, or not.
        let scheme = peer_url.split(':').next().unwrap_or("http");
        let listen_peer = format!("{scheme}://127.0.0.1:{}", self.peer_port);
        let alone = ["--initial-cluster".to_owned(), format!("s1={ADVERTISED_PEER}")];
        let bootstrap = match &self.options.place {
            Some(place) => place.bootstrap.as_slice(),
            None => &alone,
        };
        command
            .args(["--name", name, "--initial-cluster-token", "tok"])
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &listen_peer])
            .args(["--initial-advertise-peer-urls", peer_url])
            .args(bootstrap)
            .args(&self.options.flags)
            .current_dir(self.folder.path())
            .envs(self.options.vars.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Kills the process at once (SIGKILL) and waits for its end. Harmless when it is down.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How the process ended, if it did by itself.
    ///
    /// # Errors
    /// When it was not started.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.as_mut().context("the member is not running")?.try_wait()?;
        if status.is_some() {
            self.child = None;
        }
        Ok(status)
    }

    /// True from a start until a kill or until somebody waited for the end.
    pub fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// Another place, from the next start on.
    pub fn set_place(&mut self, place: Place) {
        (self.client_port, self.peer_port) = (place.client_port, place.peer_port);
        self.options.place = Some(place);
    }

    /// Another data directory, from the next start on.
    pub fn set_data_dir(&mut self, data_dir: PathBuf) {
        self.options.data_dir = Some(data_dir);
    }

    /// Flags for the next start, instead of those so far.
    pub fn set_flags(&mut self, flags: Vec<String>) {
        self.options.flags = flags;
    }

    /// The flags beside the usual ones.
    pub fn flags(&self) -> &[String] {
        &self.options.flags
    }

    /// The program it runs.
    pub fn program(&self) -> Program {
        self.program
    }

    /// Asks the process to stop (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// When it is not running or does not stop within half a minute.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait_exit(STOP_LIMIT)
    }

    /// Sends a signal to the running process.
    ///
    /// # Errors
    /// When it is not running.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.pid()?, signal)?)
    }

    /// Waits until the process ends by itself.
    ///
    /// # Errors
    /// When it is not running or outlives `limit`.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + limit;
        let child = self.child.as_mut().context("the member is not running")?;
        loop {
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("the member did not stop in {limit:?}; {}", self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The client address, `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The client address without a scheme.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.client_port)
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.options.data_dir.clone().unwrap_or_else(|| self.folder.path().join("data"))
    }

    /// The member's own temporary folder, removed at the end.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All the member has written to standard output and error, over all its starts.
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(self.log_path()) {
            let _ = file.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Resident memory in KiB.
    ///
    /// # Errors
    /// When the process is not running.
    pub fn resident_kib(&self) -> Result<u64> {
        self.status_kib("VmRSS:")
    }

    /// The most memory this process has ever had resident, in KiB.
    ///
    /// # Errors
    /// When the process is not running.
    pub fn resident_peak_kib(&self) -> Result<u64> {
        self.status_kib("VmHWM:")
    }

    fn status_kib(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|text| text.parse().ok()).with_context(|| format!("no {name} in /proc"))
    }

    /// Waits until the member tells its last versions: etcd serves before the members have agreed
    /// on one, and that of its storage follows later.
    ///
    /// # Errors
    /// When that takes too long, or the member cannot be asked.
    pub fn wait_for_versions(&self) -> Result<()> {
        let end = Instant::now() + VERSIONS_LIMIT;
        loop {
            let (_, told) = self.http_get("/version")?;
            if told.contains("\"storage\":\"3.7.0\"") {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("still {told}; {}", self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `GET path` on the client port: status code and body.
    ///
    /// # Errors
    /// When the connection fails or the answer is not HTTP.
    pub fn http_get(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.address())?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let host = self.address();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").context("no end of the HTTP head")?;
        let code = head.split_whitespace().nth(1).and_then(|text| text.parse().ok());
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { join_chunks(body)? } else { body.to_owned() };
        Ok((code.context("no HTTP status")?, body))
    }

    /// Prints what the log says of a panic, if anything.
    pub fn show_crash(&self) {
        let log = self.log();
        let crash = log.lines().skip_while(|line| !line.contains("panic")).take(20);
        for line in crash {
            eprintln!("{:?}: {line}", self.program);
        }
    }

    fn pid(&self) -> Result<Pid> {
        let child = self.child.as_ref().context("the member is not running")?;
        Ok(Pid::from_child(child))
    }

    /// The file of that.
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("member.log")
    }

    /// The log's last lines, for messages.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(15)..];
        format!("the end of its log:\n{}", tail.join("\n"))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{:?}: {}", self.program, self.log_tail());
        }
    }
}

/// A body without the length line before each of its chunks.
fn join_chunks(mut chunks: &str) -> Result<String> {
    let mut body = String::new();
    loop {
        let (length, rest) = chunks.split_once("\r\n").context("a chunk without its length")?;
        match usize::from_str_radix(length, 16)? {
            0 => return Ok(body),
            length => {
                body.push_str(rest.get(..length).context("a chunk cut short")?);
                chunks = rest.get(length + 2..).context("a chunk without its end")?;
            }
        }
    }
}

fn program_path(program: Program) -> PathBuf {
    match program {
        Program::Ketch => binaries::path("ketch"),
        Program::Etcd => peers::find("etcd").expect("callers have asked peers::find before"),
        Program::EtcdOld => peers::find("etcd-3.6").expect("callers have asked before"),
    }
}
