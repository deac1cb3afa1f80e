//! A cluster of several members, each of a kind: founded, grown, stopped, cut, compared.
//!
//! A seat is a member's place by number; it keeps its number when the member is removed, and
//! added members get new ones. All members talk through `wires`. A cluster that is dropped before
//! `finish` leaves its logs behind and prints where.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use ketch_proto::etcdserverpb::{
    MemberAddRequest, MemberAddResponse, MemberRemoveRequest, MemberRemoveResponse, StatusResponse,
};
use rustix::process::Signal;

use crate::client::Client;
use crate::process::{Member, Options, Place, Program};
use crate::wires::Wires;
use crate::{peers, ports};

mod rest;
mod tls;

pub use tls::{Papers, Tls, member};

/// Short timings, so that elections take no time worth waiting for.
pub const QUICK: &[&str] = &["--heartbeat-interval", "40", "--election-timeout", "400"];
/// How long a cluster may take to come to rest: a hang, not a measure.
pub const PATIENCE: Duration = Duration::from_secs(60);
const STATUS_LIMIT: Duration = Duration::from_secs(2);

/// One member and how to reach it.
#[derive(Debug)]
pub struct Seat {
    /// Its process.
    pub member: Member,
    /// Its API.
    pub client: Client,
    /// Its relay, by which `Wires` names it.
    pub front: u16,
    place: Place,
}

impl Seat {
    /// The URL other members know.
    pub fn peer_url(&self) -> &str {
        &self.place.peer_url
    }

    /// The port it listens on for members, behind its relay.
    pub fn peer_port(&self) -> u16 {
        self.place.peer_port
    }

    /// Its `--name`.
    pub fn name(&self) -> &str {
        &self.place.name
    }
}

/// Ports of a seat, to be used by one cluster after the other: member ids hash the relay's URL.
#[derive(Debug, Clone, Copy)]
pub struct SeatPorts {
    client: u16,
    peer: u16,
    front: u16,
}

impl SeatPorts {
    /// Free ones.
    pub fn free() -> Self {
        let [client, peer, front] = [(); 3].map(|()| ports::free_port());
        Self { client, peer, front }
    }
}

/// Members of one cluster.
#[derive(Debug)]
pub struct Cluster {
    seats: Vec<Seat>,
    /// What lies between them.
    pub wires: Wires,
    flags: Vec<String>,
    tls: Tls,
    is_finished: bool,
}

/// Whether the programs that these kinds need are there; says so if not.
pub fn can_run(kinds: &[Program]) -> bool {
    kinds.iter().all(|kind| match kind {
        Program::Ketch => true,
        Program::Etcd => peers::find("etcd").is_some(),
        Program::EtcdOld => peers::find("etcd-3.6").is_some(),
    })
}

impl Cluster {
    /// Founds a cluster with `QUICK` timings and more flags; returns when it has a leader.
    ///
    /// # Errors
    /// When a member ends or no leader comes.
    pub async fn start(kinds: &[Program], flags: &[&str]) -> Result<Self> {
        let seats: Vec<SeatPorts> = kinds.iter().map(|_| SeatPorts::free()).collect();
        Self::start_on(kinds, flags, &seats).await
    }

