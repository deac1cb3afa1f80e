//! Leases: grants and revocations through the log, renewals on the leader's clock.

use ketch_api::ports::{Lease, Pass};
use ketch_apply::{Answer, quota};
use ketch_base::{Code, LeaseId};
use ketch_proto::etcdserverpb::{
    InternalRaftRequest, LeaseCheckpoint, LeaseCheckpointRequest, LeaseGrantRequest,
    LeaseGrantResponse, LeaseKeepAliveResponse, LeaseLeasesResponse, LeaseRevokeRequest,
    LeaseRevokeResponse, LeaseStatus, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};

use super::Member;
use super::kv::unexpected;

impl Lease for Member {
    async fn lease_grant(
        &self,
        pass: Pass,
        mut request: LeaseGrantRequest,
    ) -> Result<LeaseGrantResponse, Code> {
        self.check_quota(quota::cost_lease_grant())?;
        while request.id == 0 {
            // The top bit is left out: lease ids are positive.
            let id = self.request_ids.next().0 & (u64::MAX >> 1);
            request.id = i64::try_from(id).unwrap_or(0);
        }
        let request = InternalRaftRequest { lease_grant: Some(request), ..Default::default() };
        match self.propose_by(&pass, request).await? {
            Answer::LeaseGrant(mut response) => {
                response.header = Some(self.complete(response.header));
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    async fn lease_revoke(
        &self,
        pass: Pass,
        request: LeaseRevokeRequest,
    ) -> Result<LeaseRevokeResponse, Code> {
        let request = InternalRaftRequest { lease_revoke: Some(request), ..Default::default() };
        match self.propose_by(&pass, request).await? {
            Answer::LeaseRevoke(mut response) => {
                response.header = Some(self.complete(response.header));
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    async fn lease_renew(&self, id: LeaseId) -> Result<LeaseKeepAliveResponse, Code> {
        let header = Some(self.header_now());
        let ttl = self.renew(id).await?;
        Ok(LeaseKeepAliveResponse { header, id: id.0, ttl })
    }

    async fn lease_time_to_live(
        &self,
        request: LeaseTimeToLiveRequest,
    ) -> Result<LeaseTimeToLiveResponse, Code> {
        let mut found = self.time_to_live(request).await?;
        found.header = Some(self.header_now());
        Ok(found)
    }

    async fn lease_leases(&self) -> Result<LeaseLeasesResponse, Code> {
        let leases = self.lessor.leases().into_iter().map(|id| LeaseStatus { id: id.0 }).collect();
        Ok(LeaseLeasesResponse { header: Some(self.header_now()), leases })
    }
}

impl Member {
    /// Renews here if this member leads, and has shown that it still does; else at the leader.
    async fn renew(&self, id: LeaseId) -> Result<i64, Code> {
        if self.progress.is_leader() {
            // Alone there is nobody who could lead instead.
            if self.progress.has_others() && self.linearize().await.is_err() {
                // The client had better go to another member.
                return Err(Code::NotPrimary);
            }
            match self.renew_as_leader(id).await {
                Err(Code::NotPrimary) => {}
                here => return here,
            }
        }
        self.renew_elsewhere(id).await
    }

    /// Starts the lease's time anew on this leader's clock.
    ///
    /// # Errors
    /// `NotPrimary`, `LeaseNotFound`; what a proposal can meet.
    pub(crate) async fn renew_as_leader(&self, id: LeaseId) -> Result<i64, Code> {
        let renewed = self.lessor.renew(id, self.clock.now_ms())?;
        self.counters.lease_renewed();
        if renewed.clear_checkpoint {
            // Until this is applied, the next leader would begin from what was left before.
            let checkpoint = LeaseCheckpoint { id: id.0, remaining_ttl: 0 };
            self.propose_as_leader(checkpoint_request(vec![checkpoint])).await?;
        }
        Ok(renewed.ttl_s)
    }

    /// Looks here if this member leads, else at the leader.
    async fn time_to_live(
        &self,
        asked: LeaseTimeToLiveRequest,
    ) -> Result<LeaseTimeToLiveResponse, Code> {
        if self.progress.is_leader() {
            // A grant that was answered must be seen, wherever it was made.
            self.linearize().await?;
            match self.time_to_live_as_leader(&asked) {
                Err(Code::NotPrimary) => {}
                here => return here,
            }
        }
        self.time_to_live_elsewhere(asked).await
    }

    /// What is left on this leader's clock; without a header.
    ///
    /// # Errors
    /// `NotPrimary`, `LeaseNotFound`.
    pub(crate) fn time_to_live_as_leader(
        &self,
        asked: &LeaseTimeToLiveRequest,
    ) -> Result<LeaseTimeToLiveResponse, Code> {
        let id = LeaseId(asked.id);
        let found = self.lessor.time_to_live(id, self.clock.now_ms(), asked.keys);
        // Asked after the look: a look while leadership went away counts for nothing.
        if !self.lessor.is_primary() {
            return Err(Code::NotPrimary);
        }
        let found = found.ok_or(Code::LeaseNotFound)?;
        Ok(LeaseTimeToLiveResponse {
            header: None,
            id: asked.id,
            ttl: found.ttl_s,
            granted_ttl: found.granted_ttl_s,
            keys: found.keys,
        })
    }
}

/// A proposal that tells what is left of leases.
pub(crate) fn checkpoint_request(checkpoints: Vec<LeaseCheckpoint>) -> InternalRaftRequest {
    InternalRaftRequest {
        lease_checkpoint: Some(LeaseCheckpointRequest { checkpoints }),
        ..Default::default()
    }
}
