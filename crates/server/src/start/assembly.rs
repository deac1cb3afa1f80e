//! The parts of a member put together: mailboxes between threads, each thread with its state.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use ketch_api::{ConnectionConfig, Edge, EdgeConfig};
use ketch_apply::RequestIds;
use ketch_audit::{Identity, Log};
use ketch_auth::AuthStore;
use ketch_base::{Index, limits};
use ketch_env::Disk;
use ketch_env::real::RealDisk;
use ketch_env::unsynced::UnsyncedDisk;
use ketch_mvcc::watch::{Config as HubConfig, Hub};
use ketch_node::{ApplyWorker, LogJob, LogWorker, Node, RaftConfig, Settings};

use super::Running;
use super::storage::Storage;
use crate::config::Config;
use crate::exit::{Ending, Exit};
use crate::lanes::Lanes;
use crate::listen::Listening;
use crate::mailbox::{Receiver, Sender, mailbox};
use crate::member::{Clock, Member, Options, Readers};
use crate::metrics::Counters;
use crate::passwords::Passwords;
use crate::progress::Progress;
use crate::read_gate::ReadGate;
use crate::reload::Reload;
use crate::security::Security;
use crate::threads::{
    Applier, ApplyTask, Applying, BackendJob, BackendThread, CompactorThread, LogThread, NodeTask,
    Peers, Place, Pressure, Sinks, Standing, Turn, Turns, Wake, WatchJob, WatchThread,
    prepare_segments,
};
use crate::tokens::Tokens;
use crate::waiters::Waiters;

/// How long a request may take beside two elections (etcd).
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// The threads below the node.
pub(super) struct CoreThreads {
    pub(super) log: JoinHandle<()>,
    pub(super) apply: JoinHandle<()>,
    pub(super) backend: JoinHandle<()>,
    pub(super) watch: JoinHandle<()>,
    pub(super) compactor: JoinHandle<()>,
}

/// The receiving ends, until the threads take them.
struct Boxes {
    log_jobs: Receiver<LogJob>,
    tasks: Receiver<ApplyTask>,
    backend_jobs: Receiver<BackendJob>,
    watch_jobs: Receiver<WatchJob>,
    wake: Receiver<Wake>,
}

/// Starts every thread; `listeners` are the peer ports.
pub(super) fn assemble(
    config: Config,
    storage: Storage,
    listeners: Vec<Listening>,
    security: &Security,
    exit: Exit,
) -> Result<Running> {
    let (node_box, node_tasks) = mailbox(limits::NODE_MAILBOX_EVENTS);
    let (log, log_jobs) = mailbox(limits::WORKER_MAILBOX_JOBS);
    let (apply, tasks) = mailbox(limits::WORKER_MAILBOX_JOBS);
    let (backend_box, backend_jobs) = mailbox(limits::WORKER_MAILBOX_JOBS);
    let (watch_box, watch_jobs) = mailbox(limits::NODE_MAILBOX_EVENTS);
    let (compactor, wake) = mailbox(1);
    let boxes = Boxes { log_jobs, tasks, backend_jobs, watch_jobs, wake };
    let (finished, compacted) =
        tokio::sync::watch::channel(storage.machine.reader().finished_compaction());
    let letters = Letters { node: node_box, node_tasks, backend: backend_box, watch: watch_box };
    let auth = auth_parts(&config, &storage)?;
    let member = member(&config, &storage, letters, compacted, exit, auth);
    let is_restart = storage.machine.applied().0 != Index(0);
    if storage.is_removed {
        member.exit.ask(Ending::Removed);
    }
    let place = Place::new(disk(&config), snap_dir(&config));
    let peers = Peers::start(&config, &member, place, listeners, security.peers.clone())?;
    let _ = member.links.set(peers.links.clone());
    let threads = Threads {
        config: &config,
        member: &member,
        peers: &peers,
        log: &log,
        apply: &apply,
        compactor: &compactor,
    };
    let (node_thread, core_threads) = threads.spawn(storage, boxes, finished)?;
    let reload = Reload::new(security, &member);
    let edge = Edge::new(Arc::clone(&member), edge_config(&config));
    let lanes = Lanes::start(lanes(), &member, &edge, &connection_config(&config))?;
    let background = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("background")
        .enable_all()
        .build()?;
    Ok(Running {
        config,
        member,
        edge,
        lanes,
        peers,
        background,
        log,
        apply,
        compactor,
        node_thread,
        core_threads,
        is_restart,
        reload,
    })
}

/// The mailboxes that the member itself posts to.
struct Letters {
    node: Sender<NodeTask>,
    node_tasks: Receiver<NodeTask>,
    backend: Sender<BackendJob>,
    watch: Sender<WatchJob>,
}

