//! Care of this member: status, alarms, space, hashes, leadership, versions.

use std::time::Instant;

use ketch_api::ports::{Maintenance, Snapshot};
use ketch_apply::Answer;
use ketch_base::{Code, MemberId};
use ketch_mvcc::HashKv;
use ketch_proto::etcdserverpb::{
    AlarmRequest, AlarmResponse, AlarmType, DefragmentResponse, DowngradeInfo, DowngradeRequest,
    DowngradeResponse, HashKvRequest, HashKvResponse, HashResponse, InternalRaftRequest,
    MoveLeaderRequest, MoveLeaderResponse, StatusResponse, alarm_request, downgrade_request,
};
use ketch_proto::membershippb::DowngradeInfoSetRequest;
use tokio::sync::oneshot;

use super::Member;
use super::kv::{read_failed, storage_failed, unexpected};
use crate::config::ETCD_VERSION;
use crate::threads::BackendJob;

/// What the storage of this release calls itself.
const STORAGE_VERSION: &str = "3.7.0";
/// The same as numbers.
const STORAGE_MINOR: (u32, u32) = (3, 7);
/// The first release whose storage knows its version.
const STORAGE_VERSION_SINCE: (u32, u32) = (3, 6);

/// What an empty file has in use, as an empty one of etcd has: four pages.
const FILE_HEAD_BYTES: i64 = 4 * 4096;

impl Maintenance for Member {
    async fn status(&self) -> Result<StatusResponse, Code> {
        let membership = self.shared.membership();
        let downgrade = membership.downgrade();
        let alarms = self.shared.alarms().list(AlarmType::None);
        let mut errors: Vec<String> = Vec::new();
        if self.progress.leader() == 0 {
            errors.push(Code::NoLeader.text().to_owned());
        }
        errors.extend(alarms.iter().map(|alarm| {
            let kind = AlarmType::try_from(alarm.alarm).unwrap_or(AlarmType::None);
            format!("memberID:{} alarm:{}", alarm.member_id, kind.as_str_name())
        }));
        Ok(StatusResponse {
            header: Some(self.header_now()),
            version: ETCD_VERSION.to_owned(),
            db_size: self.backend.size_file(),
            leader: self.progress.leader(),
            raft_index: self.progress.committed(),
            raft_term: self.progress.term(),
            raft_applied_index: self.progress.applied(),
            errors,
            db_size_in_use: self.size_in_use(),
            is_learner: self.progress.is_learner(),
            storage_version: self.storage_version().unwrap_or_default(),
            db_size_quota: self.shared.quota().limit_bytes(),
            downgrade_info: Some(DowngradeInfo {
                enabled: downgrade.enabled,
                target_version: downgrade.target_version.clone(),
            }),
        })
    }

