//! What a request that took too long is told: etcd says which of its guesses is the likely one.

use std::time::Instant;

use ketch_base::{Code, MemberId};

use super::Member;

impl Member {
    /// The words for a request that began at `since` and failed with `code`.
    pub(super) fn why_late(&self, code: Code, since: Instant) -> Code {
        if code != Code::Timeout {
            return code;
        }
        let leadership = *self.progress.leadership().borrow();
        let patience = 2 * self.options.election;
        // The last leader was lost somewhere in the two elections before the new one came.
        let between = leadership.elected.is_some_and(|elected| {
            since < elected && elected.checked_sub(patience).is_some_and(|lost| since > lost)
        });
        if between {
            return Code::TimeoutDueToLeaderFail;
        }
        let connected = match leadership.leader {
            0 => true,
            leader if leader == self.id.0 => self.is_connected_to_quorum(since),
            leader => self.active_since(MemberId(leader)).is_some_and(|active| active < since),
        };
        if connected { Code::Timeout } else { Code::TimeoutDueToConnectionLost }
    }

    fn is_connected_to_quorum(&self, since: Instant) -> bool {
        let membership = self.shared.membership();
        self.connected(&membership, Some(since)) > membership.voters().count() / 2
    }
}
