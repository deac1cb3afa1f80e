//! Who belongs to the cluster, told to all that depend on it when it changes.

use std::sync::Arc;

use ketch_base::MemberId;

use crate::exit::Ending;
use crate::member::Member;

/// Peers with their URLs.
type PeerUrls = Vec<(MemberId, Vec<String>)>;

/// Follows the membership for the links, for what this member may do, and for its end.
pub(crate) struct Standing {
    member: Arc<Member>,
    /// Members to keep in touch with before their addition is applied here.
    first_peers: PeerUrls,
}

impl Standing {
    /// Begins with the peers that were found at the start.
    pub(crate) fn new(member: Arc<Member>, first_peers: PeerUrls) -> Self {
        Self { member, first_peers }
    }

    /// The membership has changed, or is looked at for the first time.
    pub(crate) fn changed(&self) {
        let membership = self.member.shared.membership();
        if membership.is_removed(self.member.id) {
            self.member.exit.ask(Ending::Removed);
        }
        let own = membership.member(self.member.id);
        let others = membership.members().filter(|member| member.id != self.member.id);
        let mut peers: PeerUrls =
            others.map(|member| (member.id, member.peer_urls.clone())).collect();
        let is_unknown = |id: MemberId| membership.member(id).is_none();
        peers.extend(
            self.first_peers
                .iter()
                .filter(|(id, _)| is_unknown(*id) && !membership.is_removed(*id))
                .cloned(),
        );
        let is_learner = own.is_some_and(|member| member.is_learner);
        self.member.progress.set_standing(is_learner, !peers.is_empty());
        if let Some(links) = self.member.links.get() {
            links.follow(&peers);
        }
    }
}
