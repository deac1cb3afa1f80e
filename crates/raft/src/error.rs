//! Why raft says no. Named, so that the layers above can choose the words for a client.

use ketch_raft_proto::raftpb::MessageType;

/// A state that cannot be started from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewError {
    /// A member has a number other than 0.
    #[error("member id is 0")]
    NoId,
    /// Heartbeats must be more frequent than elections.
    #[error("election timeout of {election_ticks} ticks is not above heartbeat {heartbeat_ticks}")]
    Timing {
        /// What was asked for.
        election_ticks: u32,
        /// What was asked for.
        heartbeat_ticks: u32,
    },
    /// The entries do not follow each other.
    #[error("log has a gap: entry {found} where {expected} belongs")]
    Gap {
        /// The index that was due.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// Terms only rise along the log.
    #[error("entry {index} has term {term}, less than the entry before it")]
    TermFalls {
        /// The offending entry.
        index: u64,
        /// Its term.
        term: u64,
    },
    /// The hard state claims a commit the log does not hold.
    #[error("commit {commit} is outside of the log {first}..={last}")]
    Commit {
        /// The claim.
        commit: u64,
        /// First place of the log.
        first: u64,
        /// Last place of the log.
        last: u64,
    },
    /// Applied must be committed and not compacted away.
    #[error("applied {applied} is outside of {before}..={commit}")]
    Applied {
        /// The claim.
        applied: u64,
        /// The place before the log.
        before: u64,
        /// The last committed place.
        commit: u64,
    },
    /// The membership is not a possible one.
    #[error("membership: {0}")]
    Membership(#[from] ChangeError),
}

/// A proposal, read or transfer that was not taken. Nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No leader is known, or this member is campaigning.
    #[error("no leader")]
    NoLeader,
    /// The leader is handing over and takes nothing new.
    #[error("leader is being transferred")]
    Transferring,
    /// This member is not (or no longer) part of the cluster.
    #[error("not a member")]
    NotMember,
    /// One proposal is above the limit.
    #[error("proposal of {bytes} bytes is above the limit of {limit_bytes}")]
    TooLarge {
        /// Its data.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// Too many bytes wait to be committed.
    #[error("too many uncommitted bytes")]
    Backlog,
}

/// A message that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// A kind that never travels between members.
    #[error("message of kind {0:?} does not come from a peer")]
    NotFromPeers(MessageType),
    /// An answer of someone who is not a member.
    #[error("answer from unknown member {0:x}")]
    UnknownPeer(u64),
    /// The message contradicts itself.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// The leader says that this member acknowledged entries that it does not have: the log was
    /// lost. The member must not go on.
    #[error("leader committed {commit} but the log ends at {last}: the log was truncated or lost")]
    LogLost {
        /// What the leader knows to be committed here.
        commit: u64,
        /// Where the log ends.
        last: u64,
    },
    /// A forwarded proposal or read was not taken.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// A membership change that cannot be made, or a membership that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Bytes that are no change.
    #[error("conf change does not decode")]
    Decode,
    /// A joint change while one is in force.
    #[error("configuration is already joint")]
    AlreadyJoint,
    /// Leaving a joint configuration without being in one.
    #[error("configuration is not joint")]
    NotJoint,
    /// Without joint consensus one voter at a time.
    #[error("more than one voter changed without joint consensus")]
    TooMany,
    /// A cluster needs voters.
    #[error("all voters removed")]
    NoVoters,
    /// One member in two roles that exclude each other.
    #[error("member {0:x} has conflicting roles")]
    Conflict(u64),
}
