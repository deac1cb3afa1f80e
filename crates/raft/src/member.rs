//! What follows from a membership change that took effect.

use ketch_raft_proto::raftpb::MessageType;

use crate::message;
use crate::raft::{Raft, Role};

impl Raft {
    /// The quorum may have become smaller: commits, reads, a transfer and the role are looked at
    /// again.
    pub(crate) fn after_change(&mut self) {
        if self.role != Role::Leader {
            self.succeed_removed_leader();
            return;
        }
        let voter = self.members.voters.contains(self.id);
        if !voter && self.config.step_down_on_removal {
            self.leave_to_successor();
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

    /// A follower sees its leader go. Nobody need wait for its silence: the voter with the lowest
    /// id stands as soon as the change is applied. Whoever is removed may not even be able to call
    /// it, since members do not listen to those that are gone.
    fn succeed_removed_leader(&mut self) {
        let voters = &self.members.voters;
        if self.role != Role::Follower || self.leader == 0 || voters.contains(self.leader) {
            return;
        }
        self.leader = 0;
        if voters.voters().first() == Some(&self.id) {
            self.called_ticks = self.config.election_ticks;
        }
    }

    /// Steps down, calling the voter to stand that will do so anyway once it applies the change; or
    /// the one that has most, if that one does not know of the change yet.
    fn leave_to_successor(&mut self) {
        let (voters, committed) = (&self.members.voters, self.log.committed());
        let knows = |id: &u64| self.progress.get(id).is_some_and(|p| p.matched >= committed);
        let Some(successor) = voters.voters().first().copied().filter(knows) else {
            self.make_room();
            return;
        };
        self.send(message::to(successor, MessageType::MsgTimeoutNow));
        self.become_follower(self.term, 0);
    }
}
