//! Who calls, whether they may, and the requests about users and roles.

use std::sync::Arc;

use ketch_api::ports::{Auth, Credentials, Pass};
use ketch_apply::{Answer, LeaseKeys};
use ketch_auth::Caller;
use ketch_auth::gate::{self, Request};
use ketch_base::Code;
use ketch_proto::etcdserverpb as pb;
use ketch_proto::etcdserverpb::request_op::Request as Op;
use ketch_proto::etcdserverpb::{InternalAuthenticateRequest, InternalRaftRequest};

use super::Member;
use super::kv::unexpected;

/// The longest name of a user or role, in bytes: a key of a bbolt bucket.
const NAME_BYTES_MAX: usize = 32_768;
/// What HTTP clients write before a token.
const SCHEME: &[u8] = b"Bearer ";

macro_rules! proposals {
    ($($name:ident($field:ident: $request:ident) -> $answer:ident($response:ident);)*) => {
        impl Auth for Member {
            fn is_auth_enabled(&self) -> bool {
                self.auth.is_enabled()
            }

            async fn pass(
                &self,
                credentials: &Credentials,
                request: Request<'_>,
            ) -> Result<Pass, Code> {
                self.let_pass(credentials, request).await
            }

            fn known(&self, credentials: &Credentials) -> Option<Arc<Caller>> {
                self.known_caller(credentials).map(Arc::new)
            }

            fn still_holds(&self, pass: &Pass) -> Result<(), Code> {
                self.holds(pass)
            }

            async fn authenticate(
                &self,
                _: Pass,
                request: pb::AuthenticateRequest,
            ) -> Result<pb::AuthenticateResponse, Code> {
                self.log_in(request).await
            }

            async fn user_add(
                &self,
                pass: Pass,
                mut request: pb::AuthUserAddRequest,
            ) -> Result<pb::AuthUserAddResponse, Code> {
                check_name(&request.name)?;
                let password = std::mem::take(&mut request.password);
                if !request.options.is_some_and(|options| options.no_password) {
                    request.hashed_password = self.passwords.hash(password).await?;
                }
                let request =
                    InternalRaftRequest { auth_user_add: Some(request), ..Default::default() };
                match self.propose_by(&pass, request).await? {
                    Answer::UserAdd(mut response) => {
                        response.header = Some(self.complete(response.header));
                        Ok(response)
                    }
                    _ => Err(unexpected()),
                }
            }

            async fn user_change_password(
                &self,
                pass: Pass,
                mut request: pb::AuthUserChangePasswordRequest,
            ) -> Result<pb::AuthUserChangePasswordResponse, Code> {
                let password = std::mem::take(&mut request.password);
                // Without one the hash is the one that came, or none that anybody matches (etcd).
                if !password.is_empty() {
                    request.hashed_password = self.passwords.hash(password).await?;
                }
                let request = InternalRaftRequest {
                    auth_user_change_password: Some(request),
                    ..Default::default()
                };
                match self.propose_by(&pass, request).await? {
                    Answer::UserChangePassword(mut response) => {
                        response.header = Some(self.complete(response.header));
                        Ok(response)
                    }
                    _ => Err(unexpected()),
                }
            }

            async fn role_add(
                &self,
                pass: Pass,
                request: pb::AuthRoleAddRequest,
            ) -> Result<pb::AuthRoleAddResponse, Code> {
                check_name(&request.name)?;
                let request =
                    InternalRaftRequest { auth_role_add: Some(request), ..Default::default() };
                match self.propose_by(&pass, request).await? {
                    Answer::RoleAdd(mut response) => {
                        response.header = Some(self.complete(response.header));
                        Ok(response)
                    }
                    _ => Err(unexpected()),
                }
            }

            $(async fn $name(
                &self,
                pass: Pass,
                request: pb::$request,
            ) -> Result<pb::$response, Code> {
                let request = InternalRaftRequest { $field: Some(request), ..Default::default() };
                match self.propose_by(&pass, request).await? {
                    Answer::$answer(mut response) => {
                        response.header = Some(self.complete(response.header));
                        Ok(response)
                    }
                    _ => Err(unexpected()),
                }
            })*
        }
    };
}

