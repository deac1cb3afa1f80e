//! Membership.

use ketch_proto::etcdserverpb::{MemberListRequest, MemberListResponse};

use crate::call::Repeat;
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
}
