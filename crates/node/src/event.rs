//! Everything that can happen to a node.

use bytes::Bytes;
use ketch_base::{Index, MemberId, RequestId};
use ketch_raft_proto::raftpb::{ConfChange, Message};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A heartbeat interval has passed.
    Tick,
    /// A request to replicate.
    Propose {
        /// Returned if it is refused; the answer itself comes from applying.
        id: RequestId,
        /// The encoded request.
        data: Bytes,
    },
    /// A membership change to replicate.
    ProposeChange {
        /// Returned if it is refused.
        id: RequestId,
        /// The change of one member.
        change: ConfChange,
    },
    /// A peer's message.
    Message(Box<Message>),
    /// A linearizable read asks from which index on it may be served.
    Read {
        /// Returned with the index.
        token: u64,
    },
    /// The log worker made all jobs up to this number durable.
    Persisted {
        /// The newest durable job.
        job: u64,
    },
    /// The apply worker finished a job.
    Applied {
        /// The last entry applied.
        index: Index,
        /// The membership changes among them, in order.
        changes: Vec<AppliedChange>,
    },
    /// The working storage holds the effect of all entries up to `index`, safe from a crash.
    Durable {
        /// The last such entry.
        index: Index,
    },
    /// A received snapshot is in place.
    Installed {
        /// Its index.
        index: Index,
    },
    /// A peer could not be reached.
    Unreachable {
        /// The peer.
        peer: MemberId,
    },
    /// A peer's host refuses connections to where it listened: its process has ended.
    Gone {
        /// The peer.
        peer: MemberId,
    },
    /// Sending a snapshot ended.
    SnapshotSent {
        /// To whom.
        peer: MemberId,
        /// Whether it arrived.
        arrived: bool,
    },
    /// Leadership should move.
    Transfer {
        /// To this voter.
        to: MemberId,
    },
    /// The member is being shut down.
    Stop,
}

/// A membership change as it was applied.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedChange {
    /// Its entry.
    pub index: Index,
    /// The change; one that was found invalid has member 0 and changes nothing.
    pub change: ConfChange,
}
