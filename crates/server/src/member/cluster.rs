//! Membership: changes are judged here as far as this member can see, and by all when applied.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ketch_api::ports::{Cluster, Credentials};
use ketch_apply::{Answer, Member as ClusterMember, member_id_at};
use ketch_base::{Code, MemberId};
use ketch_node::Event;
use ketch_proto::etcdserverpb::{
    Member as MemberView, MemberAddRequest, MemberAddResponse, MemberListRequest,
    MemberListResponse, MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest,
    MemberRemoveResponse, MemberUpdateRequest, MemberUpdateResponse, ResponseHeader,
};
use ketch_raft_proto::raftpb::{ConfChange, ConfChangeType};
use url::Url;

use super::Member;
use super::kv::unexpected;
use crate::metrics::add;

impl Cluster for Member {
    async fn member_list(&self, request: MemberListRequest) -> Result<MemberListResponse, Code> {
        if request.linearizable {
            self.linearize().await?;
        }
        let members = self.member_views();
        Ok(MemberListResponse { header: Some(self.header_bare()), members })
    }

    fn check_member_add(&self, request: &MemberAddRequest) -> Result<(), Code> {
        checked_urls(&request.peer_ur_ls).map(drop)
    }

    async fn member_add(&self, request: MemberAddRequest) -> Result<MemberAddResponse, Code> {
        let peer_urls = checked_urls(&request.peer_ur_ls)?;
        self.judged_up_to_date(|| self.may_add(request.is_learner)).await?;
        let (id, is_learner) = (member_id_at(&peer_urls, unix_s()), request.is_learner);
        let new = ClusterMember { id, peer_urls, is_learner, ..ClusterMember::default() };
        let kind = match is_learner {
            true => ConfChangeType::ConfChangeAddLearnerNode,
            false => ConfChangeType::ConfChangeAddNode,
        };
        let members = self.change(kind, id, Some(new.context_json(Some(false)))).await?;
        tracing::info!(
            added_peer_id = %id, added_peer_peer_urls = ?new.peer_urls,
            added_peer_is_learner = is_learner, "added member"
        );
        let header = Some(self.header_bare());
        Ok(MemberAddResponse { header, member: Some(new.to_proto()), members })
    }

    async fn member_remove(
        &self,
        request: MemberRemoveRequest,
    ) -> Result<MemberRemoveResponse, Code> {
        let id = MemberId(request.id);
        self.judged_up_to_date(|| self.may_remove(id)).await?;
        let members = self.change(ConfChangeType::ConfChangeRemoveNode, id, None).await?;
        Ok(MemberRemoveResponse { header: Some(self.header_bare()), members })
    }

    async fn member_update(
        &self,
        request: MemberUpdateRequest,
    ) -> Result<MemberUpdateResponse, Code> {
        let id = MemberId(request.id);
        // etcd takes all attributes of the context: a learner must be said to stay one.
        let known = self.shared.membership().member(id).cloned();
        let peer_urls = request.peer_ur_ls;
        // etcd commits anything here, and then all its members panic over what is no URL.
        if known.is_some() {
            checked_urls(&peer_urls)?;
        }
        let is_learner = known.is_some_and(|known| known.is_learner);
        let new = ClusterMember { id, peer_urls, is_learner, ..ClusterMember::default() };
        let context = Some(new.context_json(Some(false)));
        let members = self.change(ConfChangeType::ConfChangeUpdateNode, id, context).await?;
        Ok(MemberUpdateResponse { header: Some(self.header_bare()), members })
    }

    async fn member_promote(
        &self,
        credentials: Credentials,
        request: MemberPromoteRequest,
    ) -> Result<MemberPromoteResponse, Code> {
        let members = self.promote(MemberId(request.id), &credentials).await?;
        Ok(MemberPromoteResponse { header: Some(self.header_bare()), members })
    }
}

impl Member {
    /// The members in the form clients see, by id.
    pub(crate) fn member_views(&self) -> Vec<MemberView> {
        self.shared.membership().members().map(ClusterMember::to_proto).collect()
    }

    /// All members but this one.
    pub(crate) fn others(&self) -> Vec<ClusterMember> {
        let membership = self.shared.membership();
        membership.members().filter(|member| member.id != self.id).cloned().collect()
    }

    /// etcd leaves the revision out of membership answers.
    pub(super) fn header_bare(&self) -> ResponseHeader {
        ResponseHeader { revision: 0, ..self.header_at(0) }
    }

