//! Rows of a snapshot file into a new database, with the membership of the new cluster.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::{Backend, Batch, Bucket, Config, Drain, Durable};
use ketch_base::{Revision, RevisionKey, limits};
use ketch_env::{Disk, real::RealDisk};
use ketch_snapshot::{InstallError, read_out};
use serde_json::json;

use super::Bump;
use super::cluster::Cluster;
use crate::failure::Failure;
use crate::log;
use crate::snapshot_file;

/// Term of the entries a restored log begins with.
pub(super) const TERM: u64 = 1;
const CONF_STATE: &[u8] = b"confState";
const SCHEDULED_COMPACTION: &[u8] = b"scheduledCompactRev";

/// Fills `member/snap/ketch.redb` of a data directory.
pub(super) fn run(
    snapshot: &Path,
    data_dir: &Path,
    cluster: &Cluster,
    bump: Bump,
) -> Result<(), Failure> {
    let file = snapshot_file::open_database(snapshot)?;
    let folder = data_dir.join("member").join("snap");
    RealDisk.create_dir_all(&folder).map_err(|error| Failure::io("mkdir", &folder, &error))?;
    let path = folder.join("ketch.redb");
    let (backend, drain) =
        Backend::open(Arc::new(RealDisk), &path, Config::default()).map_err(Failure::error)?;
    let mut import = Import { backend, drain, batch: Batch::new(), rows: 0, bytes: 0, latest: 0 };
    // First of all, so that a restore cut short leaves a database that claims entries no log has:
    // a server refuses that, where it would take a directory without claims for a new member.
    import.put_cluster(cluster);
    import.flush()?;
    log::info("schema/membership", "Trimming membership information from the backend...", &[]);
    read_out(&file, |bucket, key, value| import.take(bucket, key, value)).map_err(|error| {
        match error {
            InstallError::Read(error) => snapshot_file::read_failure(error),
            InstallError::Receiver(failure) => failure,
        }
    })?;
    import.bump(bump)?;
    import.flush()?;
    announce(cluster);
    Ok(())
}

struct Import {
    backend: Backend,
    drain: Drain,
    batch: Batch,
    /// Rows and bytes in the batch.
    rows: usize,
    bytes: usize,
    /// Main revision of the last row.
    latest: i64,
}

impl Import {
    fn take(&mut self, bucket: &Bytes, key: Bytes, value: Bytes) -> Result<(), Failure> {
        self.rows += 1;
        self.bytes += key.len() + value.len();
        match Bucket::from_name(bucket) {
            None => {
                let fields = [("bucket", json!(String::from_utf8_lossy(bucket)))];
                log::warn("snapshot/restore", "skipping a row of an unknown bucket", &fields);
            }
            Some(Bucket::Key) => {
                let at = RevisionKey::decode(&key).ok_or_else(|| {
                    Failure::error(format_args!("row key {key:?} is no revision"))
                })?;
                self.latest = at.revision.main;
                self.batch.put_row(at, owned(&value));
            }
            Some(bucket) if is_rewritten(bucket, &key) => {}
            Some(bucket) => self.batch.put(bucket, owned(&key), owned(&value)),
        }
        if self.rows >= limits::BACKEND_BATCH_ROWS || self.bytes >= limits::BACKEND_BUFFER_BYTES / 4
        {
            self.flush()?;
        }
        Ok(())
    }

    fn bump(&mut self, bump: Bump) -> Result<(), Failure> {
        if bump == Bump::default() {
            return Ok(());
        }
        let latest = self.latest.checked_add(bump.by).ok_or_else(|| {
            Failure::error(format_args!("revision {} + {} is out of range", self.latest, bump.by))
        })?;
        let fields = [
            ("latest-revision", json!(self.latest)),
            ("bump-amount", json!(bump.by)),
            ("new-latest-revision", json!(latest)),
        ];
        log::info("snapshot/restore", "bumping latest revision", &fields);
        let revision = Revision { main: latest, sub: 0 };
        self.batch.put_row(RevisionKey { revision, tombstone: false }, Bytes::new());
        if bump.mark_compacted {
            let fields = [("revision", json!(latest))];
            log::info("snapshot/restore", "marking revision compacted", &fields);
            let mark = Bytes::copy_from_slice(&revision.to_bytes());
            self.batch.put(Bucket::Meta, SCHEDULED_COMPACTION.into(), mark);
        }
        Ok(())
    }

    /// The new members, and a database that has applied the log's first entries: those add them.
    fn put_cluster(&mut self, cluster: &Cluster) {
        for member in &cluster.members {
            let key = Bytes::from(member.id.to_string());
            self.batch.put(Bucket::Members, key, member.context_json(None));
        }
        let voters: Vec<_> = cluster.members.iter().map(|member| member.id.0.to_string()).collect();
        // etcd leaves the old cluster's configuration here; ours starts from this row.
        let conf_state = format!("{{\"voters\":[{}],\"auto_leave\":false}}", voters.join(","));
        self.batch.put(Bucket::Meta, CONF_STATE.into(), conf_state.into());
        let index = cluster.members.len() as u64;
        let number = |value: u64| Bytes::copy_from_slice(&value.to_be_bytes());
        self.batch.put(Bucket::Meta, Durable::INDEX_KEY.into(), number(index));
        self.batch.put(Bucket::Meta, Durable::TERM_KEY.into(), number(TERM));
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.backend.append(std::mem::take(&mut self.batch));
        while self.drain.step().map_err(Failure::error)?.more {}
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

fn announce(cluster: &Cluster) {
    for member in &cluster.members {
        let fields = [
            ("cluster-id", json!(cluster.id.to_string())),
            ("local-member-id", json!("0")),
            ("added-peer-id", json!(member.id.to_string())),
            ("added-peer-peer-urls", json!(member.peer_urls)),
            ("added-peer-is-learner", json!(false)),
        ];
        log::info("membership/cluster", "added member", &fields);
    }
}

/// Rows that speak of the old cluster.
fn is_rewritten(bucket: Bucket, key: &[u8]) -> bool {
    match bucket {
        Bucket::Members | Bucket::MembersRemoved => true,
        Bucket::Meta => key == Durable::INDEX_KEY || key == Durable::TERM_KEY || key == CONF_STATE,
        _ => false,
    }
}

/// A copy: the original would keep its whole page in memory.
fn owned(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
