//! The fake server behind the ports that are not keys or watches.

use std::sync::atomic::Ordering;

use ketch_api::Method;
use ketch_api::ports::{
    Audit, Auth, Blob, Cluster, Credentials, Lease, Maintenance, Observer, Pass, Snapshot, State,
    Versions,
};
use ketch_auth::gate::Request;
use ketch_base::{Code, LeaseId};
use ketch_proto::etcdserverpb::*;
use tokio::sync::mpsc;

use crate::fake::Fake;

/// Answers with the header of now and nothing else.
macro_rules! bare {
    ($self:ident, $response:ident) => {
        Ok($response { header: Some($self.header()), ..Default::default() })
    };
}
pub(crate) use bare;

impl Lease for Fake {
    async fn lease_grant(
        &self,
        _: Pass,
        request: LeaseGrantRequest,
    ) -> Result<LeaseGrantResponse, Code> {
        let id = self.write(|store| store.grant(request.id, request.ttl))?;
        let header = Some(self.header());
        Ok(LeaseGrantResponse { header, id, ttl: request.ttl, error: String::new() })
    }

    async fn lease_revoke(
        &self,
        _: Pass,
        _: LeaseRevokeRequest,
    ) -> Result<LeaseRevokeResponse, Code> {
        Err(Code::LeaseNotFound)
    }

    async fn lease_renew(&self, id: LeaseId) -> Result<LeaseKeepAliveResponse, Code> {
        if !self.has_leader() {
            return Err(Code::NoLeader);
        }
        let ttl = self.ttl(id.0).ok_or(Code::LeaseNotFound)?;
        Ok(LeaseKeepAliveResponse { header: Some(self.header()), id: id.0, ttl })
    }

    async fn lease_time_to_live(
        &self,
        request: LeaseTimeToLiveRequest,
    ) -> Result<LeaseTimeToLiveResponse, Code> {
        let ttl = self.ttl(request.id).ok_or(Code::LeaseNotFound)?;
        let header = Some(self.header());
        let (id, granted_ttl) = (request.id, ttl);
        Ok(LeaseTimeToLiveResponse { header, id, ttl, granted_ttl, keys: Vec::new() })
    }

    async fn lease_leases(&self) -> Result<LeaseLeasesResponse, Code> {
        bare!(self, LeaseLeasesResponse)
    }
}

macro_rules! nobody {
    ($($name:ident($request:ident) -> $response:ident;)*) => {
        impl Auth for Fake {
            fn is_auth_enabled(&self) -> bool {
                false
            }

            async fn pass(&self, _: &Credentials, _: Request<'_>) -> Result<Pass, Code> {
                Ok(Pass::FREE)
            }

            fn still_holds(&self, _: &Pass) -> Result<(), Code> {
                Ok(())
            }

            $(async fn $name(&self, _: Pass, _: $request) -> Result<$response, Code> {
                Err(Code::AuthNotEnabled)
            })*
        }
    };
}

nobody! {
    auth_enable(AuthEnableRequest) -> AuthEnableResponse;
    auth_disable(AuthDisableRequest) -> AuthDisableResponse;
    auth_status(AuthStatusRequest) -> AuthStatusResponse;
    authenticate(AuthenticateRequest) -> AuthenticateResponse;
    user_add(AuthUserAddRequest) -> AuthUserAddResponse;
    user_get(AuthUserGetRequest) -> AuthUserGetResponse;
    user_list(AuthUserListRequest) -> AuthUserListResponse;
    user_delete(AuthUserDeleteRequest) -> AuthUserDeleteResponse;
    user_change_password(AuthUserChangePasswordRequest) -> AuthUserChangePasswordResponse;
    user_grant_role(AuthUserGrantRoleRequest) -> AuthUserGrantRoleResponse;
    user_revoke_role(AuthUserRevokeRoleRequest) -> AuthUserRevokeRoleResponse;
    role_add(AuthRoleAddRequest) -> AuthRoleAddResponse;
    role_get(AuthRoleGetRequest) -> AuthRoleGetResponse;
    role_list(AuthRoleListRequest) -> AuthRoleListResponse;
    role_delete(AuthRoleDeleteRequest) -> AuthRoleDeleteResponse;
    role_grant_permission(AuthRoleGrantPermissionRequest) -> AuthRoleGrantPermissionResponse;
    role_revoke_permission(AuthRoleRevokePermissionRequest) -> AuthRoleRevokePermissionResponse;
}