/// What the member needs to know callers, and to remember them.
struct AuthParts {
    store: AuthStore,
    tokens: Tokens,
    passwords: Passwords,
    audit: Option<Log>,
}

fn auth_parts(config: &Config, storage: &Storage) -> Result<AuthParts> {
    let tokens = Tokens::open(&config.auth_token)?;
    let store = storage.machine.auth();
    store.tokens().set_ttl_ms(u64::try_from(config.auth_token_ttl.as_millis())?);
    let passwords = Passwords::start(config.bcrypt_cost)?;
    let identity = Identity { member: storage.member.0, cluster: storage.cluster.0 };
    let open = |path: &PathBuf| Log::open(path, identity);
    let audit = config.audit_log.as_ref().map(open).transpose()?;
    Ok(AuthParts { store, tokens, passwords, audit })
}

/// The member as the lanes, the peers and the tickers see it.
fn member(
    config: &Config,
    storage: &Storage,
    letters: Letters,
    compacted: tokio::sync::watch::Receiver<i64>,
    exit: Exit,
    auth: AuthParts,
) -> Arc<Member> {
    let machine = &storage.machine;
    let progress = Progress::default();
    let applied = machine.applied().0.0;
    progress.set_applied(applied);
    progress.set_committed(applied);
    Arc::new(Member {
        id: storage.member,
        cluster: storage.cluster,
        options: Options {
            request_bytes_max: config.request_bytes_max,
            election: Duration::from_millis(config.election_ms),
            warning_unary: config.warning_unary,
            strict_reconfig: config.strict_reconfig_check,
        },
        backend_jobs: letters.backend,
        watch_jobs: letters.watch,
        backend: storage.backend.clone(),
        reader: machine.reader(),
        readers: Readers::new((lanes() / 2).max(1)),
        lessor: machine.lessor(),
        auth: auth.store,
        tokens: auth.tokens,
        passwords: auth.passwords,
        audit: auth.audit,
        shared: machine.shared(),
        request_ids: RequestIds::new(storage.member, unix_ms()),
        waiters: Arc::new(Waiters::new(request_timeout(config), lanes())),
        reads: Arc::new(ReadGate::new(letters.node.clone())),
        progress: Arc::new(progress),
        counters: Arc::new(Counters::new(config.metrics_extensive)),
        compacted,
        clock: Clock::start(),
        node: letters.node,
        turns: Arc::new(Turns::new(letters.node_tasks)),
        links: OnceLock::new(),
        exit,
    })
}

/// What the threads are made of.
struct Threads<'a> {
    config: &'a Config,
    member: &'a Arc<Member>,
    peers: &'a Peers,
    log: &'a Sender<LogJob>,
    apply: &'a Sender<ApplyTask>,
    compactor: &'a Sender<Wake>,
}

