//! Deliberate bugs, to prove that the simulator's checks find them.
//!
//! A place that can be broken asks [`is`]. Without the feature `planted` the answer is a constant
//! `false` and the compiler removes the bug; no shipped program enables it.

/// A bug that can be planted, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// A write is reported durable before its log was synced.
    UnsyncedReply,
    /// A follower acknowledges entries before they are durable.
    EarlyAck,
    /// A leader counts its own copy of an entry before it is durable.
    OwnUnsynced,
    /// A member votes for everyone who asks in a term.
    VoteTwice,
    /// A member forgets with a restart for whom it voted.
    ForgottenVote,
    /// A leader that waits for a follower's answer is not woken by its heartbeats.
    PausedForEver,
    /// A vote goes to candidates whose log lacks entries.
    BlindVote,
    /// A follower appends without looking whether its log agrees before.
    UncheckedAppend,
    /// An append that brings nothing new cuts off what comes after it.
    CutTail,
    /// A received snapshot replaces the state but not the membership.
    SnapshotWithoutMembers,
    /// A received snapshot is taken over without its leases.
    SnapshotWithoutLeases,
    /// A received snapshot is taken over without its deletions.
    SnapshotWithoutDeletions,
    /// A membership change is not stored with its entry, and lost at a restart.
    LostConfChange,
    /// The applied index that is stored with an entry is that of the one before.
    AppliedAgain,
    /// A proposal that was passed on is proposed again under the next leader.
    ProposedAgain,
    /// A leader answers reads without asking whether it still leads.
    UnconfirmedRead,
    /// A new leader answers reads before it committed anything in its term.
    FreshLeaderRead,
    /// A read does not wait until its index is applied.
    EarlyRead,
    /// Comparisons of modification revisions always find them equal.
    LooseCompare,
    /// Compaction removes the newest version of a key that is alive.
    CompactedLive,
    /// Keys are not tied to their leases again at a start.
    KeysUntied,
    /// A new leader does not give leases their time again.
    LeaseNotExtended,
    /// A watch that catches up in several steps skips a revision between them.
    WatchGap,
    /// A watch that falls behind is told of a revision twice.
    WatchRepeat,
    /// The events of a revision are told in several responses.
    WatchSplit,
    /// A watch that is behind is told that it is not.
    EarlyProgress,
    /// Nobody asks at apply who may do what.
    UnjudgedApply,
    /// What a role gives is not given to, nor taken from, those who hold it already.
    StaleRights,
    /// A caller known at an older auth revision is judged like any other.
    OldAuthRevision,
    /// The operations of a nested transaction are not judged.
    NestedUnjudged,
    /// A token is known to one member only.
    TokenOnOne,
    /// A token dies in a hundredth of its time.
    TokenDiesEarly,
    /// Tokens outlive a change of the password.
    PasswordKeepsTokens,
    /// A role taken from a user is not taken in the database.
    UnstoredRevoke,
    /// A received snapshot is taken over without its users and roles.
    SnapshotWithoutRights,
    /// To judge by the keys of a lease begins its time, at no time at all.
    JudgedLeaseBegins,
}

impl Bug {
    /// Every bug.
    pub const ALL: &'static [Self] = &[
        Self::UnsyncedReply,
        Self::EarlyAck,
        Self::OwnUnsynced,
        Self::VoteTwice,
        Self::ForgottenVote,
        Self::PausedForEver,
        Self::BlindVote,
        Self::UncheckedAppend,
        Self::CutTail,
        Self::SnapshotWithoutMembers,
        Self::SnapshotWithoutLeases,
        Self::SnapshotWithoutDeletions,
        Self::LostConfChange,
        Self::AppliedAgain,
        Self::ProposedAgain,
        Self::UnconfirmedRead,
        Self::FreshLeaderRead,
        Self::EarlyRead,
        Self::LooseCompare,
        Self::CompactedLive,
        Self::KeysUntied,
        Self::LeaseNotExtended,
        Self::WatchGap,
        Self::WatchRepeat,
        Self::WatchSplit,
        Self::EarlyProgress,
        Self::UnjudgedApply,
        Self::StaleRights,
        Self::OldAuthRevision,
        Self::NestedUnjudged,
        Self::TokenOnOne,
        Self::TokenDiesEarly,
        Self::PasswordKeepsTokens,
        Self::UnstoredRevoke,
        Self::SnapshotWithoutRights,
        Self::JudgedLeaseBegins,
    ];
}

/// Whether the bug is planted on this thread.
#[cfg(feature = "planted")]
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether the bug is planted on this thread: never.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn is(_bug: Bug) -> bool {
    false
}

/// Plants a bug for everything that runs on this thread from now on; `None` digs it up.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}
