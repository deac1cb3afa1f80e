//! One whole member on a disk that loses power: what a server does with a node, its workers and
//! its storage, one step at a time.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ketch_apply::{Config as MachineConfig, Machine};
use ketch_backend::{Backend, Config as BackendConfig, Drain};
use ketch_base::{ClusterId, Index, MemberId};
use ketch_env::sim::SimDisk;
use ketch_env::{Disk, Open};
use ketch_node::export::{self, Buckets};
use ketch_node::install::{self, prepared_name, received_name};
use ketch_node::recover::{self, Begin, Kept};
use ketch_node::{
    ApplyJob, ApplyWorker, Effect, Event, LogJob, LogWorker, Node, RaftConfig, Settings,
};
use ketch_raft_proto::raftpb::{Message, Snapshot, SnapshotMetadata};
use ketch_snapshot::Export;
use ketch_wal::Config as LogConfig;

pub(crate) const CLUSTER: ClusterId = ClusterId(77);
/// Room for the log in memory.
pub(crate) const TAIL_BYTES: usize = 64 * 1024;
const SNAP: &str = "/member/snap";
const WAL: &str = "/member/wal";

/// Where in taking up a snapshot the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Received,
    Prepared,
    Accepted,
    Marked,
    Renamed,
    Reloaded,
}

pub(crate) const CUTS: [Cut; 6] =
    [Cut::Received, Cut::Prepared, Cut::Accepted, Cut::Marked, Cut::Renamed, Cut::Reloaded];

enum Task {
    Apply(ApplyJob),
    Install(SnapshotMetadata),
}

/// A snapshot on its way: the message, and the file behind it.
pub(crate) struct Parcel {
    pub(crate) message: Message,
    pub(crate) file: Vec<u8>,
}

/// What leaves a member.
#[derive(Default)]
pub(crate) struct Outgoing {
    pub(crate) messages: Vec<Message>,
    pub(crate) parcels: Vec<Parcel>,
    pub(crate) refused: Vec<(u64, ketch_base::Code)>,
    pub(crate) reads: Vec<(u64, Index)>,
    pub(crate) removed_self: bool,
}

pub(crate) struct Member {
    pub(crate) id: u64,
    pub(crate) disk: SimDisk,
    pub(crate) node: Node,
    log: LogWorker,
    pub(crate) apply: ApplyWorker,
    backend: Backend,
    drain: Drain,
    jobs: VecDeque<LogJob>,
    tasks: VecDeque<Task>,
    pub(crate) events: VecDeque<Event>,
    /// Whether the apply worker stands still.
    pub(crate) apply_stalls: bool,
    /// Whether the log worker stands still.
    pub(crate) log_stalls: bool,
}

fn settings(seed: u64) -> Settings {
    Settings {
        snapshot_count_entries: 10,
        catchup_entries: 5,
        tail_bytes: TAIL_BYTES,
        first_question: seed << 40,
        ..Settings::default()
    }
}

/// Opens the database, and takes up a snapshot that was prepared in an earlier life.
fn storage(disk: &Arc<dyn Disk>) -> (Backend, Drain) {
    let snap = Path::new(SNAP);
    disk.create_dir_all(snap).expect("a sound disk");
    let path = snap.join("ketch.redb");
    let opened = Backend::open(Arc::clone(disk), &path, BackendConfig::default());
    let (backend, mut drain) = opened.expect("power cuts are no damage");
    if let Some((index, path)) = install::pending(&**disk, snap)
        && index > backend.durable().index
    {
        drain.install(&path).expect("a prepared database is whole");
    }
    install::sweep(&**disk, snap).expect("a sound disk");
    (backend, drain)
}

impl Member {
    /// One life: everything is read from the disk.
    pub(crate) fn start(id: u64, disk: &SimDisk, begin: Option<&Begin>, seed: u64) -> Self {
        let sim = disk.clone();
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let (backend, drain) = storage(&disk);
        let config = LogConfig { segment_bytes: 64 * 1024, ..LogConfig::default() };
        let kept = backend.durable().index;
        let log = recover::open(&disk, Path::new(WAL), config, begin, kept, 5);
        let log = log.expect("power cuts are no damage");
        assert_eq!((log.member, log.cluster), (MemberId(id), CLUSTER));
        let machine = MachineConfig { local: log.member, ..MachineConfig::default() };
        let machine = Machine::open(backend.clone(), machine).expect("a sound database");
        let (index, term) = machine.applied();
        let conf_state = machine.conf_state().clone();
        let started = log.join(Kept { index, term, conf_state }).expect("they fit together");
        let config = RaftConfig { stall_ticks: 10, ..RaftConfig::new(MemberId(id), seed) };
        let node = Node::start(config, settings(seed), started.restored, started.marked);
        Self {
            id,
            disk: sim,
            node: node.expect("a sound start"),
            log: LogWorker::new(started.writer),
            apply: ApplyWorker::new(machine),
            backend,
            drain,
            jobs: VecDeque::new(),
            tasks: VecDeque::new(),
            events: VecDeque::new(),
            apply_stalls: false,
            log_stalls: false,
        }
    }