    async fn alarm(&self, request: AlarmRequest) -> Result<AlarmResponse, Code> {
        // etcd panics when it applies an action that is none.
        let action = alarm_request::AlarmAction::try_from(request.action)
            .map_err(|_| Code::UnknownMethod)?;
        if action == alarm_request::AlarmAction::Get {
            let kind = AlarmType::try_from(request.alarm).unwrap_or(AlarmType::None);
            let alarms = self.shared.alarms().list(kind);
            return Ok(AlarmResponse { header: Some(self.header_now()), alarms });
        }
        let request = InternalRaftRequest { alarm: Some(request), ..Default::default() };
        match self.propose(request).await? {
            Answer::Alarm(mut response) => {
                response.header = Some(self.complete(response.header));
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    async fn defragment(&self) -> Result<DefragmentResponse, Code> {
        tracing::info!("starting defragment");
        let (done, finished) = oneshot::channel();
        if self.backend_jobs.try_send(BackendJob::Reclaim(done)).is_err() {
            return Err(Code::RequestTooManyRequests);
        }
        finished.await.map_err(|_| Code::Stopped)??;
        tracing::info!("finished defragment");
        // etcd's answer has no header.
        Ok(DefragmentResponse { header: None })
    }

    async fn hash(&self) -> Result<HashResponse, Code> {
        let since = Instant::now();
        let view = self.backend.view();
        let hash = tokio::task::spawn_blocking(move || super::snapshot::hash(&view))
            .await
            .map_err(|_| Code::Stopped)?
            .map_err(storage_failed)?;
        crate::metrics::observe("etcd_mvcc_hash_duration_seconds", since.elapsed());
        Ok(HashResponse { header: Some(self.header_now()), hash })
    }

    async fn hash_kv(&self, request: HashKvRequest) -> Result<HashKvResponse, Code> {
        let hashed = self.hash_at(request.revision).await?;
        Ok(HashKvResponse {
            header: Some(self.header_at(hashed.revision)),
            hash: hashed.hash,
            compact_revision: hashed.compact_revision,
            hash_revision: hashed.hash_revision,
        })
    }

    async fn snapshot(&self) -> Result<Snapshot, Code> {
        super::snapshot::start(self)
    }

    async fn move_leader(&self, request: MoveLeaderRequest) -> Result<MoveLeaderResponse, Code> {
        self.hand_over(MemberId(request.target_id)).await?;
        // etcd's answer has no header.
        Ok(MoveLeaderResponse { header: None })
    }

    async fn downgrade(&self, request: DowngradeRequest) -> Result<DowngradeResponse, Code> {
        use downgrade_request::DowngradeAction;
        let action = DowngradeAction::try_from(request.action).map_err(|_| Code::UnknownMethod)?;
        let target = match action {
            DowngradeAction::Validate | DowngradeAction::Enable => {
                self.linearize().await?;
                Some(self.check_downgrade(&request.version)?)
            }
            DowngradeAction::Cancel => None,
        };
        let current = self.cluster_minor()?;
        let record = match (action, target) {
            (DowngradeAction::Enable, Some(target)) => {
                Some(DowngradeInfoSetRequest { enabled: true, ver: target })
            }
            (DowngradeAction::Cancel, _) => {
                self.linearize().await?;
                Some(DowngradeInfoSetRequest::default())
            }
            _ => None,
        };
        if let Some(record) = record {
            let request =
                InternalRaftRequest { downgrade_info_set: Some(record), ..Default::default() };
            self.propose(request).await?;
        }
        Ok(DowngradeResponse { header: Some(self.header_now()), version: current })
    }
}

impl Member {
    /// The hash of the keys up to a revision, 0 for now; worked out aside.
    ///
    /// # Errors
    /// `Compacted`, `FutureRev`.
    pub(crate) async fn hash_at(&self, revision: i64) -> Result<HashKv, Code> {
        let since = Instant::now();
        let reader = self.reader.clone();
        let hashed = tokio::task::spawn_blocking(move || reader.hash_kv(revision))
            .await
            .map_err(|_| Code::Stopped)?
            .map_err(read_failed)?;
        crate::metrics::observe("etcd_mvcc_hash_rev_duration_seconds", since.elapsed());
        Ok(hashed)
    }

    /// What the storage calls itself: it keeps to what the cluster speaks, so that members of
    /// older releases can follow; `None` where those have no word for it.
    pub(crate) fn storage_version(&self) -> Option<String> {
        let membership = self.shared.membership();
        match membership.cluster_version().and_then(parse_minor) {
            Some(spoken) if spoken < STORAGE_VERSION_SINCE => None,
            Some((major, minor)) if (major, minor) < STORAGE_MINOR => {
                Some(format!("{major}.{minor}.0"))
            }
            _ => Some(STORAGE_VERSION.to_owned()),
        }
    }

    /// Bytes of the file that hold something: its own head and roots are never free.
    pub(crate) fn size_in_use(&self) -> i64 {
        self.backend.size_live().saturating_add(FILE_HEAD_BYTES)
    }

    fn cluster_minor(&self) -> Result<String, Code> {
        let membership = self.shared.membership();
        let version = membership.cluster_version().ok_or(Code::ClusterVersionUnavailable)?;
        Ok(version.rsplit_once('.').map_or(version, |(minor, _)| minor).to_owned())
    }

    /// The target as `X.Y.0`, if it is exactly one minor below the cluster's.
    fn check_downgrade(&self, target: &str) -> Result<String, Code> {
        let (major, minor) = parse_minor(target).ok_or(Code::WrongDowngradeVersionFormat)?;
        let current = self.cluster_minor()?;
        let (major_now, minor_now) =
            parse_minor(&current).ok_or(Code::ClusterVersionUnavailable)?;
        if major != major_now || minor + 1 != minor_now {
            return Err(Code::InvalidDowngradeTargetVersion);
        }
        let text = format!("{major}.{minor}.0");
        let membership = self.shared.membership();
        if membership.downgrade().enabled && membership.downgrade().target_version != text {
            return Err(Code::DowngradeInProcess);
        }
        Ok(text)
    }
}

/// `3.6` or `3.6.0` as numbers.
fn parse_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?.parse().ok()?;
    match parts.next() {
        None => {}
        Some(patch) => {
            patch.parse::<u32>().ok()?;
        }
    }
    parts.next().is_none().then_some((major, minor))
}
