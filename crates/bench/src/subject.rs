//! What is measured: one member or a cluster of them, each a process on a fresh directory.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::connection::Connection;
use crate::load::{self, Outcome, Plan};
use crate::process::{Place, Process, Program, Usage};
use crate::workload::{self, Work};

/// How long a single call may take.
const ASK_PATIENCE: Duration = Duration::from_secs(120);
/// How long a start on much data may take.
const RESTART_PATIENCE: Duration = Duration::from_secs(120);
/// How long a start may take.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Running members and the directory under them, which goes with them.
pub(crate) struct Subject {
    members: Vec<Process>,
    /// Where the leader was when last looked for.
    leader: usize,
    directory: tempfile::TempDir,
}

impl Subject {
    /// Starts so many members on empty directories under `base`; returns when all are healthy and
    /// one leads.
    pub(crate) fn start(program: &Program, base: &Path, members: usize) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix(program.name).tempdir_in(base)?;
        let names = (1..=members).map(|number| format!("m{number}"));
        let places: Vec<Place> =
            names.map(|name| Place::find(&name, directory.path())).collect::<Result<_>>()?;
        let pairs: Vec<String> =
            places.iter().map(|place| format!("{}=http://{}", place.name, place.peer)).collect();
        let cluster = pairs.join(",");
        let start = |place: &Place| Process::start(program, place, &cluster);
        let members = places.iter().map(start).collect::<Result<_>>()?;
        let mut subject = Self { members, leader: 0, directory };
        subject.wait_healthy()?;
        Ok(subject)
    }

    /// Waits until every member serves and one leads.
    pub(crate) fn wait_healthy(&mut self) -> Result<()> {
        for member in &mut self.members {
            member.wait_healthy(START_PATIENCE)?;
        }
        let since = Instant::now();
        loop {
            if let Some(leader) = self.members.iter().position(Process::leads) {
                self.leader = leader;
                return Ok(());
            }
            if since.elapsed() > START_PATIENCE {
                bail!("nobody leads after {START_PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The leader's address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.members[self.leader].address()
    }

    /// Where a member's files are.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Every member's address.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.members.iter().map(Process::address).collect()
    }

    /// The leader's process.
    pub(crate) fn leader(&mut self) -> &mut Process {
        &mut self.members[self.leader]
    }

    /// A process that does not lead.
    pub(crate) fn follower(&mut self) -> Result<&mut Process> {
        let leader = self.leader;
        let mut others = self.members.iter_mut().enumerate().filter(|(at, _)| *at != leader);
        others.next().map(|(_, process)| process).context("a member alone has no follower")
    }

    /// What all members used so far, together.
    pub(crate) fn usage(&self, count_syncs: bool) -> Result<Usage> {
        let mut sum = Usage::default();
        for member in &self.members {
            let one = member.usage(count_syncs)?;
            sum.cpu_us += one.cpu_us;
            sum.written_bytes += one.written_bytes;
            sum.syncs += one.syncs;
            sum.io_calls += one.io_calls;
        }
        Ok(sum)
    }

    /// Process ids of the members.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.members.iter().map(Process::id).collect()
    }

    /// One call on a connection of its own; a refusal is an error.
    pub(crate) fn once(&self, mut work: impl Work) -> Result<Outcome> {
        load::run(&[self.address()], &mut work, Plan::calls(1, 1, 1))?.all_right()
    }

    /// One call, and its answer decoded.
    pub(crate) fn ask<A: prost::Message + Default>(
        &self,
        method: &str,
        message: &impl prost::Message,
    ) -> Result<A> {
        self.ask_as(None, method, message)
    }

    /// The same by somebody who logged in.
    pub(crate) fn ask_as<A: prost::Message + Default>(
        &self,
        token: Option<&str>,
        method: &str,
        message: &impl prost::Message,
    ) -> Result<A> {
        let mut connection = Connection::open(self.address())?;
        let block = workload::block(method, token);
        connection.call(&block, &message.encode_to_vec(), 0, Instant::now());
        let mut answer = None;
        let since = Instant::now();
        while answer.is_none() {
            ensure!(since.elapsed() < ASK_PATIENCE, "{method} was not answered");
            connection.flush()?;
            connection.receive(&mut |got| {
                answer = Some(got.ok.then(|| A::decode(got.message)));
            })?;
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(answer.flatten().with_context(|| format!("{method} was refused"))??)
    }

    /// Stops the leader as a service manager would, starts it again and waits for the first
    /// linearizable read; gives the time from start to read. `cold` takes the files out of the
    /// page cache before.
    pub(crate) fn stop_and_restart(&mut self, cold: bool) -> Result<Duration> {
        self.leader().stop()?;
        if cold {
            forget_files(self.directory())?;
        }
        let leader = self.leader();
        let started = Instant::now();
        leader.restart()?;
        leader.wait_healthy(RESTART_PATIENCE)?;
        Ok(started.elapsed())
    }

    /// kill -9 of the leader, start again on the same directory, and wait for the first
    /// linearizable read; gives the time from start to read.
    pub(crate) fn crash_and_restart(&mut self) -> Result<Duration> {
        let leader = self.leader();
        leader.kill()?;
        let started = Instant::now();
        leader.restart()?;
        leader.wait_healthy(RESTART_PATIENCE)?;
        Ok(started.elapsed())
    }
}

/// Takes all files under a directory out of the page cache.
fn forget_files(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            forget_files(&path)?;
        } else {
            let file = std::fs::File::open(&path)?;
            file.sync_all()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}
