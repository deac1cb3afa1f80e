//! Membership, as far as one member can serve it.

use ketch_api::ports::Cluster;
use ketch_base::{Code, MemberId};
use ketch_proto::etcdserverpb::{
    MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse,
    MemberUpdateRequest, MemberUpdateResponse, ResponseHeader,
};
use url::Url;

use super::Member;

impl Cluster for Member {
    async fn member_list(&self, request: MemberListRequest) -> Result<MemberListResponse, Code> {
        if request.linearizable {
            self.linearize().await?;
        }
        let members = self.shared.membership().members().map(|member| member.to_proto()).collect();
        Ok(MemberListResponse { header: Some(self.header_bare()), members })
    }

    async fn member_add(&self, request: MemberAddRequest) -> Result<MemberAddResponse, Code> {
        check_urls(&request.peer_ur_ls)?;
        self.check_unused(&request.peer_ur_ls)?;
        Err(Code::ClusterUnsupported)
    }

    async fn member_remove(
        &self,
        request: MemberRemoveRequest,
    ) -> Result<MemberRemoveResponse, Code> {
        self.check_known(request.id)?;
        // The last started voter cannot leave.
        Err(Code::MemberNotEnoughStarted)
    }

    async fn member_update(
        &self,
        request: MemberUpdateRequest,
    ) -> Result<MemberUpdateResponse, Code> {
        self.check_known(request.id)?;
        self.check_unused(&request.peer_ur_ls)?;
        Err(Code::ClusterUnsupported)
    }

    async fn member_promote(
        &self,
        request: MemberPromoteRequest,
    ) -> Result<MemberPromoteResponse, Code> {
        self.check_known(request.id)?;
        Err(Code::MemberNotLearner)
    }
}

impl Member {
    /// etcd leaves the revision out of membership answers.
    pub(super) fn header_bare(&self) -> ResponseHeader {
        ResponseHeader { revision: 0, ..self.header_at(0) }
    }

    fn check_known(&self, id: u64) -> Result<(), Code> {
        let known = self.shared.membership().member(MemberId(id)).is_some();
        if known { Ok(()) } else { Err(Code::MemberNotFound) }
    }

    fn check_unused(&self, urls: &[String]) -> Result<(), Code> {
        let membership = self.shared.membership();
        let used = membership
            .members()
            .any(|member| member.peer_urls.iter().any(|url| urls.contains(url)));
        if used { Err(Code::PeerURLExist) } else { Ok(()) }
    }
}

fn check_urls(urls: &[String]) -> Result<(), Code> {
    let good = |text: &String| {
        Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https" | "unix" | "unixs") && url.host().is_some()
        })
    };
    if !urls.is_empty() && urls.iter().all(good) { Ok(()) } else { Err(Code::MemberBadURLs) }
}
