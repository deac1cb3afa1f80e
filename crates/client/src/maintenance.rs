//! One member's health, alarms, space and snapshots.

use bytes::Bytes;
use ketch_proto::etcdserverpb::alarm_request::AlarmAction;
use ketch_proto::etcdserverpb::{
    AlarmMember, AlarmRequest, AlarmResponse, DefragmentRequest, DefragmentResponse, HashKvRequest,
    HashKvResponse, MoveLeaderRequest, MoveLeaderResponse, SnapshotRequest, SnapshotResponse,
    StatusRequest, StatusResponse,
};
use tonic::Streaming;

use crate::call::Repeat;
use crate::{Client, Error};

/// The maintenance calls. Errors are the server's refusal, the limit, or no server.
#[derive(Clone)]
pub struct Maintenance {
    pub(crate) client: Client,
}

impl Maintenance {
    /// Versions, sizes and raft's position.
    pub async fn status(&self) -> Result<StatusResponse, Error> {
        let request = StatusRequest {};
        self.client.unary("/etcdserverpb.Maintenance/Status", Repeat::Safe, request).await
    }

    /// Checksum of the history up to `revision`; 0 is the current one.
    pub async fn hash_kv(&self, revision: i64) -> Result<HashKvResponse, Error> {
        let request = HashKvRequest { revision };
        self.client.unary("/etcdserverpb.Maintenance/HashKV", Repeat::Safe, request).await
    }

    /// Gives free space back to the file system.
    pub async fn defragment(&self) -> Result<DefragmentResponse, Error> {
        let request = DefragmentRequest {};
        self.client.unary("/etcdserverpb.Maintenance/Defragment", Repeat::Never, request).await
    }

    /// The alarms that are on.
    pub async fn alarms(&self) -> Result<AlarmResponse, Error> {
        let request = AlarmRequest { action: AlarmAction::Get.into(), member_id: 0, alarm: 0 };
        self.client.unary("/etcdserverpb.Maintenance/Alarm", Repeat::Safe, request).await
    }

    /// Switches one alarm off.
    pub async fn disarm(&self, alarm: AlarmMember) -> Result<AlarmResponse, Error> {
        let AlarmMember { member_id, alarm } = alarm;
        let request = AlarmRequest { action: AlarmAction::Deactivate.into(), member_id, alarm };
        self.client.unary("/etcdserverpb.Maintenance/Alarm", Repeat::Never, request).await
    }

    /// Makes the member `to` the leader. Only the leader itself takes this call: the client should
    /// have no other endpoint.
    pub async fn move_leader(&self, to: u64) -> Result<MoveLeaderResponse, Error> {
        let request = MoveLeaderRequest { target_id: to };
        self.client.unary("/etcdserverpb.Maintenance/MoveLeader", Repeat::Never, request).await
    }

    /// The member's database as a file, piece by piece. The limit of the client holds for the
    /// opening and is told to the server for the whole.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let request = SnapshotRequest {};
        let stream = self.client.server_stream("/etcdserverpb.Maintenance/Snapshot", request);
        Ok(Snapshot { stream: stream.await?, version: String::new() })
    }
}

/// A snapshot on its way.
pub struct Snapshot {
    stream: Streaming<SnapshotResponse>,
    version: String,
}

impl Snapshot {
    /// The next bytes of the file; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(piece) = self.stream.message().await? else { return Ok(None) };
        if !piece.version.is_empty() {
            self.version = piece.version;
        }
        Ok(Some(piece.blob))
    }

    /// Storage version of the file, as soon as a piece carried it.
    pub fn version(&self) -> &str {
        &self.version
    }
}
