//! Membership.

use ketch_proto::etcdserverpb::{
    MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse,
    MemberUpdateRequest, MemberUpdateResponse,
};

use crate::call::Repeat;
use crate::peer_urls;
use crate::{Client, Error};

/// The membership calls. Errors are the server's refusal, the limit, or no server.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: Client,
}

impl Cluster {
    /// The members; `linearizable` asks the leader's view.
    pub async fn members(&self, linearizable: bool) -> Result<MemberListResponse, Error> {
        let request = MemberListRequest { linearizable };
        self.client.unary("/etcdserverpb.Cluster/MemberList", Repeat::Safe, request).await
    }

    /// Adds a member that others will reach at `peer_urls`; a learner has no vote.
    ///
    /// # Errors
    /// [`Error::PeerUrl`] before anything is sent, if an address is not one.
    pub async fn add(
        &self,
        peer_urls: &[String],
        is_learner: bool,
    ) -> Result<MemberAddResponse, Error> {
        let peer_ur_ls = peer_urls::check(peer_urls)?;
        let request = MemberAddRequest { peer_ur_ls, is_learner };
        self.client.unary("/etcdserverpb.Cluster/MemberAdd", Repeat::Never, request).await
    }

    /// Removes a member for good.
    pub async fn remove(&self, id: u64) -> Result<MemberRemoveResponse, Error> {
        let request = MemberRemoveRequest { id };
        self.client.unary("/etcdserverpb.Cluster/MemberRemove", Repeat::Never, request).await
    }

    /// Tells the cluster where a member is reached from now on.
    ///
    /// # Errors
    /// [`Error::PeerUrl`] before anything is sent, if an address is not one.
    pub async fn update(
        &self,
        id: u64,
        peer_urls: &[String],
    ) -> Result<MemberUpdateResponse, Error> {
        let request = MemberUpdateRequest { id, peer_ur_ls: peer_urls::check(peer_urls)? };
        self.client.unary("/etcdserverpb.Cluster/MemberUpdate", Repeat::Never, request).await
    }

    /// Gives a learner its vote.
    pub async fn promote(&self, id: u64) -> Result<MemberPromoteResponse, Error> {
        let request = MemberPromoteRequest { id };
        self.client.unary("/etcdserverpb.Cluster/MemberPromote", Repeat::Never, request).await
    }
}
