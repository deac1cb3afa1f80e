//! Everything a node can ask of the world.

use ketch_base::{Code, Index, MemberId, RequestId, Term};
use ketch_raft::StepError;
use ketch_raft_proto::raftpb::{Entry, HardState, Message, SnapshotMetadata};
use ketch_raft_proto::walpb;

/// One thing to do. Begun in order of appearance; see `docs/raft-order.md`.
#[derive(Clone, Debug)]
pub enum Effect {
    /// For the log worker.
    Append(LogJob),
    /// For the apply worker.
    Apply(ApplyJob),
    /// Messages for peers; they may leave at once and may be lost.
    Send(Vec<Message>),
    /// A snapshot for a peer: this message, followed by the state itself. Its end is reported by
    /// [`crate::Event::SnapshotSent`].
    SendSnapshot(Box<Message>),
    /// A received snapshot replaces the state; reported by [`crate::Event::Installed`].
    Install(SnapshotMetadata),
    /// A read may be served once `index` is applied.
    ReadReady {
        /// The read.
        token: u64,
        /// What must be applied first.
        index: Index,
    },
    /// A read cannot be served.
    ReadRefused {
        /// The read.
        token: u64,
        /// Why.
        code: Code,
    },
    /// A proposal was not taken. Without this it may still be lost, as in any cluster.
    Refused {
        /// The proposal.
        id: RequestId,
        /// Why.
        code: Code,
    },
    /// Who leads, or in which term, has changed.
    Leader {
        /// The leader, if known.
        leader: Option<MemberId>,
        /// The term.
        term: Term,
        /// Whether this member leads.
        is_self: bool,
    },
    /// The member must not go on.
    Fatal(StepError),
    /// The answer to [`crate::Event::Stop`]: nothing will follow.
    Stopped,
}

/// Something to make durable. Jobs are done in order; those that queue share one sync.
#[derive(Clone, Debug, Default)]
pub struct LogJob {
    /// Reported by [`crate::Event::Persisted`]; 0 needs no report.
    pub job: u64,
    /// A received snapshot, marked before the entries.
    pub received: Option<Box<walpb::Snapshot>>,
    /// Entries to append.
    pub entries: Vec<Entry>,
    /// Written after the entries.
    pub hard_state: Option<HardState>,
    /// An own snapshot, marked after everything else.
    pub mark: Option<Box<walpb::Snapshot>>,
    /// Segments that hold nothing after this index are no longer needed.
    pub release: Option<Index>,
}

/// Committed entries to apply, in order.
#[derive(Clone, Debug)]
pub struct ApplyJob {
    /// At least one, without gaps.
    pub entries: Vec<Entry>,
}
