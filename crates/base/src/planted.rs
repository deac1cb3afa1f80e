//! Deliberate bugs, to prove that the simulator's checks find them.
//!
//! A place that can be broken asks [`is`]. Without the feature `planted` the answer is a constant
//! `false` and the compiler removes the bug; no shipped program enables it.

/// A bug that can be planted, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// A write is reported durable before its log was synced.
    UnsyncedReply,
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
