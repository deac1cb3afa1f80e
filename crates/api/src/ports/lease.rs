//! Leases: keys that live as long as their client.

use std::future::Future;

use ketch_base::{Code, LeaseId};
use ketch_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveResponse, LeaseLeasesResponse,
    LeaseRevokeRequest, LeaseRevokeResponse, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};

use super::Pass;

/// Leases: keys that live as long as their client.
pub trait Lease: Send + Sync + 'static {
    /// Grants a lease; id 0 lets the server choose.
    ///
    /// # Errors
    /// `LeaseExist`, `LeaseTTLTooLarge`, `NoSpace`, ..
    fn lease_grant(
        &self,
        pass: Pass,
        request: LeaseGrantRequest,
    ) -> impl Future<Output = Result<LeaseGrantResponse, Code>> + Send;

    /// Ends a lease and deletes its keys in one revision.
    ///
    /// # Errors
    /// `LeaseNotFound`, ..
    fn lease_revoke(
        &self,
        pass: Pass,
        request: LeaseRevokeRequest,
    ) -> impl Future<Output = Result<LeaseRevokeResponse, Code>> + Send;

    /// Starts the lease's time anew. `LeaseNotFound` becomes an answer without a TTL.
    ///
    /// # Errors
    /// `LeaseNotFound`, `NoLeader`, `Timeout`, ..
    fn lease_renew(
        &self,
        id: LeaseId,
    ) -> impl Future<Output = Result<LeaseKeepAliveResponse, Code>> + Send;

    /// What is left, and with `keys` what hangs on it. `LeaseNotFound` becomes a TTL of -1.
    ///
    /// # Errors
    /// `LeaseNotFound`, `NoLeader`, `Timeout`, ..
    fn lease_time_to_live(
        &self,
        request: LeaseTimeToLiveRequest,
    ) -> impl Future<Output = Result<LeaseTimeToLiveResponse, Code>> + Send;

    /// Every lease.
    ///
    /// # Errors
    /// `NoLeader`, ..
    fn lease_leases(&self) -> impl Future<Output = Result<LeaseLeasesResponse, Code>> + Send;
}
