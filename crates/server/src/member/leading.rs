//! Leadership handed over: on request, and before an orderly stop.

use ketch_base::{Code, MemberId};
use ketch_node::Event;

use super::Member;

impl Member {
    /// Hands leadership to `to` and waits until it leads.
    ///
    /// # Errors
    /// `NotLeader`, `BadLeaderTransferee`, `TimeoutLeaderTransfer`.
    pub(super) async fn hand_over(&self, to: MemberId) -> Result<(), Code> {
        if !self.progress.is_leader() {
            return Err(Code::NotLeader);
        }
        let membership = self.shared.membership();
        if membership.member(to).is_none_or(|member| member.is_learner) {
            return Err(Code::BadLeaderTransferee);
        }
        let mut leadership = self.progress.leadership();
        tracing::info!(
            current_leader_member_id = %self.id, transferee_member_id = %to,
            "leadership transfer starting"
        );
        self.node.send_above_limit(Event::Transfer { to }.into());
        let moved = leadership.wait_for(|leadership| leadership.leader == to.0);
        match tokio::time::timeout(self.waiters.patience(), moved).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(Code::Stopped),
            Err(_late) => return Err(Code::TimeoutLeaderTransfer),
        }
        tracing::info!(
            old_leader_member_id = %self.id, new_leader_member_id = %to,
            "leadership transfer finished"
        );
        Ok(())
    }

    /// Before a stop: a leader of many gives leadership to whom it has been connected longest, so
    /// that nobody has to notice its absence.
    pub(crate) async fn leave_leadership(&self) {
        if !self.progress.is_leader() || !self.progress.has_others() {
            return;
        }
        let Some(to) = self.longest_connected() else {
            tracing::warn!("failed to transfer leadership: no other voter is connected");
            return;
        };
        // A transfer is given up after one election; and without a quorum there is nothing to keep.
        let mut leadership = self.progress.leadership();
        tokio::select! {
            outcome = self.hand_over(to) => if let Err(error) = outcome {
                tracing::warn!(error = %error, "failed to transfer leadership");
            },
            _ = leadership.wait_for(|leadership| !leadership.is_self) => {}
            () = tokio::time::sleep(2 * self.options.election) => {
                tracing::warn!("failed to transfer leadership in time");
            }
        }
    }

    fn longest_connected(&self) -> Option<MemberId> {
        let membership = self.shared.membership();
        self.link_status()
            .iter()
            .filter(|link| membership.voters().any(|voter| voter.id == link.id))
            .filter_map(|link| Some((link.active_since?, link.id)))
            .min()
            .map(|(_, id)| id)
    }
}
