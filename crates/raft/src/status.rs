//! A look at the state, for health, metrics and tests.

use ketch_base::{Index, MemberId, Term};

use crate::log::EntryId;
use crate::progress::FlowState;
use crate::raft::{Raft, Role};

/// The state of a member at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// This member.
    pub id: MemberId,
    /// What it is.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// Who leads, if known.
    pub leader: Option<MemberId>,
    /// To whom leadership is being handed.
    pub transferee: Option<MemberId>,
    /// The last entry known to be on a quorum.
    pub committed: Index,
    /// The last entry applied.
    pub applied: Index,
    /// The last entry durable here.
    pub persisted: Index,
    /// The last entry.
    pub last: EntryId,
    /// The last entry no longer in memory.
    pub before: EntryId,
    /// Memory of the log tail.
    pub tail_bytes: usize,
}

/// How a leader sees one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// The member.
    pub id: MemberId,
    /// The last entry it is known to have.
    pub matched: Index,
    /// How it is sent entries.
    pub flow: FlowState,
    /// Whether it was heard since the last quorum check.
    pub active: bool,
    /// Whether it does not vote.
    pub learner: bool,
}

impl Raft {
    /// Cheap: copies numbers.
    pub fn status(&self) -> Status {
        let some = |id: u64| (id != 0).then_some(MemberId(id));
        Status {
            id: MemberId(self.id),
            role: self.role,
            term: Term(self.term),
            leader: some(self.leader),
            transferee: some(self.transferee),
            committed: Index(self.log.committed()),
            applied: Index(self.log.applied()),
            persisted: Index(self.log.persisted()),
            last: self.log.last_id(),
            before: self.log.before(),
            tail_bytes: self.log.bytes(),
        }
    }

    /// What this member is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The last entry known to be on a quorum.
    pub fn committed(&self) -> Index {
        Index(self.log.committed())
    }

    /// The last entry applied.
    pub fn applied_index(&self) -> Index {
        Index(self.log.applied())
    }

    /// Memory of the log tail.
    pub fn tail_bytes(&self) -> usize {
        self.log.bytes()
    }

    /// How this leader sees the members, by id; empty if it does not lead.
    pub fn peers(&self) -> Vec<PeerStatus> {
        if self.role != Role::Leader {
            return Vec::new();
        }
        let peer = |(id, progress): (&u64, &crate::progress::Progress)| PeerStatus {
            id: MemberId(*id),
            matched: Index(progress.matched),
            flow: progress.flow,
            active: progress.active,
            learner: progress.learner,
        };
        self.progress.iter().map(peer).collect()
    }

    /// Whether this member is the only voter and may decide alone.
    pub fn is_sole_voter(&self) -> bool {
        self.members.voters.is_sole(self.id)
    }

    /// Whether it leads a cluster of nobody else, learners included, and has committed in its term:
    /// nothing was ever acknowledged that it does not know to be committed, and nobody else could
    /// acknowledge anything.
    pub fn is_alone_in_charge(&self) -> bool {
        self.role == Role::Leader
            && self.is_sole_voter()
            && self.progress.len() == 1
            && self.has_committed_in_term()
    }

    /// The term of the entry at `index`, while it is in memory.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        self.log.term(index.0).map(Term)
    }

    /// The first index from which on the log tail is at most `max_bytes`.
    pub fn tail_within(&self, max_bytes: usize) -> Index {
        Index(self.log.first_within(max_bytes))
    }
}