impl Threads<'_> {
    fn spawn(
        &self,
        storage: Storage,
        boxes: Boxes,
        finished: tokio::sync::watch::Sender<i64>,
    ) -> Result<(JoinHandle<()>, CoreThreads)> {
        let (config, member) = (self.config, self.member);
        let pressure = Arc::new(Pressure::default());
        let lessor = storage.machine.lessor();
        let standing = Standing::new(Arc::clone(member), storage.first_peers);
        // Before anything looks whether there are others.
        standing.changed();
        let hub_config = HubConfig {
            fragment_bytes: config.request_bytes_max + limits::GRPC_OVERHEAD_BYTES,
            ..HubConfig::default()
        };
        let hub = Hub::new(member.reader.clone(), hub_config);
        let watch =
            WatchThread { hub, jobs: boxes.watch_jobs, counters: Arc::clone(&member.counters) };
        let mut compactor = member.reader.compactor();
        compactor.set_batch_rows(config.compaction_batch_rows);
        let compactor = CompactorThread {
            compactor,
            wake: boxes.wake,
            finished,
            sleep: config.compaction_sleep,
            counters: Arc::clone(&member.counters),
        };
        let backend = BackendThread {
            drain: storage.drain,
            jobs: boxes.backend_jobs,
            node: member.node.clone(),
            pressure: Arc::clone(&pressure),
            interval: config.backend_batch_interval,
            counters: Arc::clone(&member.counters),
        };
        let applying = Arc::new(Applying::new(boxes.tasks));
        let applier = Applier {
            worker: ApplyWorker::new(storage.machine),
            node: member.node.clone(),
            sinks: self.sinks(pressure),
            lessor,
            clock: member.clock,
            lease_extend: Duration::from_millis(config.election_ms),
            disk: disk(config),
            snap_dir: snap_dir(config),
            standing,
        };
        let ahead = Arc::clone(&applying);
        let log = self.log_thread(storage.started.writer, boxes.log_jobs, ahead)?;
        let turn = self.turn(storage.started.restored, storage.started.marked)?;
        let turns = Arc::clone(&member.turns);
        let core = CoreThreads {
            watch: spawn("watch", move || watch.run())?,
            compactor: spawn("compactor", move || compactor.run())?,
            backend: spawn("backend", move || backend.run())?,
            apply: spawn("apply", move || applying.run(applier))?,
            log: spawn("log", move || log.run())?,
        };
        Ok((spawn("node", move || turns.run(turn))?, core))
    }

    fn sinks(&self, pressure: Arc<Pressure>) -> Sinks {
        let member = self.member;
        Sinks {
            member: Arc::clone(member),
            watch: member.watch_jobs.clone(),
            backend_jobs: member.backend_jobs.clone(),
            compactor: self.compactor.clone(),
            waiters: Arc::clone(&member.waiters),
            progress: Arc::clone(&member.progress),
            backend: member.backend.clone(),
            pressure,
            counters: Arc::clone(&member.counters),
            warning: self.config.warning_apply,
        }
    }

    fn log_thread(
        &self,
        writer: ketch_wal::Writer,
        jobs: Receiver<LogJob>,
        applying: Arc<Applying>,
    ) -> Result<LogThread> {
        let worker = LogWorker::new(writer);
        let preparer = worker.preparer();
        let (prepare, wanted) = mailbox(1);
        let ahead = preparer.clone();
        spawn("log-prepare", move || prepare_segments(&ahead, &wanted))?;
        let member = self.member;
        Ok(LogThread {
            worker,
            preparer,
            jobs,
            node: member.node.clone(),
            turns: Arc::clone(&member.turns),
            applying,
            counters: Arc::clone(&member.counters),
            prepare,
        })
    }

    fn turn(&self, restored: ketch_raft::Restored, marked: Index) -> Result<Turn> {
        let (config, member) = (self.config, self.member);
        let election_ticks = u32::try_from(config.election_ms / config.heartbeat_ms)?;
        let raft = RaftConfig {
            election_ticks,
            pre_vote: config.pre_vote,
            stall_ticks: election_ticks,
            ..RaftConfig::new(member.id, unix_ms() ^ member.id.0)
        };
        let timeout_ms = u64::try_from(member.waiters.patience().as_millis())?;
        let settings = Settings {
            snapshot_count_entries: config.snapshot_count_entries,
            catchup_entries: config.snapshot_catchup_entries,
            wait_ticks: timeout_ms / config.heartbeat_ms,
            first_question: member.request_ids.next().0,
            ..Settings::default()
        };
        let mut node = Node::start(raft, settings, restored, marked)?;
        // With others a leader may be there: see `background`.
        if config.election_tick_advance && !member.progress.has_others() {
            node.advance(election_ticks.saturating_sub(1));
        }
        Ok(Turn {
            node,
            links: self.peers.links.clone(),
            snapshots: self.peers.snapshots.clone(),
            log: self.log.clone(),
            apply: self.apply.clone(),
            waiters: Arc::clone(&member.waiters),
            reads: Arc::clone(&member.reads),
            progress: Arc::clone(&member.progress),
            counters: Arc::clone(&member.counters),
            heartbeat: Duration::from_millis(config.heartbeat_ms),
            taken: Vec::new(),
            leaves_applying: false,
            effects: Vec::new(),
            stopped: false,
        })
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(run)?)
}

/// One for each core.
fn lanes() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How long a request may take: five seconds and two elections, as in etcd.
fn request_timeout(config: &Config) -> Duration {
    REQUEST_TIME + Duration::from_millis(2 * config.election_ms)
}

/// Where snapshots of other members go.
fn snap_dir(config: &Config) -> PathBuf {
    config.data_dir.join("member/snap")
}

fn disk(config: &Config) -> Arc<dyn Disk> {
    if config.no_fsync { Arc::new(UnsyncedDisk) } else { Arc::new(RealDisk) }
}

fn edge_config(config: &Config) -> EdgeConfig {
    EdgeConfig {
        max_request_bytes: config.request_bytes_max,
        max_txn_ops: config.txn_ops_max,
        cors: config.cors.iter().cloned().collect(),
        host_whitelist: config.host_whitelist.iter().cloned().collect(),
    }
}

fn connection_config(config: &Config) -> ConnectionConfig {
    let limit = config.concurrent_streams_max;
    ConnectionConfig {
        keepalive_interval_s: config.keepalive_interval.as_secs().max(1),
        keepalive_timeout_s: config.keepalive_timeout.as_secs().max(1),
        max_concurrent_streams: (limit != u32::MAX).then_some(limit),
        ..ConnectionConfig::default()
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