    /// As `start`, secured.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_secured(kinds: &[Program], flags: &[&str], tls: &Tls) -> Result<Self> {
        let seats: Vec<SeatPorts> = kinds.iter().map(|_| SeatPorts::free()).collect();
        let mut cluster = Self::prepare_secured(kinds, flags, &seats, tls)?;
        cluster.spawn_all()?;
        cluster.wait_leader().await?;
        Ok(cluster)
    }

    /// As `start`, on given ports.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_on(kinds: &[Program], flags: &[&str], on: &[SeatPorts]) -> Result<Self> {
        let mut cluster = Self::prepare(kinds, flags, on)?;
        cluster.spawn_all()?;
        cluster.wait_leader().await?;
        Ok(cluster)
    }

    /// A cluster whose members are not started.
    ///
    /// # Errors
    /// When no folder or relay can be made.
    pub fn prepare(kinds: &[Program], flags: &[&str], on: &[SeatPorts]) -> Result<Self> {
        Self::prepare_secured(kinds, flags, on, &Tls::default())
    }

    /// As `prepare`, secured. What the wires do to one direction or one pair needs to read who
    /// dials, which they cannot where peer URLs are https.
    ///
    /// # Errors
    /// As `prepare`.
    pub fn prepare_secured(
        kinds: &[Program],
        flags: &[&str],
        on: &[SeatPorts],
        tls: &Tls,
    ) -> Result<Self> {
        let flags = [QUICK, flags].concat().iter().map(|flag| (*flag).to_owned()).collect();
        let (seats, wires, tls) = (Vec::new(), Wires::new()?, tls.clone());
        let mut cluster = Self { seats, wires, flags, tls, is_finished: false };
        let url = |ports: &SeatPorts| cluster.url(ports.front);
        let all: Vec<String> =
            on.iter().enumerate().map(|(at, ports)| format!("m{at}={}", url(ports))).collect();
        let bootstrap = vec!["--initial-cluster".to_owned(), all.join(",")];
        for (kind, ports) in kinds.iter().zip(on) {
            cluster.sit(*kind, ports, bootstrap.clone())?;
        }
        Ok(cluster)
    }

    fn url(&self, front: u16) -> String {
        format!("{}://127.0.0.1:{front}", self.tls.scheme())
    }

    fn sit(&mut self, kind: Program, ports: &SeatPorts, bootstrap: Vec<String>) -> Result<usize> {
        let place = Place {
            name: format!("m{}", self.seats.len()),
            client_port: ports.client,
            peer_port: ports.peer,
            peer_url: self.url(ports.front),
            bootstrap,
        };
        let flags = self.flags.iter().cloned().chain(self.tls.flags_of(self.seats.len()));
        let options =
            Options { flags: flags.collect(), place: Some(place.clone()), ..Options::default() };
        let member = Member::prepare(kind, options)?;
        let client = Client::new(&member.endpoint())?;
        self.wires.attach(ports.front, ports.peer)?;
        self.seats.push(Seat { member, client, front: ports.front, place });
        Ok(self.seats.len() - 1)
    }

    /// The flags of every member.
    pub fn flags(&self) -> &[String] {
        &self.flags
    }

    /// Gives a member a second relay, which it advertises from its next start on; its URL.
    ///
    /// # Errors
    /// When there is no such port.
    pub fn relay_again(&mut self, at: usize) -> Result<String> {
        let front = ports::free_port();
        let url = self.url(front);
        let seat = &mut self.seats[at];
        self.wires.attach(front, seat.place.peer_port)?;
        seat.place.peer_url = url;
        seat.member.set_place(seat.place.clone());
        Ok(seat.place.peer_url.clone())
    }

    /// Makes the data directory of every member out of a snapshot: its own of these, or the last.
    ///
    /// # Errors
    /// When `etcdutl` or `ketchutl` fails.
    pub fn restore(&self, snapshots: &[&Path], flags: &[&str]) -> Result<()> {
        for (at, seat) in self.seats.iter().enumerate() {
            let own = snapshots.get(at).or(snapshots.last()).context("a snapshot")?;
            let mut command = Command::new(seat.member.program().utl());
            command.args(["snapshot", "restore"]).arg(own);
            command.arg("--data-dir").arg(seat.member.data_dir());
            command.args(["--name", &seat.place.name, "--initial-cluster-token", "tok"]);
            command.args(["--initial-advertise-peer-urls", &seat.place.peer_url]);
            let output = command.args(&seat.place.bootstrap).args(flags).output()?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(output.status.success(), "restoring m{at}: {said}");
        }
        Ok(())
    }

    /// More flags for one member, from its next start on; of two that say the same the last counts.
    pub fn add_flags(&mut self, at: usize, flags: &[&str]) {
        let mut all = self.seats[at].member.flags().to_vec();
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self.seats[at].member.set_flags(all);
    }

    /// How members told to join by other means than `--initial-cluster` are told to.
    pub fn set_bootstrap(&mut self, flags: &[&str]) {
        for seat in &mut self.seats {
            seat.place.bootstrap = flags.iter().map(|flag| (*flag).to_owned()).collect();
            seat.member.set_place(seat.place.clone());
        }
    }

    /// Starts every process and does not wait.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn spawn_all(&mut self) -> Result<()> {
        self.seats.iter_mut().try_for_each(|seat| seat.member.spawn())
    }

    /// All seats, those of removed members too.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// One seat.
    pub fn seat(&mut self, at: usize) -> &mut Seat {
        &mut self.seats[at]
    }

    /// The numbers of seats whose process runs.
    pub fn running(&self) -> Vec<usize> {
        let up = |at: &usize| self.seats[*at].member.is_up();
        (0..self.seats.len()).filter(up).collect()
    }

    /// The API of one member.
    pub fn client(&self, at: usize) -> &Client {
        &self.seats[at].client
    }

    /// Client addresses of the running members.
    pub fn endpoints(&self) -> Vec<String> {
        self.running().into_iter().map(|at| self.seats[at].member.endpoint()).collect()
    }

    /// Member ids by seat name, as one member sees them.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn id(&self, at: usize) -> Result<u64> {
        let status = self.status(at).await?;
        Ok(status.header.context("a status without header")?.member_id)
    }

    /// What a member says of itself, soon.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self, at: usize) -> Result<StatusResponse> {
        let answer = self.seats[at].client.within(STATUS_LIMIT).status().await;
        answer.map_err(|refusal| anyhow!("status of m{at}: {refusal:?}"))
    }

    /// Kills at once (SIGKILL).
    pub fn kill(&mut self, at: usize) {
        self.seats[at].member.kill();
    }

    /// Stops the process where it is (SIGSTOP).
    ///
    /// # Errors
    /// When it is not running.
    pub fn pause(&self, at: usize) -> Result<()> {
        self.seats[at].member.signal(Signal::STOP)
    }

    /// Lets a paused process go on (SIGCONT).
    ///
    /// # Errors
    /// When it is not running.
    pub fn go_on(&self, at: usize) -> Result<()> {
        self.seats[at].member.signal(Signal::CONT)
    }

    /// Starts a process on what it has kept, and waits until it knows a leader.
    ///
    /// # Errors
    /// When it ends or finds none.
    pub async fn restart(&mut self, at: usize) -> Result<()> {
        self.seats[at].member.spawn()?;
        self.wait_ready(at).await
    }

    /// Adds a member through `by` and prepares its process; it is not started.
    ///
    /// # Errors
    /// When the cluster refuses within `PATIENCE`: a member just started counts as unhealthy for
    /// some seconds, and only the strict check's own refusals are tried again.
    pub async fn add(&mut self, by: usize, kind: Program, is_learner: bool) -> Result<usize> {
        self.add_on(by, kind, is_learner, SeatPorts::free()).await
    }

    /// As `add`, on given ports.
    ///
    /// # Errors
    /// As `add`.
    pub async fn add_on(
        &mut self,
        by: usize,
        kind: Program,
        is_learner: bool,
        ports: SeatPorts,
    ) -> Result<usize> {
        let url = self.url(ports.front);
        let ask = MemberAddRequest { peer_ur_ls: vec![url.clone()], is_learner };
        let client = self.seats[by].client.clone();
        let added: MemberAddResponse = until_healthy(|| client.call("Cluster/MemberAdd", &ask))
            .await
            .with_context(|| format!("adding a member by m{by}"))?;
        let new = added.member.as_ref().context("an added member")?.id;
        let name = format!("m{}", self.seats.len());
        let known = added.members.iter().flat_map(|member| {
            let name = if member.id == new { &name } else { &member.name };
            member.peer_ur_ls.iter().map(move |url| format!("{name}={url}"))
        });
        let known: Vec<String> = known.collect();
        let flags = ["--initial-cluster", &known.join(","), "--initial-cluster-state", "existing"];
        self.sit(kind, &ports, flags.map(str::to_owned).to_vec())
    }

    /// Adds a member and waits until it serves.
    ///
    /// # Errors
    /// When the cluster refuses or the process ends.
    pub async fn grow(&mut self, by: usize, kind: Program) -> Result<usize> {
        let at = self.add(by, kind, false).await?;
        self.restart(at).await?;
        Ok(at)
    }

    /// Removes a member through `by`; its process is left to stop by itself.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn remove(&mut self, by: usize, gone: usize) -> Result<()> {
        let id = self.id(gone).await?;
        self.remove_id(by, id).await
    }

    /// As `remove`, of a member that may be down.
    ///
    /// # Errors
    /// As `remove`.
    pub async fn remove_id(&mut self, by: usize, id: u64) -> Result<()> {
        let client = self.seats[by].client.clone();
        let ask = MemberRemoveRequest { id };
        let _: MemberRemoveResponse = until_healthy(|| client.call("Cluster/MemberRemove", &ask))
            .await
            .with_context(|| format!("removing {id:x} by m{by}"))?;
        Ok(())
    }

    /// The good end of a test: nobody has panicked. Without it the logs are kept.
    ///
    /// # Errors
    /// When a log tells of a panic.
    pub fn finish(mut self) -> Result<()> {
        for seat in &mut self.seats {
            seat.member.kill();
        }
        for seat in &self.seats {
            let log = seat.member.log();
            let panicked =
                log.lines().any(|line| line.starts_with("panic") || line.contains("panicked at"));
            ensure!(!panicked, "{} panicked; {}", seat.place.name, seat.member.log_tail());
        }
        self.is_finished = true;
        Ok(())
    }

    fn keep_logs(&self) -> std::io::Result<PathBuf> {
        let stamp = format!("ketch-logs-{}-{}", std::process::id(), self.seats[0].front);
        let folder = std::env::temp_dir().join(stamp);
        std::fs::create_dir_all(&folder)?;
        for seat in &self.seats {
            let name = format!("{}-{:?}.log", seat.place.name, seat.member.program());
            copy_if_there(&seat.member.log_path(), &folder.join(name))?;
        }
        Ok(folder)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.is_finished && !self.seats.is_empty() {
            match self.keep_logs() {
                Ok(folder) => eprintln!("the members' logs are kept in {}", folder.display()),
                Err(why) => eprintln!("the members' logs are lost: {why}"),
            }
        }
    }
}

fn copy_if_there(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_file() {
        std::fs::copy(from, to)?;
    }
    Ok(())
}

/// Repeats a membership change that the strict check refuses for lack of health: connections of
/// members just started count as too young for five seconds.
async fn until_healthy<A>(call: impl AsyncFn() -> crate::rpc::Answer<A>) -> Result<A> {
    let end = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(refusal) => {
                let again = ["unhealthy cluster", "re-configuration failed due to not enough"];
                let is_young = again.iter().any(|text| refusal.message.contains(text));
                ensure!(is_young && Instant::now() < end, "{refusal:?}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
