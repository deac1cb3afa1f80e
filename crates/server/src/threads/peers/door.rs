//! What other members may ask of this one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ketch_api::ports::{Auth, Credentials};
use ketch_auth::gate::Request;
use ketch_base::{Code, LeaseId, MemberId};
use ketch_node::Event;
use ketch_peer::{HashAnswer, Ports, SnapshotBody, SnapshotRefused, Versions};
use ketch_proto::etcdserverpb::{
    LeaseKeepAliveResponse, LeaseTimeToLiveRequest, Member as MemberView, ResponseHeader,
};
use ketch_proto::leasepb::{LeaseInternalRequest, LeaseInternalResponse};
use ketch_raft_proto::raftpb::{Message, MessageType};

use super::incoming::Place;
use crate::exit::Ending;
use crate::member::Member;

/// How long a question about a lease may wait for what was granted before it (etcd).
const LEASE_PATIENCE: Duration = Duration::from_secs(1);

/// The member as its peers see it.
pub(crate) struct Door {
    member: Arc<Member>,
    place: Place,
}

impl Door {
    pub(super) fn new(member: Arc<Member>, place: Place) -> Self {
        Self { member, place }
    }

    /// A leader answers for leases only once it has shown that it still leads, and has applied
    /// what was committed before: an answer of a past one would outlive the lease.
    async fn as_leader(&self) -> Result<(), Code> {
        if !self.member.progress.is_leader() {
            return Err(Code::NotPrimary);
        }
        match tokio::time::timeout(LEASE_PATIENCE, self.member.linearize()).await {
            Ok(outcome) => outcome,
            Err(_late) => Err(Code::TimeoutWaitAppliedIndex),
        }
    }
}

impl Ports for Door {
    fn deliver(&self, message: Message) -> bool {
        let is_large = matches!(message.r#type(), MessageType::MsgApp | MessageType::MsgProp);
        let task = Event::Message(Box::new(message)).into();
        let node = &self.member.node;
        let sent = if is_large { node.try_send(task) } else { node.try_send_urgent(task) };
        sent.is_ok()
    }

    fn unreachable(&self, peer: MemberId) {
        // Lost when the node has enough to do: the next message fails as well.
        let _ = self.member.node.try_send_urgent(Event::Unreachable { peer }.into());
    }

    fn gone(&self, peer: MemberId) {
        // Lost when the node has enough to do: the election timeout finds out as well.
        let _ = self.member.node.try_send_urgent(Event::Gone { peer }.into());
    }

    fn snapshot_sent(&self, peer: MemberId, arrived: bool) {
        let event = Event::SnapshotSent { peer, arrived };
        self.member.node.send_above_limit(event.into());
    }

    fn is_removed(&self, id: MemberId) -> bool {
        self.member.shared.membership().is_removed(id)
    }

    fn is_member(&self, id: MemberId) -> bool {
        self.member.shared.membership().member(id).is_some()
    }

    fn removed_self(&self) {
        self.member.exit.ask(Ending::Removed);
    }

    async fn receive_snapshot(
        &self,
        message: Message,
        body: SnapshotBody,
    ) -> Result<(), SnapshotRefused> {
        self.place.receive(&self.member, message, body).await
    }

    fn members(&self) -> Vec<MemberView> {
        self.member.member_views()
    }

    async fn promote(&self, id: u64, token: Option<Bytes>) -> Result<Vec<MemberView>, Code> {
        let promoted = async {
            if self.member.is_auth_enabled() {
                let credentials = token.map(Credentials::of_token).unwrap_or_default();
                self.member.pass(&credentials, Request::MemberPromote).await?;
            }
            self.member.promote_as_leader(MemberId(id)).await
        };
        promoted.await.inspect_err(|code| {
            tracing::warn!(
                member_id = %MemberId(id), error = %code, "failed to promote a member"
            );
        })
    }

    async fn hash_kv(&self, revision: i64) -> Result<HashAnswer, Code> {
        let hashed = self.member.hash_at(revision).await?;
        Ok(HashAnswer {
            header_revision: hashed.revision,
            hash: hashed.hash,
            compact_revision: hashed.compact_revision,
            hash_revision: hashed.hash_revision,
        })
    }

    async fn renew_lease(&self, id: i64) -> Result<LeaseKeepAliveResponse, Code> {
        self.as_leader().await?;
        let ttl = self.member.renew_as_leader(LeaseId(id)).await?;
        Ok(LeaseKeepAliveResponse { header: None, id, ttl })
    }

    async fn lease_internal(
        &self,
        request: LeaseInternalRequest,
    ) -> Result<LeaseInternalResponse, Code> {
        let asked: LeaseTimeToLiveRequest = request.lease_time_to_live_request.unwrap_or_default();
        self.as_leader().await?;
        let mut answer = self.member.time_to_live_as_leader(&asked)?;
        answer.header = Some(ResponseHeader::default());
        Ok(LeaseInternalResponse { lease_time_to_live_response: Some(answer) })
    }

    async fn downgrade_enabled(&self) -> Result<bool, Code> {
        self.member.linearize().await?;
        Ok(self.member.shared.membership().downgrade().enabled)
    }

    fn versions(&self) -> Versions {
        let versions = ketch_api::ports::State::versions(self.member.as_ref());
        Versions {
            server: versions.server.to_owned(),
            cluster: versions.cluster.unwrap_or_else(|| "not_decided".to_owned()),
            storage: versions.storage.unwrap_or_default(),
        }
    }
}
