//! Composition: opens what is on disk, starts the threads, and takes them down again in order.

mod assembly;
mod doors;
mod publish;
mod storage;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ketch_api::Edge;
use ketch_base::Code;
use ketch_node::{Event, LogJob};
use ketch_peer::Dialer;

use crate::background;
use crate::config::{Config, ETCD_VERSION, ListenUrl};
use crate::exit::{Ending, Exit};
use crate::lanes::Lanes;
use crate::listen::Listening;
use crate::mailbox::Sender;
use crate::member::Member;
use crate::metrics;
use crate::reload::Reload;
use crate::rest;
use crate::security::Security;
use crate::threads::{ApplyTask, BackendJob, Peers, STOP_LOG, Wake, WatchJob};
use assembly::{CoreThreads, assemble};
use doors::Port;
use storage::Storage;

/// How often a start that waits for the cluster looks whether it is over.
const READY_LOOK: Duration = Duration::from_millis(5);
/// How long a member that was removed goes on, for its peers to hear that it knows (etcd).
const REMOVED_REST: Duration = Duration::from_secs(1);

/// A running member, until [`Running::stop`].
pub(crate) struct Running {
    config: Config,
    member: Arc<Member>,
    edge: Arc<Edge<Member>>,
    lanes: Lanes,
    peers: Peers,
    background: tokio::runtime::Runtime,
    log: Sender<LogJob>,
    apply: Sender<ApplyTask>,
    compactor: Sender<Wake>,
    node_thread: JoinHandle<()>,
    core_threads: CoreThreads,
    /// The member has applied entries before.
    is_restart: bool,
    reload: Reload,
}

/// A member that takes part in its cluster and waits to serve clients.
pub(crate) struct Starting {
    running: Running,
    clients: Vec<Port>,
    published: Receiver<()>,
}

/// Starts everything but the service of clients.
pub(crate) fn start(config: Config, exit: Exit) -> Result<Starting> {
    tracing::info!(
        etcd_version = ETCD_VERSION, name = %config.name,
        data_dir = %config.data_dir.display(), "starting a ketch server"
    );
    // Bound before anything is opened, so that a port in use is told at once.
    let security = Security::load(&config)?;
    let peers = config.listen_peer_urls.iter().map(|url| bind(url, &config));
    let peers = peers.collect::<Result<_>>()?;
    let clients = doors::clients(&config, &security)?;
    let metrics_ports = doors::metrics(&config, &security)?;
    let storage = Storage::open(&config, Dialer::new(security.peers.clone()))?;
    metrics::install_recorder()?;
    let mut running = assemble(config, storage, peers, &security, exit)?;
    metrics::introduce(&running.config, &running.member);
    for port in metrics_ports {
        port.open(&mut running.lanes)?;
    }
    let published = publish::publish(&running.member, &running.config, &running.background);
    let (log, apply) = (running.log.clone(), running.apply.clone());
    background::start_on(&running.background, &running.member, &running.config, log, apply);
    running.reload.start_on(&running.background);
    Ok(Starting { running, clients, published })
}

fn bind(url: &ListenUrl, config: &Config) -> Result<Listening> {
    Listening::bind(url, config.reuse_port).with_context(|| format!("listen {url}"))
}

impl Starting {
    /// What SIGHUP asks for.
    pub(crate) fn reload(&self) -> Reload {
        self.running.reload.clone()
    }

    /// Serves clients, from the moment they find a member that knows its name and the cluster's
    /// version; returns why that ends.
    pub(crate) fn serve(self, endings: &Receiver<Ending>) -> Result<(Running, Ending)> {
        let Self { mut running, clients, published } = self;
        let is_restart = running.is_restart && running.config.initial_corrupt_check;
        if is_restart && running.member.progress.has_others() {
            running.background.block_on(background::corruption::initial(&running.member))?;
        }
        let give_up = Instant::now() + running.member.waiters.patience();
        let is_ready = || {
            let knows = running.member.shared.membership().cluster_version().is_some();
            knows && published.try_recv().is_ok()
        };
        while !is_ready() {
            if Instant::now() >= give_up {
                tracing::warn!("serving clients before the member could be published");
                break;
            }
            match endings.recv_timeout(READY_LOOK) {
                Ok(ending) => return Ok((running, ending)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
        for port in clients {
            port.announce();
            port.open(&mut running.lanes)?;
        }
        tracing::info!("ready to serve client requests");
        // This thread has nothing more to do until the end.
        rest::give_back();
        let ending = endings.recv().context("nobody is left who could ask for the end")?;
        Ok((running, ending))
    }
}

impl Running {
    /// Drains connections, then takes the threads down from the top, so that what was accepted
    /// is durable at the end.
    pub(crate) fn stop(self, ending: Ending) {
        match ending {
            Ending::Signal(_) => self.background.block_on(self.member.leave_leadership()),
            Ending::Removed => self.say_removed(),
        }
        self.edge.set_serving(false);
        self.edge.stop();
        self.lanes.join();
        if let Some(audit) = &self.member.audit {
            audit.stop();
        }
        self.background.shutdown_timeout(Duration::from_secs(1));
        self.member.node.send_above_limit(Event::Stop.into());
        let _ = self.node_thread.join();
        self.peers.stop();
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
        self.member.reads.abandon(Code::Stopped);
        tracing::info!("closed ketch server");
    }

    fn say_removed(&self) {
        std::thread::sleep(REMOVED_REST);
        tracing::warn!(
            error = "the member has been permanently removed from the cluster",
            "server error"
        );
        tracing::warn!(
            data_dir = %self.config.data_dir.display(),
            "data-dir used by this member must be removed"
        );
    }
}
