//! The member as the edge sees it: every port of `ketch-api`, put together from the threads'
//! mailboxes and the read sides of the core.

mod ahead;
mod auth;
mod cluster;
mod forward;
mod kv;
mod lateness;
mod leading;
mod lease;
mod maintenance;
mod reconfig;
mod snapshot;
mod state;
mod watch;

pub(crate) use lease::checkpoint_request;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use ketch_api::ports::{Observer, Pass};
use ketch_apply::{Answer, RequestIds, Shared};
use ketch_auth::AuthStore;
use ketch_backend::Backend;
use ketch_base::{ClusterId, Code, MemberId, RequestId};
use ketch_lease::Lessor;
use ketch_mvcc::Reader;
use ketch_node::Event;
use ketch_peer::Links;
use ketch_proto::etcdserverpb::{
    AlarmRequest, AlarmType, InternalRaftRequest, RequestHeader, ResponseHeader, alarm_request,
};
use prost::Message;
use tokio::sync::watch as latest;

pub(crate) use ahead::Readers;

use crate::desk;
use crate::exit::Exit;
use crate::mailbox::Sender;
use crate::metrics::{Counters, add};
use crate::passwords::Passwords;
use crate::progress::Progress;
use crate::read_gate::ReadGate;
use crate::threads::{BackendJob, NodeTask, Turns, WatchJob};
use crate::tokens::Tokens;
use crate::waiters::Waiters;

/// A member as seen from the lanes; implements the ports.
pub(crate) struct Member {
    pub(crate) id: MemberId,
    pub(crate) cluster: ClusterId,
    pub(crate) options: Options,
    pub(crate) node: Sender<NodeTask>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) backend_jobs: Sender<BackendJob>,
    pub(crate) watch_jobs: Sender<WatchJob>,
    pub(crate) backend: Backend,
    pub(crate) reader: Reader,
    /// Long lists read ahead of their clients.
    pub(crate) readers: Readers,
    pub(crate) lessor: Lessor,
    pub(crate) auth: AuthStore,
    pub(crate) tokens: Tokens,
    pub(crate) passwords: Passwords,
    /// Who did what, if that is to be kept.
    pub(crate) audit: Option<ketch_audit::Log>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) request_ids: RequestIds,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) reads: Arc<ReadGate>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) counters: Arc<Counters>,
    /// The newest revision whose rows are physically gone.
    pub(crate) compacted: latest::Receiver<i64>,
    pub(crate) clock: Clock,
    /// The way to the other members, once it is open.
    pub(crate) links: OnceLock<Links>,
    pub(crate) exit: Exit,
}

/// The settings the ports need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) request_bytes_max: usize,
    pub(crate) election: Duration,
    pub(crate) warning_unary: Duration,
    pub(crate) strict_reconfig: bool,
}

/// Milliseconds since the process began; the lease clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(std::time::Instant);

