//! Composition: opens what is on disk, starts the threads, and takes them down again in order.

mod publish;
mod storage;

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use ketch_api::{ConnectionConfig, Edge, EdgeConfig, Surface};
use ketch_apply::RequestIds;
use ketch_base::{Index, limits};
use ketch_mvcc::watch::{Config as HubConfig, Hub};
use ketch_node::{ApplyWorker, Event, LogJob, LogWorker, Node, RaftConfig, Settings};

use crate::background;
use crate::config::{Config, ETCD_VERSION};
use crate::lanes::{Lanes, bind};
use crate::mailbox::{Receiver, Sender, mailbox};
use crate::member::{Clock, Inner, Member, Options};
use crate::metrics::{self, Counters};
use crate::peer_port;
use crate::progress::Progress;
use crate::read_gate::ReadGate;
use crate::threads::{
    ApplyTask, ApplyThread, BackendJob, BackendThread, CompactorThread, LogThread, NodeThread,
    Pressure, STOP_LOG, Sinks, Wake, WatchJob, WatchThread, prepare_segments,
};
use crate::waiters::Waiters;
use storage::Storage;

/// A running member, until [`Running::stop`].
pub(crate) struct Running {
    member: Member,
    edge: Arc<Edge<Member>>,
    lanes: Lanes,
    background: tokio::runtime::Runtime,
    log: Sender<LogJob>,
    apply: Sender<ApplyTask>,
    compactor: Sender<Wake>,
    node_thread: JoinHandle<()>,
    core_threads: CoreThreads,
}

struct CoreThreads {
    log: JoinHandle<()>,
    apply: JoinHandle<()>,
    backend: JoinHandle<()>,
    watch: JoinHandle<()>,
    compactor: JoinHandle<()>,
}

/// The receiving ends, until the threads take them.
struct Boxes {
    events: Receiver<Event>,
    log_jobs: Receiver<LogJob>,
    tasks: Receiver<ApplyTask>,
    backend_jobs: Receiver<BackendJob>,
    watch_jobs: Receiver<WatchJob>,
    wake: Receiver<Wake>,
}

/// Starts everything; returns once the ports are open.
pub(crate) fn start(config: Config) -> Result<Running> {
    tracing::info!(
        etcd_version = ETCD_VERSION, name = %config.name,
        data_dir = %config.data_dir.display(), "starting a ketch server"
    );
    let listeners = Listeners::bind(&config)?;
    let storage = Storage::open(&config)?;
    metrics::install_recorder()?;
    let (running, member) = assemble(&config, storage)?;
    metrics::introduce(&config, &member);
    let published = publish::publish(&member, &config, &running.background);
    background::start_on(&running.background, &member, &config);
    // Clients find a member that knows its name and the cluster's version.
    if published.recv_timeout(request_timeout(&config)).is_err() {
        tracing::warn!("serving clients before the member could be published");
    }
    listeners.open(&running)?;
    for url in &config.listen_client_urls {
        tracing::info!(address = %url.authority(), "serving client traffic insecurely; this is strongly discouraged!");
    }
    tracing::info!("ready to serve client requests");
    Ok(running)
}

/// Bound before anything is opened, so that a port in use is told at once.
struct Listeners {
    clients: Vec<TcpListener>,
    metrics: Vec<TcpListener>,
    peers: Vec<TcpListener>,
}

impl Listeners {
    fn bind(config: &Config) -> Result<Self> {
        let all = |urls: &[url::Url]| -> Result<Vec<TcpListener>> {
            urls.iter()
                .map(|url| bind(url, config).with_context(|| format!("listen {}", url.authority())))
                .collect()
        };
        Ok(Self {
            peers: all(&config.listen_peer_urls)?,
            clients: all(&config.listen_client_urls)?,
            metrics: all(&config.listen_metrics_urls)?,
        })
    }

    fn open(self, running: &Running) -> Result<()> {
        for listener in self.clients {
            running.lanes.accept(listener, Surface::All)?;
        }
        for listener in self.metrics {
            running.lanes.accept(listener, Surface::Metrics)?;
        }
        for listener in self.peers {
            peer_port::serve(listener)?;
        }
        Ok(())
    }
}

fn assemble(config: &Config, storage: Storage) -> Result<(Running, Member)> {
    let (node_box, events) = mailbox(limits::NODE_MAILBOX_EVENTS);
    let (log, log_jobs) = mailbox(limits::WORKER_MAILBOX_JOBS);
    let (apply, tasks) = mailbox(limits::WORKER_MAILBOX_JOBS);
    let (backend_box, backend_jobs) = mailbox(limits::WORKER_MAILBOX_JOBS);
    let (watch_box, watch_jobs) = mailbox(limits::NODE_MAILBOX_EVENTS);
    let (compactor, wake) = mailbox(1);
    let boxes = Boxes { events, log_jobs, tasks, backend_jobs, watch_jobs, wake };
    let (finished, compacted) =
        tokio::sync::watch::channel(storage.machine.reader().finished_compaction());
    let member = Member::new(Inner {
        id: storage.member,
        cluster: storage.cluster,
        options: Options {
            request_bytes_max: config.request_bytes_max,
            election: Duration::from_millis(config.election_ms),
            warning_unary: config.warning_unary,
        },
        node: node_box,
        backend_jobs: backend_box,
        watch_jobs: watch_box,
        backend: storage.backend.clone(),
        reader: storage.machine.reader(),
        lessor: storage.machine.lessor(),
        shared: storage.machine.shared(),
        request_ids: RequestIds::new(storage.member, unix_ms()),
        waiters: Arc::new(Waiters::new(request_timeout(config))),
        reads: Arc::new(ReadGate::default()),
        progress: Arc::new(Progress::default()),
        counters: Arc::new(Counters::new(config.metrics_extensive)),
        compacted,
        clock: Clock::start(),
    });
    member.progress.set_applied(storage.machine.applied().0.0);
    let threads =
        Threads { config, member: &member, log: &log, apply: &apply, compactor: &compactor };
    let (node_thread, core_threads) = threads.spawn(storage, boxes, finished)?;
    let edge = Edge::new(Arc::new(member.clone()), edge_config(config));
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let lanes = Lanes::start(count, &edge, connection_config(config))?;
    let background = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("background")
        .enable_all()
        .build()?;
    let running = Running {
        member: member.clone(),
        edge,
        lanes,
        background,
        log,
        apply,
        compactor,
        node_thread,
        core_threads,
    };
    Ok((running, member))
}

