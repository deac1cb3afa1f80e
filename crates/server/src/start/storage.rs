//! What is on disk: the working storage, the state machine over it, and the log.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use ketch_apply::{Config as MachineConfig, Machine, cluster_id, member_id};
use ketch_backend::{Backend, Config as BackendConfig, Drain};
use ketch_base::{ClusterId, MemberId};
use ketch_env::Disk;
use ketch_env::real::RealDisk;
use ketch_env::unsynced::UnsyncedDisk;
use ketch_node::recover::{self, Begin, Founder, Founding, Kept, RecoverError, Started};

use crate::config::Config;

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
}

impl Storage {
    /// Opens or founds the member's data.
    pub(super) fn open(config: &Config) -> Result<Self> {
        let disk = real_disk(config.no_fsync);
        let snap = config.data_dir.join("member/snap");
        prepare(&disk, &config.data_dir, &snap)?;
        let path = snap.join(DATABASE);
        let (backend, drain) = Backend::open(Arc::clone(&disk), &path, BackendConfig::default())
            .with_context(|| format!("open the database {}", path.display()))?;
        // A member that joins asks its peers who they are; alone there is nobody to ask.
        let begin = (!config.initial_cluster_existing).then(|| Begin::Found(founding(config)));
        let kept = backend.durable();
        let wal = ketch_wal::Config::default();
        let log = recover::open(
            &disk,
            &config.wal_dir,
            wal,
            begin.as_ref(),
            kept.index,
            config.snapshot_catchup_entries,
        )
        .map_err(|error| match error {
            // In etcd's words: alone there is no peer to ask.
            RecoverError::NoLog => anyhow!(
                "cannot fetch cluster info from peer urls: could not retrieve cluster \
                 information from the given URLs"
            ),
            error => anyhow::Error::new(error)
                .context(format!("open the log {}", config.wal_dir.display())),
        })?;
        if let Some(damage) = &log.repaired {
            tracing::warn!(damage = %damage, "repaired a torn write at the end of the log");
        }
        let (member, cluster) = (log.member, log.cluster);
        if log.is_new {
            tracing::info!(
                local_member_id = %member, cluster_id = %cluster, "starting local member"
            );
        } else {
            tracing::info!(
                local_member_id = %member, cluster_id = %cluster,
                commit_index = kept.index.0, "restarting local member"
            );
        }
        let machine = Machine::open(backend.clone(), machine_config(config, member))
            .context("restore the state machine")?;
        let started = log.join(Kept {
            index: kept.index,
            term: kept.term,
            conf_state: machine.conf_state().clone(),
        })?;
        let first_peers = Vec::new();
        Ok(Self { member, cluster, backend, drain, machine, started, first_peers })
    }
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

/// The cluster this member would found: itself alone.
fn founding(config: &Config) -> Founding {
    let id = member_id(&config.peer_urls, &config.initial_cluster_token);
    let member = ketch_apply::Member {
        id,
        peer_urls: config.peer_urls.clone(),
        is_learner: false,
        name: config.name.clone(),
        client_urls: Vec::new(),
    };
    Founding {
        member: id,
        cluster: cluster_id(&[id]),
        founders: vec![Founder { id, context: member.context_json(None) }],
    }
}