proposals! {
    auth_enable(auth_enable: AuthEnableRequest) -> AuthEnable(AuthEnableResponse);
    auth_disable(auth_disable: AuthDisableRequest) -> AuthDisable(AuthDisableResponse);
    auth_status(auth_status: AuthStatusRequest) -> AuthStatus(AuthStatusResponse);
    user_get(auth_user_get: AuthUserGetRequest) -> UserGet(AuthUserGetResponse);
    user_list(auth_user_list: AuthUserListRequest) -> UserList(AuthUserListResponse);
    user_delete(auth_user_delete: AuthUserDeleteRequest) -> UserDelete(AuthUserDeleteResponse);
    user_grant_role(auth_user_grant_role: AuthUserGrantRoleRequest)
        -> UserGrantRole(AuthUserGrantRoleResponse);
    user_revoke_role(auth_user_revoke_role: AuthUserRevokeRoleRequest)
        -> UserRevokeRole(AuthUserRevokeRoleResponse);
    role_get(auth_role_get: AuthRoleGetRequest) -> RoleGet(AuthRoleGetResponse);
    role_list(auth_role_list: AuthRoleListRequest) -> RoleList(AuthRoleListResponse);
    role_delete(auth_role_delete: AuthRoleDeleteRequest) -> RoleDelete(AuthRoleDeleteResponse);
    role_grant_permission(auth_role_grant_permission: AuthRoleGrantPermissionRequest)
        -> RoleGrantPermission(AuthRoleGrantPermissionResponse);
    role_revoke_permission(auth_role_revoke_permission: AuthRoleRevokePermissionRequest)
        -> RoleRevokePermission(AuthRoleRevokePermissionResponse);
}

impl Member {
    /// Judges by the state of now. A refusal of what is not a read of this member alone is only
    /// given once this member has applied all that was committed: it may have been behind.
    async fn let_pass(
        &self,
        credentials: &Credentials,
        request: Request<'_>,
    ) -> Result<Pass, Code> {
        let quorum = needs_quorum(&request);
        if quorum {
            self.linearize().await?;
        }
        let before = self.auth.revision();
        match self.judge(credentials, &request).await {
            Ok(caller) => Ok(pass(caller, before, &request, quorum)),
            Err(code) if quorum || is_serializable(&request) => Err(code),
            Err(_) => {
                self.linearize().await?;
                let before = self.auth.revision();
                let caller = self.judge(credentials, &request).await?;
                Ok(pass(caller, before, &request, true))
            }
        }
    }

    async fn judge(
        &self,
        credentials: &Credentials,
        request: &Request<'_>,
    ) -> Result<Option<Caller>, Code> {
        let caller = match request {
            // Whoever logs in may hold a token that has died.
            Request::Authenticate => None,
            _ => self.caller(credentials).await?,
        };
        let leases = LeaseKeys(self.lessor.clone());
        gate::judge(&self.auth, caller.as_ref(), request, &leases)?;
        Ok(caller)
    }

    /// Whose the token is, or else the client's certificate.
    async fn caller(&self, credentials: &Credentials) -> Result<Option<Caller>, Code> {
        if !self.auth.is_enabled() {
            return Ok(None);
        }
        let Some(token) = credentials.token() else { return Ok(self.certified(credentials)) };
        let token = bare(token).ok_or(Code::InvalidAuthToken)?;
        let index = self.tokens.index_of(token).ok_or(Code::InvalidAuthToken)?;
        if index >= self.progress.applied() {
            // It names the entry before the one that made it, which may have been another
            // member's just now. (etcd waits for the one it names, and at times refuses a token
            // that is a moment old.)
            self.linearize().await?;
        }
        let caller = self.tokens.look_up(token, &self.auth, self.clock.now_ms());
        caller.map(Some).ok_or(Code::InvalidAuthToken)
    }

    /// As [`Member::caller`], by what this member knows now.
    fn known_caller(&self, credentials: &Credentials) -> Option<Caller> {
        let Some(token) = credentials.token() else { return self.certified(credentials) };
        self.tokens.look_up(bare(token)?, &self.auth, self.clock.now_ms())
    }