/// What the threads are made of.
struct Threads<'a> {
    config: &'a Config,
    member: &'a Member,
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
        let apply = ApplyThread {
            worker: ApplyWorker::new(storage.machine),
            tasks: boxes.tasks,
            node: member.node.clone(),
            sinks: self.sinks(pressure),
            lessor,
            clock: member.clock,
            lease_extend: Duration::from_millis(config.election_ms),
        };
        let log = self.log_thread(storage.started.writer, boxes.log_jobs)?;
        let node =
            self.node_thread(storage.started.restored, storage.started.marked, boxes.events)?;
        let core = CoreThreads {
            watch: spawn("watch", move || watch.run())?,
            compactor: spawn("compactor", move || compactor.run())?,
            backend: spawn("backend", move || backend.run())?,
            apply: spawn("apply", move || apply.run())?,
            log: spawn("log", move || log.run())?,
        };
        Ok((spawn("node", move || node.run())?, core))
    }

    fn sinks(&self, pressure: Arc<Pressure>) -> Sinks {
        let member = self.member;
        Sinks {
            member: member.clone(),
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

    fn log_thread(&self, writer: ketch_wal::Writer, jobs: Receiver<LogJob>) -> Result<LogThread> {
        let worker = LogWorker::new(writer);
        let preparer = worker.preparer();
        let (prepare, wanted) = mailbox(1);
        let ahead = preparer.clone();
        spawn("log-prepare", move || prepare_segments(&ahead, &wanted))?;
        let member = self.member;
        let (node, counters) = (member.node.clone(), Arc::clone(&member.counters));
        Ok(LogThread { worker, preparer, jobs, node, counters, prepare })
    }

    fn node_thread(
        &self,
        restored: ketch_raft::Restored,
        marked: Index,
        events: Receiver<Event>,
    ) -> Result<NodeThread> {
        let (config, member) = (self.config, self.member);
        let election_ticks = u32::try_from(config.election_ms / config.heartbeat_ms)?;
        let raft = RaftConfig {
            election_ticks,
            pre_vote: config.pre_vote,
            ..RaftConfig::new(member.id, unix_ms() ^ member.id.0)
        };
        let timeout_ms = u64::try_from(request_timeout(config).as_millis())?;
        let settings = Settings {
            snapshot_count_entries: config.snapshot_count_entries,
            catchup_entries: config.snapshot_catchup_entries,
            wait_ticks: timeout_ms / config.heartbeat_ms,
            first_question: member.request_ids.next().0,
            ..Settings::default()
        };
        let mut node = Node::start(raft, settings, restored, marked)?;
        if config.election_tick_advance {
            node.advance(election_ticks.saturating_sub(1));
        }
        Ok(NodeThread {
            node,
            events,
            own: member.node.clone(),
            log: self.log.clone(),
            apply: self.apply.clone(),
            waiters: Arc::clone(&member.waiters),
            reads: Arc::clone(&member.reads),
            progress: Arc::clone(&member.progress),
            heartbeat: Duration::from_millis(config.heartbeat_ms),
        })
    }
}

impl Running {
    /// Drains connections, then takes the threads down from the top, so that what was accepted
    /// is durable at the end.
    pub(crate) fn stop(self) {
        self.edge.set_serving(false);
        self.edge.stop();
        self.lanes.join();
        self.background.shutdown_timeout(Duration::from_secs(1));
        self.member.node.send_above_limit(Event::Stop);
        let _ = self.node_thread.join();
        self.log.send_above_limit(LogJob { job: STOP_LOG, ..LogJob::default() });
        let _ = self.core_threads.log.join();
        self.apply.send_above_limit(ApplyTask::Stop);
        let _ = self.core_threads.apply.join();
        self.compactor.send_above_limit(Wake::Stop);
        let _ = self.core_threads.compactor.join();
        self.member.watch_jobs.send_above_limit(WatchJob::Stop);
        let _ = self.core_threads.watch.join();
        self.member.backend_jobs.send_above_limit(BackendJob::Stop);
        let _ = self.core_threads.backend.join();
        self.member.waiters.stop();
        self.member.reads.abandon(ketch_base::Code::Stopped);
        tracing::info!("closed ketch server");
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(run)?)
}

/// How long a request may take: five seconds and two elections, as in etcd.
fn request_timeout(config: &Config) -> Duration {
    Duration::from_secs(5) + Duration::from_millis(2 * config.election_ms)
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
