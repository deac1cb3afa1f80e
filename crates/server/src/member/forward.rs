//! Questions that only the leader can answer, put to it over its peer URLs.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ketch_api::ports::Credentials;
use ketch_base::{Code, LeaseId, MemberId};
use ketch_peer::Dialer;
use ketch_peer::ask::{self, AskError};
use ketch_proto::etcdserverpb::{
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, Member as MemberView,
};
use ketch_proto::leasepb::LeaseInternalRequest;

use super::Member;

/// Rest before the leader is asked again, e.g. over a broken connection (etcd).
const REST: Duration = Duration::from_millis(50);

impl Member {
    /// Renews a lease at the leader.
    pub(super) async fn renew_elsewhere(&self, id: LeaseId) -> Result<i64, Code> {
        let answer = self
            .ask_leader(
                |by, url, patience| async move {
                    ask::renew_lease(&by, &url, id.0, patience).await
                },
                |code| code == Code::LeaseNotFound,
            )
            .await?;
        Ok(answer.ttl)
    }

    /// Asks the leader what a lease has left.
    pub(super) async fn time_to_live_elsewhere(
        &self,
        asked: LeaseTimeToLiveRequest,
    ) -> Result<LeaseTimeToLiveResponse, Code> {
        let request = LeaseInternalRequest { lease_time_to_live_request: Some(asked) };
        let answer = self
            .ask_leader(
                |by, url, patience| async move {
                    ask::lease_internal(&by, &url, request, patience).await
                },
                |code| code == Code::LeaseNotFound,
            )
            .await?;
        answer.lease_time_to_live_response.ok_or(Code::LeaseNotFound)
    }

    /// Has the leader promote a learner; it judges again whether the caller may (etcd).
    pub(super) async fn promote_elsewhere(
        &self,
        id: MemberId,
        credentials: &Credentials,
    ) -> Result<Vec<MemberView>, Code> {
        let token = credentials.token().map(Bytes::copy_from_slice);
        let is_final = |code| {
            matches!(
                code,
                Code::MemberNotFound
                    | Code::MemberNotLearner
                    | Code::LearnerNotReady
                    | Code::MemberNotEnoughStarted
            )
        };
        self.ask_leader(
            |by, url, patience| {
                let token = token.clone();
                async move { ask::promote(&by, &url, id.0, token, patience).await }
            },
            is_final,
        )
        .await
    }

    /// The way to other members for questions.
    pub(crate) fn dialer(&self) -> Dialer {
        // Nobody asks before the links are there.
        self.links.get().map(|links| links.dialer().clone()).unwrap_or_default()
    }

    /// Puts a question to the leader, whoever that is by then, until it is answered, refused with a
    /// code that is final, or the request's time is over.
    async fn ask_leader<T, F>(
        &self,
        mut question: impl FnMut(Dialer, String, Duration) -> F,
        is_final: impl Fn(Code) -> bool,
    ) -> Result<T, Code>
    where
        F: Future<Output = Result<T, AskError>>,
    {
        let end = Instant::now() + self.waiters.patience();
        let mut leadership = self.progress.leadership();
        loop {
            let (leader, urls) = self.leader_urls(end).await?;
            for url in urls {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(Code::Timeout);
                }
                // A leader that hangs is not waited for once another one leads.
                let replaced = leadership.wait_for(|now| ![0, leader].contains(&now.leader));
                let outcome = tokio::select! {
                    outcome = question(self.dialer(), url, left) => outcome,
                    _ = replaced => break,
                };
                match outcome {
                    Ok(answer) => return Ok(answer),
                    Err(error) => match error.code() {
                        Some(code) if is_final(code) => return Err(code),
                        _ => tracing::debug!(error = %error, "the leader gave no answer"),
                    },
                }
            }
            if Instant::now() >= end {
                return Err(Code::Timeout);
            }
            tokio::time::sleep(REST).await;
        }
    }

    /// Waits for a leader that is a member; gives its id and peer URLs.
    async fn leader_urls(&self, end: Instant) -> Result<(u64, Vec<String>), Code> {
        let mut leadership = self.progress.leadership();
        loop {
            let leader = leadership.borrow_and_update().leader;
            let membership = self.shared.membership();
            if let Some(member) = membership.member(MemberId(leader)) {
                return Ok((leader, member.peer_urls.clone()));
            }
            let left = end.saturating_duration_since(Instant::now());
            // The membership may change without the leader changing.
            let look = left.min(self.options.election);
            if left.is_zero() {
                return Err(Code::NoLeader);
            }
            let _ = tokio::time::timeout(look, leadership.changed()).await;
        }
    }
}
