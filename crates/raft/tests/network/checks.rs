//! What must hold at every moment, whatever happens (Raft, figure 3), and for reads.

use std::collections::BTreeMap;

use bytes::Bytes;
use ketch_base::Index;
use ketch_raft::Role;
use ketch_raft::raftpb::Entry;

use crate::cluster::{Cluster, Member};

/// Everything seen so far.
#[derive(Default)]
pub(crate) struct Checks {
    /// Who led each term.
    leaders: BTreeMap<u64, u64>,
    /// The term of each committed entry.
    committed: BTreeMap<u64, u64>,
    /// Each applied entry.
    applied: BTreeMap<u64, Entry>,
    /// How far each member was looked at: commit and applied.
    seen: BTreeMap<u64, (u64, u64)>,
    /// Questions, with the newest commit anywhere when they were asked.
    questions: BTreeMap<Bytes, u64>,
}

impl Checks {
    /// A question is asked now.
    pub(crate) fn asked(&mut self, context: Bytes) {
        let newest = self.committed.keys().next_back().copied().unwrap_or(0);
        self.questions.insert(context, newest);
    }

    /// A member begins again from its disk.
    pub(crate) fn crashed(&mut self, id: u64) {
        self.seen.remove(&id);
    }

    /// Looks at what changed.
    pub(crate) fn look(&mut self, cluster: &mut Cluster) {
        for (id, member) in &mut cluster.members {
            self.log_matching_and_leader_completeness(*id, member);
            self.state_machine_safety(*id, member);
            self.reads(member);
            let now = (member.raft.committed().0, member.raft.applied_index().0);
            self.seen.insert(*id, now);
        }
        // After the commits: an entry committed in this very step counts.
        for (id, member) in &cluster.members {
            self.election_safety(*id, member);
        }
    }

    /// At most one leader in a term; and it has every entry committed in earlier terms.
    fn election_safety(&mut self, id: u64, member: &Member) {
        let status = member.raft.status();
        if status.role != Role::Leader {
            return;
        }
        let first = *self.leaders.entry(status.term.0).or_insert(id);
        assert_eq!(first, id, "two leaders in term {}", status.term);
        let held = self.committed.range(status.before.index + 1..);
        for (index, term) in held.filter(|(_, term)| **term < status.term.0) {
            let own = member.raft.term_at(Index(*index)).map(|term| term.0);
            assert_eq!(own, Some(*term), "leader {id} lacks committed entry {index}");
        }
    }

    /// What one member holds for committed, no other holds otherwise.
    fn log_matching_and_leader_completeness(&mut self, id: u64, member: &Member) {
        let from = self.seen.get(&id).map_or(0, |seen| seen.0);
        let commit = member.raft.committed().0;
        assert!(commit >= from, "the commit of {id} fell from {from} to {commit}");
        for index in from + 1..=commit {
            // A snapshot may have come in place of entries.
            let Some(term) = member.raft.term_at(Index(index)) else { continue };
            let known = *self.committed.entry(index).or_insert(term.0);
            assert_eq!(known, term.0, "{id} committed another entry {index}");
        }
    }

    /// All apply the same entries.
    fn state_machine_safety(&mut self, id: u64, member: &Member) {
        let from = self.seen.get(&id).map_or(0, |seen| seen.1);
        let to = member.raft.applied_index().0;
        for (index, entry) in member.applied.range(from + 1..).take_while(|(at, _)| **at <= to) {
            let known = self.applied.entry(*index).or_insert_with(|| entry.clone());
            assert_eq!(known, entry, "{id} applied another entry {index}");
        }
    }

    /// An answer is not older than what was committed when the question came.
    fn reads(&mut self, member: &mut Member) {
        for answer in member.reads.drain(..) {
            let context = answer.context;
            let needed = self.questions.get(&context).expect("nobody asked that");
            assert!(answer.index >= *needed, "read {context:?} at {} < {needed}", answer.index);
        }
    }
}
