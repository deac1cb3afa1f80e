//! Members: list, add, remove, update, promote.

use std::future::Future;

use ketch_base::Code;
use ketch_proto::etcdserverpb::{
    MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse,
    MemberUpdateRequest, MemberUpdateResponse,
};

use super::Credentials;

/// Members: list, add, remove, update, promote.
pub trait Cluster: Send + Sync + 'static {
    /// The members; linearizable if asked. etcd's header here carries no revision.
    ///
    /// # Errors
    /// What reading through a quorum can meet.
    fn member_list(
        &self,
        request: MemberListRequest,
    ) -> impl Future<Output = Result<MemberListResponse, Code>> + Send;

    /// What can be said of an addition from the request alone; asked before the gate (etcd).
    ///
    /// # Errors
    /// `MemberBadURLs`.
    fn check_member_add(&self, _request: &MemberAddRequest) -> Result<(), Code> {
        Ok(())
    }

    /// Adds a member.
    ///
    /// # Errors
    /// `MemberBadURLs`, `PeerURLExist`, `MemberExist`, `TooManyLearners`, `Unhealthy`, ..
    fn member_add(
        &self,
        request: MemberAddRequest,
    ) -> impl Future<Output = Result<MemberAddResponse, Code>> + Send;

    /// Removes a member.
    ///
    /// # Errors
    /// `MemberNotFound`, `MemberNotEnoughStarted`, `Unhealthy`, ..
    fn member_remove(
        &self,
        request: MemberRemoveRequest,
    ) -> impl Future<Output = Result<MemberRemoveResponse, Code>> + Send;

    /// Changes a member's peer URLs.
    ///
    /// # Errors
    /// `MemberNotFound`, `PeerURLExist`, `MemberBadURLs`, ..
    fn member_update(
        &self,
        request: MemberUpdateRequest,
    ) -> impl Future<Output = Result<MemberUpdateResponse, Code>> + Send;

    /// Makes a learner a voter. Whoever has to pass that on passes on who wants it.
    ///
    /// # Errors
    /// `MemberNotFound`, `MemberNotLearner`, `LearnerNotReady`, ..
    fn member_promote(
        &self,
        credentials: Credentials,
        request: MemberPromoteRequest,
    ) -> impl Future<Output = Result<MemberPromoteResponse, Code>> + Send;
}