impl Cluster for Fake {
    async fn member_list(&self, _: MemberListRequest) -> Result<MemberListResponse, Code> {
        bare!(self, MemberListResponse)
    }

    async fn member_add(&self, _: MemberAddRequest) -> Result<MemberAddResponse, Code> {
        Err(Code::MemberBadURLs)
    }

    async fn member_remove(&self, _: MemberRemoveRequest) -> Result<MemberRemoveResponse, Code> {
        Err(Code::MemberNotEnoughStarted)
    }

    async fn member_update(&self, _: MemberUpdateRequest) -> Result<MemberUpdateResponse, Code> {
        Err(Code::MemberNotFound)
    }

    async fn member_promote(
        &self,
        _: Credentials,
        _: MemberPromoteRequest,
    ) -> Result<MemberPromoteResponse, Code> {
        Err(Code::MemberNotLearner)
    }
}

impl Maintenance for Fake {
    async fn status(&self) -> Result<StatusResponse, Code> {
        bare!(self, StatusResponse)
    }

    async fn alarm(&self, _: AlarmRequest) -> Result<AlarmResponse, Code> {
        bare!(self, AlarmResponse)
    }

    async fn defragment(&self) -> Result<DefragmentResponse, Code> {
        // Longer than any client waits.
        std::future::pending().await
    }

    async fn hash(&self) -> Result<HashResponse, Code> {
        bare!(self, HashResponse)
    }

    async fn hash_kv(&self, _: HashKvRequest) -> Result<HashKvResponse, Code> {
        Err(Code::FutureRev)
    }

    async fn snapshot(&self) -> Result<Snapshot, Code> {
        let (sender, blobs) = mpsc::channel(8);
        for (piece, remaining_bytes) in [("first", 4), ("last", 0), ("sum", 0)] {
            let blob = Blob { bytes: piece.into(), remaining_bytes };
            sender.send(Ok(blob)).await.expect("the receiver is here");
        }
        Ok(Snapshot { version: "3.7.0".to_owned(), blobs })
    }

    async fn move_leader(&self, _: MoveLeaderRequest) -> Result<MoveLeaderResponse, Code> {
        Err(Code::BadLeaderTransferee)
    }

    async fn downgrade(&self, _: DowngradeRequest) -> Result<DowngradeResponse, Code> {
        Err(Code::UnknownMethod)
    }
}

impl State for Fake {
    fn header(&self) -> ResponseHeader {
        self.store.lock().expect("not poisoned").header()
    }

    fn has_leader(&self) -> bool {
        self.has_leader.load(Ordering::SeqCst)
    }

    async fn leader_lost(&self) {
        let mut changed = self.changed.subscribe();
        while self.has_leader() {
            changed.changed().await.expect("the sender is in self");
        }
    }

    fn is_learner(&self) -> bool {
        false
    }

    fn alarms(&self) -> Vec<AlarmMember> {
        self.alarms.lock().expect("not poisoned").clone()
    }

    fn versions(&self) -> Versions {
        Versions { server: "3.7.1", cluster: Some("3.7.0".to_owned()), storage: None }
    }

    fn debug_vars(&self) -> String {
        "{}".to_owned()
    }
}

impl Observer for Fake {
    fn started(&self, method: Method) {
        self.note(format!("{} started", method.name()));
    }

    fn handled(&self, method: Method, status: u8) {
        self.note(format!("{} handled {status}", method.name()));
    }

    fn received(&self, method: Method, message_bytes: usize) {
        self.note(format!("{} received {message_bytes}", method.name()));
    }

    fn sent(&self, method: Method, _: usize, bytes: usize) {
        self.note(format!("{} sent {bytes}", method.name()));
    }

    fn client_version(&self, method: Method, version: &str) {
        self.note(format!("{} version {version}", method.name()));
    }

    fn audit(&self) -> Option<&dyn Audit> {
        self.notebook.get().map(|notebook| notebook as &dyn Audit)
    }

    fn render_metrics(&self) -> String {
        "# metrics\n".to_owned()
    }
}
