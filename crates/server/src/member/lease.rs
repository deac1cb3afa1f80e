//! Leases: grants and revocations through the log, renewals on the leader's clock.

use ketch_api::ports::Lease;
use ketch_apply::{Answer, quota};
use ketch_base::{Code, LeaseId};
use ketch_proto::etcdserverpb::{
    InternalRaftRequest, LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveResponse,
    LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse, LeaseStatus,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};

use super::Member;
use super::kv::unexpected;

impl Lease for Member {
    async fn lease_grant(
        &self,
        mut request: LeaseGrantRequest,
    ) -> Result<LeaseGrantResponse, Code> {
        self.check_quota(quota::cost_lease_grant())?;
        while request.id == 0 {
            // The top bit is left out: lease ids are positive.
            let id = self.request_ids.next().0 & (u64::MAX >> 1);
            request.id = i64::try_from(id).unwrap_or(0);
        }
        let request = InternalRaftRequest { lease_grant: Some(request), ..Default::default() };
        match self.propose(request).await? {
            Answer::LeaseGrant(mut response) => {
                response.header = Some(self.complete(response.header));
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    async fn lease_revoke(&self, request: LeaseRevokeRequest) -> Result<LeaseRevokeResponse, Code> {
        let request = InternalRaftRequest { lease_revoke: Some(request), ..Default::default() };
        match self.propose(request).await? {
            Answer::LeaseRevoke(mut response) => {
                response.header = Some(self.complete(response.header));
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    async fn lease_renew(&self, id: LeaseId) -> Result<LeaseKeepAliveResponse, Code> {
        let header = Some(self.header_now());
        let ttl = self.lessor.renew(id, self.clock.now_ms())?.ttl_s;
        self.counters.lease_renewed();
        Ok(LeaseKeepAliveResponse { header, id: id.0, ttl })
    }

    async fn lease_time_to_live(
        &self,
        request: LeaseTimeToLiveRequest,
    ) -> Result<LeaseTimeToLiveResponse, Code> {
        // A grant that was answered must be seen, wherever it was made.
        self.linearize().await?;
        let header = Some(self.header_now());
        let found = self
            .lessor
            .time_to_live(LeaseId(request.id), self.clock.now_ms(), request.keys)
            .ok_or(Code::LeaseNotFound)?;
        Ok(LeaseTimeToLiveResponse {
            header,
            id: request.id,
            ttl: found.ttl_s,
            granted_ttl: found.granted_ttl_s,
            keys: found.keys,
        })
    }

    async fn lease_leases(&self) -> Result<LeaseLeasesResponse, Code> {
        self.linearize().await?;
        let leases = self.lessor.leases().into_iter().map(|id| LeaseStatus { id: id.0 }).collect();
        Ok(LeaseLeasesResponse { header: Some(self.header_now()), leases })
    }
}
