//! What must hold between any two calls. Checked in debug builds, so in every test and simulation.

use crate::raft::{Raft, Role};

impl Raft {
    /// Panics if an invariant is broken. Costs nothing in release builds.
    pub fn check(&self) {
        if cfg!(debug_assertions) {
            self.log.check();
            self.check_role();
            self.check_members();
        }
    }

    fn check_role(&self) {
        match self.role {
            Role::Leader => {
                assert_eq!(self.leader, self.id, "a leader knows who leads");
                assert_eq!(self.log.last_id().term, self.term, "a leader's last entry is its own");
            }
            Role::Candidate => {
                assert_eq!((self.leader, self.vote), (0, self.id), "a candidate votes for itself");
            }
            Role::PreCandidate => assert_eq!(self.leader, 0, "sounding out without a leader"),
            Role::Follower => assert_ne!(self.leader, self.id, "a follower does not lead"),
        }
        assert!(self.log.last_id().term <= self.term, "no entry of a term to come");
        let ticks = self.config.election_ticks;
        assert!((ticks..2 * ticks).contains(&self.election_timeout), "timeout within its bounds");
    }

    fn check_members(&self) {
        let followed: Vec<u64> = self.progress.keys().copied().collect();
        assert_eq!(followed, self.members.everyone(), "one progress per member");
        if self.role != Role::Leader {
            return;
        }
        for (id, progress) in &self.progress {
            assert!(progress.matched < progress.next, "{id}: {progress:?}");
            assert!(progress.matched <= self.log.last(), "{id}: {progress:?}");
            assert_eq!(progress.learner, self.members.learners.contains(id), "{id}");
        }
        if let Some(own) = self.progress.get(&self.id) {
            assert!(own.matched <= self.log.persisted(), "counts only what is durable here");
        }
    }
}