    /// Promotes a learner here if this member leads, else through the leader.
    async fn promote(
        &self,
        id: MemberId,
        credentials: &Credentials,
    ) -> Result<Vec<MemberView>, Code> {
        match self.promote_as_leader(id).await {
            Err(Code::NotLeader) => self.promote_elsewhere(id, credentials).await,
            here => here,
        }
    }

    /// Promotes a learner that has caught up; only the leader knows whether it has.
    ///
    /// # Errors
    /// `NotLeader`, `MemberNotFound`, `LearnerNotReady`, `MemberNotLearner`, ..
    pub(crate) async fn promote_as_leader(&self, id: MemberId) -> Result<Vec<MemberView>, Code> {
        let outcome = self.promote_here(id).await;
        match &outcome {
            Ok(_) => add(&self.counters.learners_promoted, 1),
            Err(Code::NotLeader) => {}
            Err(code) => self.counters.learner_refused(*code),
        }
        outcome
    }

    async fn promote_here(&self, id: MemberId) -> Result<Vec<MemberView>, Code> {
        self.may_promote(id)?;
        let promoted = ClusterMember { id, ..ClusterMember::default() };
        let context = Some(promoted.context_json(Some(true)));
        self.change(ConfChangeType::ConfChangeAddNode, id, context).await
    }

    /// What is refused as far as this member can see is refused at once. What is not is judged
    /// again once this member has heard of all that other members granted before.
    async fn judged_up_to_date(&self, judge: impl Fn() -> Result<(), Code>) -> Result<(), Code> {
        judge()?;
        if self.options.strict_reconfig {
            self.linearize().await?;
            judge()?;
        }
        Ok(())
    }

    /// Proposes a change of the membership and waits until it is applied here.
    async fn change(
        &self,
        kind: ConfChangeType,
        member: MemberId,
        context: Option<Bytes>,
    ) -> Result<Vec<MemberView>, Code> {
        let since = std::time::Instant::now();
        let id = self.request_ids.next();
        let change = ConfChange {
            id: Some(id.0),
            r#type: Some(kind as i32),
            node_id: Some(member.0),
            context,
        };
        let outcome = self.waiters.register(id, since, None);
        if self.node.try_send(Event::ProposeChange { id, change }.into()).is_err() {
            self.waiters.answer(id, Err(Code::RequestTooManyRequests));
        }
        match outcome.await.unwrap_or(Err(Code::Stopped)) {
            Ok(Answer::Members(members)) => Ok(members),
            Ok(_) => Err(unexpected()),
            Err(code) => Err(self.why_late(code, since)),
        }
    }
}

/// The URLs of a new member, sorted, as etcd takes them: with a host and a port, without a path.
fn checked_urls(urls: &[String]) -> Result<Vec<String>, Code> {
    let good = |text: &String| {
        let text = text.trim();
        Url::parse(text).is_ok_and(|url| match url.scheme() {
            // The parser leaves out the usual port of a scheme; etcd wants to see one.
            "http" | "https" => {
                let rest = text.split_once("://").map_or("", |(_, rest)| rest);
                let has_port = rest
                    .rsplit_once(':')
                    .is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
                url.host().is_some() && has_port && !rest.contains('/')
            }
            "unix" | "unixs" => true,
            _ => false,
        })
    };
    if urls.is_empty() || !urls.iter().all(good) {
        return Err(Code::MemberBadURLs);
    }
    let mut urls: Vec<String> = urls.iter().map(|text| text.trim().to_owned()).collect();
    urls.sort_unstable();
    Ok(urls)
}

fn unix_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_new_members() {
        let check = |urls: &[&str], expected: Option<&[&str]>| {
            let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
            let found = checked_urls(&urls).ok();
            let expected =
                expected.map(|urls| urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>());
            assert_eq!(found, expected, "{urls:?}");
        };
        check(&["http://b:2380", " http://a:80"], Some(&["http://a:80", "http://b:2380"]));
        check(&["https://[::1]:2380"], Some(&["https://[::1]:2380"]));
        check(&["unix://sock:1"], Some(&["unix://sock:1"]));
        check(&[], None);
        check(&["http://a"], None);
        check(&["http://a:2380/x"], None);
        check(&["a:2380"], None);
        check(&["ftp://a:2380"], None);
        check(&["http://a:2380", "nonsense"], None);
    }
}
