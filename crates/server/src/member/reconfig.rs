//! Whether the membership may be changed now: etcd's strict reconfiguration checks, which keep an
//! operator from breaking the quorum that is there.

use std::time::{Duration, Instant};

use ketch_apply::{Member as ClusterMember, Membership};
use ketch_base::{Code, MemberId};
use ketch_peer::LinkStatus;

use super::Member;

/// A member counts as connected if it has been for so long (etcd).
const HEALTH_INTERVAL: Duration = Duration::from_secs(5);
/// A learner may vote once it has this share of the leader's log.
const READY_PERCENT: u64 = 90;

impl Member {
    /// Before a member is added.
    pub(super) fn may_add(&self, is_learner: bool) -> Result<(), Code> {
        if !self.options.strict_reconfig {
            return Ok(());
        }
        let membership = self.shared.membership();
        if !is_learner && !is_ready_to_add(&membership) {
            tracing::warn!("rejecting member add request; not enough healthy members");
            return Err(Code::MemberNotEnoughStarted);
        }
        // The new one counts as down; one alone may always grow.
        let voters = membership.voters().count();
        let connected = self.connected(&membership, Instant::now().checked_sub(HEALTH_INTERVAL));
        if voters > 1 && connected < voters.div_ceil(2) + 1 {
            tracing::warn!(
                "rejecting member add request; local member has not been connected to all peers, \
                 reconfigure breaks active quorum"
            );
            return Err(Code::Unhealthy);
        }
        Ok(())
    }

    /// Before a member is removed.
    pub(super) fn may_remove(&self, id: MemberId) -> Result<(), Code> {
        let membership = self.shared.membership();
        let is_learner = membership.member(id).is_some_and(|member| member.is_learner);
        if !self.options.strict_reconfig || is_learner {
            return Ok(());
        }
        if !is_ready_to_remove(&membership, id) {
            tracing::warn!("rejecting member remove request; not enough healthy members");
            return Err(Code::MemberNotEnoughStarted);
        }
        // Who is down is no part of the active quorum.
        if id != self.id && self.active_since(id).is_none() {
            return Ok(());
        }
        let all = membership.voters().count();
        let active = self.connected(&membership, Instant::now().checked_sub(HEALTH_INTERVAL));
        let quorum_after = 1 + all.saturating_sub(1) / 2;
        if active.saturating_sub(1) < quorum_after {
            tracing::warn!(
                "rejecting member remove request; local member has not been connected to all \
                 peers, reconfigure breaks active quorum"
            );
            return Err(Code::Unhealthy);
        }
        Ok(())
    }

    /// Before a learner gets its vote; only the leader can tell.
    pub(super) fn may_promote(&self, id: MemberId) -> Result<(), Code> {
        if !self.progress.is_leader() {
            return Err(Code::NotLeader);
        }
        let peers = self.progress.peers();
        let matched = |id| peers.iter().find(|peer| peer.id == id).map(|peer| peer.matched.0);
        if self.shared.membership().member(id).is_none() {
            return Err(Code::MemberNotFound);
        }
        let leader = matched(self.id).ok_or(Code::NotLeader)?;
        // A member that was just added is seen at the leader's next tick; it has nothing yet.
        let learner = matched(id).unwrap_or(0);
        if u128::from(learner) * 100 < u128::from(leader) * u128::from(READY_PERCENT) {
            return Err(Code::LearnerNotReady);
        }
        if self.options.strict_reconfig && !is_ready_to_promote(&self.shared.membership()) {
            tracing::warn!("rejecting member promote request; not enough healthy members");
            return Err(Code::MemberNotEnoughStarted);
        }
        Ok(())
    }

    /// Voters that have been connected since `since` (`None`: before anything), this one counted.
    pub(super) fn connected(&self, membership: &Membership, since: Option<Instant>) -> usize {
        let links = self.link_status();
        let is_connected = |member: &ClusterMember| {
            member.id == self.id
                || links
                    .iter()
                    .find(|link| link.id == member.id)
                    .and_then(|link| link.active_since)
                    .is_some_and(|active| since.is_some_and(|since| active < since))
        };
        membership.voters().filter(|member| is_connected(member)).count()
    }

    /// Since when a peer is connected.
    pub(super) fn active_since(&self, id: MemberId) -> Option<Instant> {
        self.link_status().into_iter().find(|link| link.id == id)?.active_since
    }

    /// The links to other members.
    pub(crate) fn link_status(&self) -> Vec<LinkStatus> {
        self.links.get().map(ketch_peer::Links::status).unwrap_or_default()
    }
}

/// Voters that started must be a quorum of the cluster with one more.
fn is_ready_to_add(membership: &Membership) -> bool {
    let (all, started) = counted(membership.voters());
    // The second member of a cluster restored from one: it may.
    (all == 1 && started == 1) || started > all.div_ceil(2)
}

fn is_ready_to_remove(membership: &Membership, id: MemberId) -> bool {
    let (all, started) = counted(membership.voters().filter(|member| member.id != id));
    started > all / 2
}

/// The learner counts as a voter that started.
fn is_ready_to_promote(membership: &Membership) -> bool {
    let (all, started) = counted(membership.voters());
    started + 1 > all.div_ceil(2)
}

fn counted<'a>(members: impl Iterator<Item = &'a ClusterMember>) -> (usize, usize) {
    members.fold((0, 0), |(all, started), member| {
        (all + 1, started + usize::from(member.is_started()))
    })
}