    /// Hands in what happened and does all that comes of it; `true` if anything did. Stops before
    /// what follows `cut`, and says so.
    pub(crate) fn turn(&mut self, out: &mut Outgoing, cut: Option<Cut>) -> Result<bool, Cut> {
        let mut effects = Vec::new();
        let mut moved = !self.events.is_empty();
        for event in self.events.drain(..) {
            self.node.handle(event, &mut effects);
        }
        self.node.flush(&mut effects);
        moved |= !effects.is_empty();
        for effect in effects {
            self.sort(effect, out);
        }
        if cut == Some(Cut::Accepted) && self.is_installing() {
            return Err(Cut::Accepted);
        }
        moved |= self.write();
        if cut == Some(Cut::Marked) && self.is_installing() {
            return Err(Cut::Marked);
        }
        while let Some(task) = self.tasks.pop_front_if(|_| !self.apply_stalls) {
            self.carry_out(task, out, cut)?;
            moved = true;
        }
        Ok(moved)
    }

    fn is_installing(&self) -> bool {
        self.tasks.iter().any(|task| matches!(task, Task::Install(_)))
    }

    fn sort(&mut self, effect: Effect, out: &mut Outgoing) {
        match effect {
            Effect::Append(job) => self.jobs.push_back(job),
            Effect::Apply(job) => self.tasks.push_back(Task::Apply(job)),
            Effect::Install(metadata) => self.tasks.push_back(Task::Install(metadata)),
            Effect::Send(messages) => out.messages.extend(messages),
            Effect::SendSnapshot(message) => out.parcels.push(self.pack(*message)),
            Effect::Refused { id, code } => out.refused.push((id.0, code)),
            Effect::ReadReady { token, index } => out.reads.push((token, index)),
            Effect::Fatal(error) => panic!("{}: fatal: {error}", self.id),
            Effect::ReadRefused { .. } | Effect::Leader { .. } | Effect::Stopped => {}
        }
    }

    fn write(&mut self) -> bool {
        if self.jobs.is_empty() || self.log_stalls {
            return false;
        }
        let jobs = self.jobs.drain(..).collect();
        self.events.extend(self.log.run(jobs).expect("a sound disk"));
        true
    }

    fn carry_out(&mut self, task: Task, out: &mut Outgoing, cut: Option<Cut>) -> Result<(), Cut> {
        match task {
            Task::Apply(job) => {
                let removed = &mut out.removed_self;
                let event = self.apply.run(job, &mut |applied| {
                    *removed |= applied.change.is_some_and(|change| change.removed_self);
                });
                self.events.push_back(event.expect("a sound state"));
            }
            Task::Install(metadata) => {
                self.drain.install(&self.prepared(&metadata)).expect("a whole database");
                if cut == Some(Cut::Renamed) {
                    return Err(Cut::Renamed);
                }
                let event = self.apply.install(&metadata).expect("the announced state");
                if cut == Some(Cut::Reloaded) {
                    return Err(Cut::Reloaded);
                }
                let disk: &dyn Disk = &self.disk;
                install::sweep_through(disk, Path::new(SNAP), Index(metadata.index()))
                    .expect("a sound disk");
                self.events.push_back(event);
            }
        }
        Ok(())
    }

    /// What is in memory becomes durable, and the node hears of it.
    pub(crate) fn drain(&mut self) {
        while self.drain.step().expect("a sound disk").more {}
        self.events.push_back(Event::Durable { index: self.backend.durable().index });
    }

    fn prepared(&self, metadata: &SnapshotMetadata) -> PathBuf {
        Path::new(SNAP).join(prepared_name(Index(metadata.index())))
    }

    /// The state itself behind a snapshot's message, at the place where it stands now.
    fn pack(&self, mut message: Message) -> Parcel {
        let view = self.backend.view();
        let metadata = export::point(&view).expect("sound rows");
        let asked = message.snapshot.as_ref().and_then(|snapshot| snapshot.metadata.as_ref());
        assert!(asked.is_some_and(|asked| asked.index() <= metadata.index()));
        let data = export::v2_json(&view).expect("sound rows");
        message.snapshot = Some(Snapshot { data: Some(data), metadata: Some(metadata) });
        let mut export = Export::plan(Buckets(view)).expect("sound rows");
        let mut file = Vec::new();
        while let Some(chunk) = export.next_chunk().expect("sound rows") {
            file.extend_from_slice(&chunk);
        }
        Parcel { message, file }
    }

    /// A parcel arrives: it is stored and made into a database before the node hears of it.
    pub(crate) fn receive(&mut self, parcel: &Parcel, cut: Option<Cut>) -> Result<(), Cut> {
        let snapshot = parcel.message.snapshot.clone().unwrap_or_default();
        let metadata = snapshot.metadata.unwrap_or_default();
        let path = Path::new(SNAP).join(received_name(Index(metadata.index())));
        let file = self.disk.open(&path, Open::Create).expect("a sound disk");
        file.write_at(&parcel.file, 0).and_then(|()| file.sync_all()).expect("a sound disk");
        self.disk.sync_dir(Path::new(SNAP)).expect("a sound disk");
        if cut == Some(Cut::Received) {
            return Err(Cut::Received);
        }
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let to = self.prepared(&metadata);
        install::prepare(&disk, &path, &to, &metadata).expect("as it was sent");
        if cut == Some(Cut::Prepared) {
            return Err(Cut::Prepared);
        }
        self.events.push_back(Event::Message(Box::new(parcel.message.clone())));
        Ok(())
    }
}
