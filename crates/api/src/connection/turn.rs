//! How far a connection is with what its client sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::limits::{CONNECTION_BEHIND_CALLS, CONNECTION_BEHIND_MS, CONNECTION_TURN_BYTES};

/// What may still be read in this turn of the connection's task, and since when there was always
/// more to read than that. Shared by the parts of one task; the atomics let it move between
/// threads.
#[derive(Clone)]
pub(super) struct Turn(Arc<State>);

struct State {
    left_bytes: AtomicUsize,
    made: Instant,
    /// Since when every turn ended before everything was read, in microseconds since it was made;
    /// 0 while it does not.
    behind_since_us: AtomicU64,
    /// Calls begun since then.
    calls: AtomicUsize,
    is_behind: AtomicBool,
}

impl Turn {
    pub(super) fn new() -> Self {
        Self(Arc::new(State {
            left_bytes: AtomicUsize::new(0),
            made: Instant::now(),
            behind_since_us: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
            is_behind: AtomicBool::new(false),
        }))
    }

    /// To be called whenever the task of the connection begins to run.
    pub(super) fn begin(&self) {
        self.0.left_bytes.store(CONNECTION_TURN_BYTES, Ordering::Relaxed);
    }

    /// Notes bytes that were read.
    pub(super) fn read(&self, bytes: usize) {
        let left = self.0.left_bytes.load(Ordering::Relaxed);
        self.0.left_bytes.store(left.saturating_sub(bytes), Ordering::Relaxed);
        if left > 0 && left <= bytes {
            self.note_end(self.0.made.elapsed());
        }
    }

    /// Whether enough was read.
    pub(super) fn is_over(&self) -> bool {
        self.0.left_bytes.load(Ordering::Relaxed) == 0
    }

    /// Notes that nothing is left to read.
    pub(super) fn caught_up(&self) {
        self.0.behind_since_us.store(0, Ordering::Relaxed);
        self.0.is_behind.store(false, Ordering::Relaxed);
    }

    /// Notes a call; tells whether calls of this connection have waited long by the time they are
    /// read. Many calls and not many bytes: who sends few large ones is not behind.
    pub(super) fn call(&self) -> bool {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        self.is_behind()
    }

    /// What [`Turn::call`] tells.
    pub(super) fn is_behind(&self) -> bool {
        self.0.is_behind.load(Ordering::Relaxed)
    }

    /// The turn ended with bytes unread, perhaps.
    fn note_end(&self, now: Duration) {
        let now_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX).max(1);
        let since_us = self.0.behind_since_us.load(Ordering::Relaxed);
        if since_us == 0 {
            self.0.behind_since_us.store(now_us, Ordering::Relaxed);
            self.0.calls.store(0, Ordering::Relaxed);
            return;
        }
        let is_behind = now_us.saturating_sub(since_us) >= CONNECTION_BEHIND_MS * 1000
            && self.0.calls.load(Ordering::Relaxed) >= CONNECTION_BEHIND_CALLS;
        self.0.is_behind.store(is_behind, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_millis(CONNECTION_BEHIND_MS + 1);

    #[test]
    fn behind_is_who_never_catches_up() {
        let turn = Turn::new();
        let ends = |at, calls| {
            turn.note_end(at);
            (0..calls).fold(false, |_, _| turn.call())
        };
        assert!(!ends(Duration::ZERO, CONNECTION_BEHIND_CALLS), "it begins now");
        assert!(!ends(Duration::from_millis(1), 1), "not for long");
        assert!(ends(LONG, 1));
        turn.caught_up();
        assert!(!turn.call());
        assert!(!ends(2 * LONG, 1), "it begins anew");
        assert!(!ends(4 * LONG, 1), "long, but few calls");
    }

    #[test]
    fn a_turn_is_over_when_enough_was_read() {
        let turn = Turn::new();
        turn.begin();
        turn.read(CONNECTION_TURN_BYTES - 1);
        assert!(!turn.is_over());
        turn.read(2);
        assert!(turn.is_over());
        turn.begin();
        assert!(!turn.is_over());
    }
}
