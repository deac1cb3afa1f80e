//! What follows from a membership change that took effect.

use crate::raft::{Raft, Role};

impl Raft {
    /// The quorum may have become smaller: commits, reads, a transfer and the role are looked at
    /// again.
    pub(crate) fn after_change(&mut self) {
        if self.role != Role::Leader {
            return;
        }
        let voter = self.members.voters.contains(self.id);
        if !voter && self.config.step_down_on_removal {
            self.make_room();
            return;
        }
        if self.members.voters.incoming.is_empty() {
            return;
        }
        self.advance_commit();
        self.settle_reads();
        self.replicate_due = true;
        if self.transferee != 0 && !self.members.voters.contains(self.transferee) {
            self.transferee = 0;
        }
    }
}
