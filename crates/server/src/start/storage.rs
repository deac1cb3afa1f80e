//! What is on disk: the working storage, the state machine over it, and the log.

mod bootstrap;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use ketch_apply::{Config as MachineConfig, Machine};
use ketch_backend::{Backend, Config as BackendConfig, Drain};
use ketch_base::{ClusterId, Index, MemberId};
use ketch_env::Disk;
use ketch_env::real::RealDisk;
use ketch_env::unsynced::UnsyncedDisk;
use ketch_node::install;
use ketch_node::recover::{self, Begin, Kept, Opened, RecoverError, Started};
use ketch_peer::Dialer;

use crate::config::{Config, Discovery};
use bootstrap::{Beginning, BootstrapError, Network, Outside};

/// The name of the working storage under `member/snap`.
const DATABASE: &str = "ketch.redb";

/// Everything opened and put together.
pub(super) struct Storage {
    pub(super) member: MemberId,
    pub(super) cluster: ClusterId,
    pub(super) backend: Backend,
    pub(super) drain: Drain,
    pub(super) machine: Machine,
    pub(super) started: Started,
    /// The other members as known before the first entry is applied, with their peer URLs.
    pub(super) first_peers: Vec<(MemberId, Vec<String>)>,
    /// The cluster has removed this member for good: it must stop.
    pub(super) is_removed: bool,
}

impl Storage {
    /// Opens the member's data, or makes it: then others may have to be asked, through `dialer`,
    /// which can take as long as they do not answer.
    pub(super) fn open(config: &Config, dialer: Dialer) -> Result<Self> {
        Self::open_with(config, real_disk(config.no_fsync), || Network::new(dialer))
    }

    fn open_with<O: Outside>(
        config: &Config,
        disk: Arc<dyn Disk>,
        outside: impl FnOnce() -> std::io::Result<O>,
    ) -> Result<Self> {
        let snap = config.data_dir.join("member/snap");
        prepare(&disk, &config.data_dir, &snap)?;
        let path = snap.join(DATABASE);
        let (backend, mut drain) =
            Backend::open(Arc::clone(&disk), &path, BackendConfig::default())
                .with_context(|| format!("open the database {}", path.display()))?;
        take_up_snapshot(&disk, &snap, &backend, &mut drain)?;
        let kept = backend.durable();
        let is_first = kept.index == Index(0) && !recover::has_log(&*disk, &config.wal_dir);
        let beginning = match is_first {
            true => Some(decide(config, &outside()?)?),
            false => None,
        };
        let mut log = open_log(config, &disk, beginning.as_ref(), kept.index)?;
        let (member, cluster) = (log.member, log.cluster);
        tell_start(config, &log, kept.index);
        let machine = Machine::open(backend.clone(), machine_config(config, member))
            .context("restore the state machine")?;
        let conf_state = machine.conf_state().clone();
        let kept = Kept { index: kept.index, term: kept.term, conf_state };
        let membership = machine.shared().membership();
        let is_removed = membership.is_removed(member);
        let first_peers = if config.force_new_cluster && !log.is_new {
            tracing::warn!(local_member_id = %member, "discarding all other members, as forced");
            log.alone(&kept, self_context(config, member)).context("force a new cluster")?;
            Vec::new()
        } else if let Some(beginning) = beginning {
            beginning.others
        } else {
            let others = membership.members().filter(|other| other.id != member);
            others.map(|other| (other.id, other.peer_urls.clone())).collect()
        };
        let started = log.join(kept)?;
        Ok(Self { member, cluster, backend, drain, machine, started, first_peers, is_removed })
    }
}

/// A snapshot that was made ready but not taken up when the member stopped is committed state.
fn take_up_snapshot(
    disk: &Arc<dyn Disk>,
    snap: &Path,
    backend: &Backend,
    drain: &mut Drain,
) -> Result<()> {
    if let Some((index, path)) = install::pending(&**disk, snap)
        && index > backend.durable().index
    {
        tracing::info!(index = index.0, path = %path.display(), "taking up a received snapshot");
        drain.install(&path).context("take up a received snapshot")?;
    }
    install::sweep(&**disk, snap).context("remove left-over snapshots")
}

fn decide(config: &Config, outside: &impl Outside) -> Result<Beginning, BootstrapError> {
    let decided = bootstrap::decide(config, outside);
    if let (Err(BootstrapError::Discovery(error)), Some(Discovery::Service(service))) =
        (&decided, &config.discovery)
    {
        tracing::warn!(
            discovery_token = %service.token, discovery_endpoints = ?service.endpoints,
            error = %error, "failed to bootstrap; discovery token was already used"
        );
        tracing::warn!("do not reuse discovery token; generate a new one to bootstrap a cluster");
    }
    decided
}

fn open_log(
    config: &Config,
    disk: &Arc<dyn Disk>,
    beginning: Option<&Beginning>,
    kept: Index,
) -> Result<Opened> {
    let again = beginning.is_none().then(|| bootstrap::again(config)).flatten();
    let open = |begin: Option<&Begin>| {
        let (wal, catchup) = (ketch_wal::Config::default(), config.snapshot_catchup_entries);
        recover::open(disk, &config.wal_dir, wal, begin, kept, catchup)
    };
    let opened = match open(beginning.map(|beginning| &beginning.begin).or(again.as_ref())) {
        // It had joined and was told nothing yet: as in etcd, the settings of then hold.
        Err(RecoverError::OtherCluster { .. }) => open(None),
        opened => opened,
    };
    opened.with_context(|| format!("open the log {}", config.wal_dir.display()))
}

fn tell_start(config: &Config, log: &Opened, commit: Index) {
    if let Some(damage) = &log.repaired {
        tracing::warn!(damage = %damage, "repaired a torn write at the end of the log");
    }
    let (member, cluster) = (log.member, log.cluster);
    if log.is_new {
        tracing::info!(local_member_id = %member, cluster_id = %cluster, "starting local member");
        return;
    }
    if config.discovery.is_some() {
        tracing::warn!(
            "discovery token is ignored since cluster already initialized; valid logs are found"
        );
    }
    tracing::info!(
        local_member_id = %member, cluster_id = %cluster,
        commit_index = commit.0, "restarting local member"
    );
}

/// What a member that is alone now says of itself, should its cluster not know it.
fn self_context(config: &Config, id: MemberId) -> Bytes {
    let member = ketch_apply::Member {
        id,
        peer_urls: config.peer_urls.clone(),
        name: config.name.clone(),
        ..Default::default()
    };
    member.context_json(None)
}

fn real_disk(unsafe_no_fsync: bool) -> Arc<dyn Disk> {
    if unsafe_no_fsync { Arc::new(UnsyncedDisk) } else { Arc::new(RealDisk) }
}

/// Makes the folders, and refuses a data directory that belongs to etcd.
fn prepare(disk: &Arc<dyn Disk>, data_dir: &Path, snap: &Path) -> Result<()> {
    if disk.exists(&snap.join("db")) {
        bail!(
            "{} is the data directory of an etcd member: take a snapshot of it (etcdctl snapshot \
             save), restore that with ketchutl snapshot restore, and start on the result",
            data_dir.display()
        );
    }
    disk.create_dir_all(snap).with_context(|| format!("make {}", snap.display()))
}

fn machine_config(config: &Config, local: MemberId) -> MachineConfig {
    MachineConfig {
        local,
        quota_bytes: config.quota_bytes,
        lease: ketch_lease::Config::for_election(
            config.election_ms / config.heartbeat_ms,
            config.heartbeat_ms,
        ),
        learners_max: config.learners_max,
    }
}

#[cfg(test)]
mod tests;