impl Clock {
    /// Starts at 0 now.
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Milliseconds since the start.
    pub(crate) fn now_ms(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Member {
    /// A header with the store's revision now.
    pub(crate) fn header_now(&self) -> ResponseHeader {
        self.header_at(self.reader.revision())
    }

    /// A header with this revision.
    pub(crate) fn header_at(&self, revision: i64) -> ResponseHeader {
        ResponseHeader {
            cluster_id: self.cluster.0,
            member_id: self.id.0,
            revision,
            raft_term: self.progress.term(),
        }
    }

    /// Completes a header that apply filled only with a revision; 0 there means "now".
    pub(crate) fn complete(&self, header: Option<ResponseHeader>) -> ResponseHeader {
        match header.map_or(0, |header| header.revision) {
            0 => self.header_now(),
            revision => self.header_at(revision),
        }
    }

    /// Proposes and waits until the entry is durable and applied.
    pub(crate) async fn propose(&self, request: InternalRaftRequest) -> Result<Answer, Code> {
        self.propose_by(&Pass::MEMBER, request).await
    }

    /// As [`Member::propose`], in the name of whoever the gate let pass: it is asked again when
    /// the entry is applied.
    pub(crate) async fn propose_by(
        &self,
        pass: &Pass,
        mut request: InternalRaftRequest,
    ) -> Result<Answer, Code> {
        let id = self.request_ids.next();
        request.header = Some(header_by(pass, id));
        let op = op_of(&request);
        self.propose_encoded(op, id, request.encode_to_vec().into()).await
    }

    /// As [`Member::propose`], for a request encoded with `id` in its header; `op` is its name in
    /// metrics.
    pub(crate) async fn propose_encoded(
        &self,
        op: &'static str,
        id: RequestId,
        data: Bytes,
    ) -> Result<Answer, Code> {
        let since = std::time::Instant::now();
        if data.len() > self.options.request_bytes_max {
            return Err(Code::RequestTooLarge);
        }
        let outcome = self.waiters.register(id, since, desk::lane());
        self.send_proposal(id, data);
        let outcome = outcome.await.unwrap_or(Err(Code::Stopped));
        let outcome = outcome.map_err(|code| self.why_late(code, since));
        self.counters.requests.note_since(op, &outcome, since);
        if outcome.is_err() {
            self.counters.proposal_failed();
        }
        outcome
    }

    /// As [`Member::propose`], but only while this member leads in the term of now: what a leader
    /// sees on its own clock must not reach another one's log.
    pub(crate) async fn propose_as_leader(
        &self,
        mut request: InternalRaftRequest,
    ) -> Result<Answer, Code> {
        let term = self.progress.term();
        if !self.progress.is_leader() {
            return Err(Code::NotLeader);
        }
        self.propose_in_term(term, &mut request).await
    }

    /// As [`Member::propose_as_leader`], in a term the caller knows.
    pub(crate) async fn propose_in_term(
        &self,
        term: u64,
        request: &mut InternalRaftRequest,
    ) -> Result<Answer, Code> {
        let since = std::time::Instant::now();
        let id = self.request_ids.next();
        request.header = Some(self.header_of_root(id));
        let outcome = self.waiters.register(id, since, None);
        let data = request.encode_to_vec().into();
        if self.node.try_send(NodeTask::AsLeader { term, id, data }).is_err() {
            self.waiters.answer(id, Err(Code::RequestTooManyRequests));
        }
        let outcome = outcome.await.unwrap_or(Err(Code::Stopped));
        self.counters.requests.note_since(op_of(request), &outcome, since);
        if outcome.is_err() {
            self.counters.proposal_failed();
        }
        outcome
    }

    /// What a leader decides, e.g. that a lease has expired, it decides with all rights.
    fn header_of_root(&self, id: RequestId) -> RequestHeader {
        if !self.auth.is_enabled() {
            return RequestHeader { id: id.0, ..Default::default() };
        }
        let username = ketch_auth::ROOT.to_owned();
        RequestHeader { id: id.0, username, auth_revision: self.auth.revision() }
    }

    /// Waits until this member has applied all that was committed when the call came.
    pub(crate) async fn linearize(&self) -> Result<(), Code> {
        if self.progress.is_newest() {
            return Ok(());
        }
        let outcome = self.reads.join().await.unwrap_or(Err(Code::Stopped));
        if outcome.is_err() {
            add(&self.counters.read_indexes_failed, 1);
        }
        outcome
    }

    /// The quota at the door: refuses what would not fit and raises the alarm once.
    pub(crate) fn check_quota(&self, cost_bytes: i64) -> Result<(), Code> {
        let quota = self.shared.quota();
        if quota.available(cost_bytes, self.backend.size_file()) {
            return Ok(());
        }
        self.raise_no_space();
        Err(Code::NoSpace)
    }

    /// Proposes the NOSPACE alarm for this member, without waiting.
    pub(crate) fn raise_no_space(&self) {
        if self.shared.alarms().active(AlarmType::Nospace) {
            return;
        }
        let id = self.request_ids.next();
        let request = InternalRaftRequest {
            header: Some(RequestHeader { id: id.0, ..Default::default() }),
            alarm: Some(AlarmRequest {
                member_id: self.id.0,
                action: alarm_request::AlarmAction::Activate.into(),
                alarm: AlarmType::Nospace.into(),
            }),
            ..Default::default()
        };
        let data = request.encode_to_vec().into();
        // A full mailbox means the next refused write tries again.
        let _ = self.node.try_send(Event::Propose { id, data }.into());
    }

    /// Says so when a request took longer than the operator wants to hear of.
    pub(crate) fn note_duration(&self, what: &'static str, since: std::time::Instant) {
        let took = since.elapsed();
        if took > self.options.warning_unary && !self.options.warning_unary.is_zero() {
            tracing::warn!(
                took = ?took, expected_duration = ?self.options.warning_unary, request = what,
                "request took too long"
            );
        }
    }
}

/// The counters are shared with the edge.
impl Member {
    /// Where calls are counted.
    pub(crate) fn observer(&self) -> &impl Observer {
        self.counters.as_ref()
    }
}

/// The header of a proposal in the name of a caller.
fn header_by(pass: &Pass, id: RequestId) -> RequestHeader {
    match &pass.caller {
        None => RequestHeader { id: id.0, ..Default::default() },
        Some(caller) => RequestHeader {
            id: id.0,
            username: caller.user.clone(),
            auth_revision: caller.revision,
        },
    }
}

/// What a request is called in metrics.
fn op_of(request: &InternalRaftRequest) -> &'static str {
    let ops = [
        (request.txn.is_some(), "Txn"),
        (request.delete_range.is_some(), "DeleteRange"),
        (request.put.is_some(), "Put"),
        (request.lease_grant.is_some(), "LeaseGrant"),
        (request.lease_revoke.is_some(), "LeaseRevoke"),
        (request.lease_checkpoint.is_some(), "LeaseCheckpoint"),
        (request.compaction.is_some(), "Compaction"),
        (request.alarm.is_some(), "Alarm"),
        (request.cluster_member_attr_set.is_some(), "ClusterMemberAttrSet"),
        (request.cluster_version_set.is_some(), "ClusterVersionSet"),
        (request.downgrade_info_set.is_some(), "DowngradeInfoSet"),
        (request.authenticate.is_some(), "Authenticate"),
        (request.auth_enable.is_some(), "AuthEnable"),
        (request.auth_disable.is_some(), "AuthDisable"),
        (request.auth_user_add.is_some(), "AuthUserAdd"),
        (request.auth_user_delete.is_some(), "AuthUserDelete"),
        (request.auth_user_change_password.is_some(), "AuthUserChangePassword"),
        (request.auth_user_grant_role.is_some(), "AuthUserGrantRole"),
        (request.auth_user_revoke_role.is_some(), "AuthUserRevokeRole"),
        (request.auth_user_get.is_some(), "AuthUserGet"),
        (request.auth_user_list.is_some(), "AuthUserList"),
        (request.auth_role_add.is_some(), "AuthRoleAdd"),
        (request.auth_role_delete.is_some(), "AuthRoleDelete"),
        (request.auth_role_grant_permission.is_some(), "AuthRoleGrantPermission"),
        (request.auth_role_revoke_permission.is_some(), "AuthRoleRevokePermission"),
        (request.auth_role_get.is_some(), "AuthRoleGet"),
        (request.auth_role_list.is_some(), "AuthRoleList"),
    ];
    ops.iter().find(|(is_it, _)| *is_it).map_or("unknown", |(_, name)| name)
}
