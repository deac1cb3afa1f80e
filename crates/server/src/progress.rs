//! How far the member has come, readable from every thread without a lock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use ketch_base::Code;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Terms and indexes as the node and apply threads publish them.
#[derive(Default)]
pub(crate) struct Progress {
    term: AtomicU64,
    leader: AtomicU64,
    is_leader: AtomicBool,
    leader_changes: AtomicU64,
    committed: AtomicU64,
    applied: AtomicU64,
    /// Requests to wake when the applied index arrives; looked at only if not 0.
    sleepers: AtomicUsize,
    asleep: Mutex<BTreeMap<u64, Vec<Wake>>>,
}

/// How a sleeper is woken.
pub(crate) type Wake = oneshot::Sender<Result<(), Code>>;

impl Progress {
    /// The current term.
    pub(crate) fn term(&self) -> u64 {
        self.term.load(Ordering::Relaxed)
    }

    /// The leader's id, 0 when none is known.
    pub(crate) fn leader(&self) -> u64 {
        self.leader.load(Ordering::Relaxed)
    }

    /// Whether this member leads.
    pub(crate) fn is_leader(&self) -> bool {
        self.is_leader.load(Ordering::Relaxed)
    }

    /// Leaders seen so far.
    pub(crate) fn leader_changes(&self) -> u64 {
        self.leader_changes.load(Ordering::Relaxed)
    }

    /// The newest committed index.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    /// The newest applied index.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// The node thread saw a leader, or lost one (0).
    pub(crate) fn set_leader(&self, leader: u64, term: u64, is_self: bool) {
        if leader != 0 && self.leader.load(Ordering::Relaxed) != leader {
            self.leader_changes.fetch_add(1, Ordering::Relaxed);
        }
        self.term.store(term, Ordering::Relaxed);
        self.leader.store(leader, Ordering::Relaxed);
        self.is_leader.store(is_self, Ordering::Relaxed);
    }

    /// The node thread committed up to `index`.
    pub(crate) fn set_committed(&self, index: u64) {
        self.committed.fetch_max(index, Ordering::Relaxed);
    }

    /// The apply thread finished `index`; wakes who waited for it.
    pub(crate) fn set_applied(&self, index: u64) {
        self.applied.store(index, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.wake_up_to(index);
        }
    }

    /// Calls every `wake` once `index` is applied; at once if it is.
    pub(crate) fn when_applied(&self, index: u64, wakes: Vec<Wake>) {
        if self.applied() >= index {
            for wake in wakes {
                let _ = wake.send(Ok(()));
            }
            return;
        }
        self.sleepers.fetch_add(wakes.len(), Ordering::SeqCst);
        self.asleep.lock().entry(index).or_default().extend(wakes);
        // The index may have arrived between the look and the entry.
        let now = self.applied.load(Ordering::SeqCst);
        if now >= index {
            self.wake_up_to(now);
        }
    }

    fn wake_up_to(&self, index: u64) {
        let mut asleep = self.asleep.lock();
        let later = asleep.split_off(&(index + 1));
        let due = std::mem::replace(&mut *asleep, later);
        for wake in due.into_values().flatten() {
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
            let _ = wake.send(Ok(()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleepers_wake_at_their_index() {
        let progress = Progress::default();
        let mut receivers = Vec::new();
        for index in [3, 5] {
            let (wake, receiver) = oneshot::channel();
            progress.when_applied(index, vec![wake]);
            receivers.push(receiver);
        }
        progress.set_applied(4);
        assert!(matches!(receivers[0].try_recv(), Ok(Ok(()))));
        assert!(receivers[1].try_recv().is_err());
        progress.set_applied(5);
        assert!(matches!(receivers[1].try_recv(), Ok(Ok(()))));
        let (wake, mut receiver) = oneshot::channel();
        progress.when_applied(2, vec![wake]);
        assert!(matches!(receiver.try_recv(), Ok(Ok(()))));
    }
}