    /// Whom the client's certificate names.
    fn certified(&self, credentials: &Credentials) -> Option<Caller> {
        let user = credentials.common_name()?.to_owned();
        Some(Caller { user, revision: self.auth.revision() })
    }

    /// Whether what was read under a pass may be answered.
    pub(super) fn holds(&self, pass: &Pass) -> Result<(), Code> {
        if !self.auth.is_enabled() {
            return Ok(());
        }
        if !pass.is_judged {
            // Authentication was turned on, or this member has heard of it only now.
            return Err(Code::AuthOldRevision);
        }
        gate::still_holds(&self.auth, pass.caller.as_deref())
    }

    /// Checks the password off the lanes, then has the log make a token. One too many is refused
    /// before it costs the node anything.
    async fn log_in(
        &self,
        request: pb::AuthenticateRequest,
    ) -> Result<pb::AuthenticateResponse, Code> {
        let mut place = self.passwords.place()?;
        self.linearize().await?;
        loop {
            let known = self.auth.password_hash(&request.name)?;
            let password = request.password.clone();
            if !self.passwords.matches(place, password, known.hash).await? {
                tracing::warn!(user_name = %request.name, "invalid authentication request");
                return Err(Code::AuthFailed);
            }
            let login = InternalAuthenticateRequest {
                name: request.name.clone(),
                simple_token: self.tokens.prefix()?,
                ..Default::default()
            };
            let proposal = InternalRaftRequest { authenticate: Some(login), ..Default::default() };
            let answer = self.propose(proposal).await?;
            let Answer::Authenticate { mut response, user, revision } = answer else {
                return Err(unexpected());
            };
            // The password may be another one since.
            if revision != known.revision {
                place = self.passwords.place()?;
                continue;
            }
            response.token = self.tokens.token(response.token, &user, revision)?;
            response.header = Some(self.complete(response.header));
            return Ok(response);
        }
    }
}

/// `before` is the revision that the judgement was not older than.
fn pass(caller: Option<Caller>, before: u64, request: &Request<'_>, is_linearized: bool) -> Pass {
    let revision = |caller: &Caller| match is_of_its_moment(request) {
        true => before,
        false => caller.revision,
    };
    let caller = caller.map(|caller| Caller { revision: revision(&caller), ..caller });
    Pass { caller: caller.map(Arc::new), is_judged: true, is_linearized }
}

/// What is read may be answered if nothing changed since the judgement, whatever revision the
/// caller's token is of (etcd: leases, and transactions in transactions, which it does not read).
fn is_of_its_moment(request: &Request<'_>) -> bool {
    match request {
        Request::LeaseTimeToLive(_) | Request::LeaseLeases | Request::LeaseKeepAlive(_) => true,
        Request::Txn(txn) => {
            let mut ops = txn.success.iter().chain(&txn.failure);
            ops.any(|op| matches!(op.request, Some(Op::RequestTxn(_))))
                && super::kv::reads_only(txn)
        }
        _ => false,
    }
}

/// A token without its scheme; `None` if it is no text.
fn bare(token: &[u8]) -> Option<&str> {
    std::str::from_utf8(token.strip_prefix(SCHEME).unwrap_or(token)).ok()
}

/// No etcd member can store a longer one, nor can a snapshot for it: etcd 3.7.1 dies of it.
fn check_name(name: &str) -> Result<(), Code> {
    if name.len() > NAME_BYTES_MAX { Err(Code::InvalidAuthMgmt) } else { Ok(()) }
}

/// Whether it reads, and reads what is newest.
fn needs_quorum(request: &Request<'_>) -> bool {
    match request {
        Request::Range(range) | Request::RangeStream(range) => !range.serializable,
        Request::Txn(txn) => super::kv::reads_only(txn) && !super::kv::serializable(txn),
        _ => false,
    }
}

/// Whether it is answered by this member alone, as it is.
fn is_serializable(request: &Request<'_>) -> bool {
    match request {
        Request::Range(range) | Request::RangeStream(range) => range.serializable,
        Request::Txn(txn) => super::kv::reads_only(txn) && super::kv::serializable(txn),
        Request::Status | Request::Defragment | Request::Hash | Request::HashKv => true,
        Request::Snapshot => true,
        _ => false,
    }
}
