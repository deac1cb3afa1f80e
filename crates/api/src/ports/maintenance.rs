//! Care of one member: status, alarms, space, hashes, backups, leadership, versions.

use std::future::Future;

use bytes::Bytes;
use ketch_base::Code;
use ketch_proto::etcdserverpb::{
    AlarmRequest, AlarmResponse, DefragmentResponse, DowngradeRequest, DowngradeResponse,
    HashKvRequest, HashKvResponse, HashResponse, MoveLeaderRequest, MoveLeaderResponse,
    StatusResponse,
};
use tokio::sync::mpsc;

/// Care of one member.
pub trait Maintenance: Send + Sync + 'static {
    /// The member's own view of itself and its cluster.
    ///
    /// # Errors
    /// None in practice; a stopping server.
    fn status(&self) -> impl Future<Output = Result<StatusResponse, Code>> + Send;

    /// Lists, raises or clears alarms.
    ///
    /// # Errors
    /// As a proposal.
    fn alarm(
        &self,
        request: AlarmRequest,
    ) -> impl Future<Output = Result<AlarmResponse, Code>> + Send;

    /// Gives free pages back to the file system; returns when done.
    ///
    /// # Errors
    /// When storage fails.
    fn defragment(&self) -> impl Future<Output = Result<DefragmentResponse, Code>> + Send;

    /// A hash of the whole database.
    ///
    /// # Errors
    /// When storage fails.
    fn hash(&self) -> impl Future<Output = Result<HashResponse, Code>> + Send;

    /// The hash of the keys up to a revision, equal on every member and equal to etcd's.
    ///
    /// # Errors
    /// `Compacted`, `FutureRev`.
    fn hash_kv(
        &self,
        request: HashKvRequest,
    ) -> impl Future<Output = Result<HashKvResponse, Code>> + Send;

    /// A backup of the database.
    ///
    /// # Errors
    /// When storage fails.
    fn snapshot(&self) -> impl Future<Output = Result<Snapshot, Code>> + Send;

    /// Hands leadership over.
    ///
    /// # Errors
    /// `NotLeader`, `BadLeaderTransferee`, `TimeoutLeaderTransfer`.
    fn move_leader(
        &self,
        request: MoveLeaderRequest,
    ) -> impl Future<Output = Result<MoveLeaderResponse, Code>> + Send;

    /// Validates, begins or cancels a downgrade.
    ///
    /// # Errors
    /// `WrongDowngradeVersionFormat`, `InvalidDowngradeTargetVersion`, `UnknownMethod`, ..
    fn downgrade(
        &self,
        request: DowngradeRequest,
    ) -> impl Future<Output = Result<DowngradeResponse, Code>> + Send;
}

/// A backup under way.
#[derive(Debug)]
pub struct Snapshot {
    /// The storage version, e.g. `3.7.0`, repeated in every message.
    pub version: String,
    /// Pieces of the file in order, then its sha256 as the last one. The producer waits when
    /// the client does; a closed channel before `remaining_bytes` was 0 is a failure.
    pub blobs: mpsc::Receiver<Result<Blob, Code>>,
}

/// One piece of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The piece, as it goes on the wire (etcd cuts at 32 KiB).
    pub bytes: Bytes,
    /// Bytes that follow this piece, as etcd counts them.
    pub remaining_bytes: u64,
}
