//! How far the member has come, readable from every thread without a lock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use ketch_base::{Code, Index};
use ketch_node::PeerStatus;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

/// Terms and indexes as the node and apply threads publish them.
pub(crate) struct Progress {
    term: AtomicU64,
    leader: AtomicU64,
    is_leader: AtomicBool,
    /// For those who wait for a change of it; the numbers above are for those who only look.
    leadership: watch::Sender<Leadership>,
    leader_changes: AtomicU64,
    committed: AtomicU64,
    applied: AtomicU64,
    /// While this member is alone in charge: what has to be applied for that. Else [`NEVER`].
    alone_from: AtomicU64,
    is_learner: AtomicBool,
    has_others: AtomicBool,
    /// How this leader sees the members, once a tick; empty elsewhere.
    peers: Mutex<Arc<[PeerStatus]>>,
    /// Requests to wake when the applied index arrives; looked at only if not 0.
    sleepers: AtomicUsize,
    asleep: Mutex<BTreeMap<u64, Vec<Wake>>>,
}

/// No entry has this index.
const NEVER: u64 = u64::MAX;

/// Who leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leadership {
    /// 0 when nobody is known to.
    pub(crate) leader: u64,
    /// The term it is in.
    pub(crate) term: u64,
    /// Whether it is this member.
    pub(crate) is_self: bool,
    /// When the newest leader was first heard of; `None` before the first.
    pub(crate) elected: Option<Instant>,
}

/// How a sleeper is woken.
pub(crate) type Wake = oneshot::Sender<Result<(), Code>>;

impl Default for Progress {
    fn default() -> Self {
        Self {
            term: AtomicU64::default(),
            leader: AtomicU64::default(),
            is_leader: AtomicBool::default(),
            leadership: watch::Sender::default(),
            leader_changes: AtomicU64::default(),
            committed: AtomicU64::default(),
            applied: AtomicU64::default(),
            alone_from: AtomicU64::new(NEVER),
            is_learner: AtomicBool::default(),
            has_others: AtomicBool::default(),
            peers: Mutex::default(),
            sleepers: AtomicUsize::default(),
            asleep: Mutex::default(),
        }
    }
}

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

    /// Who leads, now and at every change.
    pub(crate) fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
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

    /// Whether all that was ever acknowledged is applied here: this member leads a cluster of its
    /// own, so whatever is acknowledged is applied here first.
    pub(crate) fn is_newest(&self) -> bool {
        self.applied() >= self.alone_from.load(Ordering::SeqCst)
    }

    /// The node took a turn; see [`ketch_node::Node::alone_from`].
    pub(crate) fn set_alone_from(&self, index: Option<Index>) {
        let index = index.map_or(NEVER, |index| index.0);
        if self.alone_from.load(Ordering::Relaxed) != index {
            self.alone_from.store(index, Ordering::SeqCst);
        }
    }

    /// Whether this member receives the log without a vote.
    pub(crate) fn is_learner(&self) -> bool {
        self.is_learner.load(Ordering::Relaxed)
    }

    /// Whether the cluster has other members.
    pub(crate) fn has_others(&self) -> bool {
        self.has_others.load(Ordering::Relaxed)
    }

    /// How this leader saw the members at the last tick, itself too; empty elsewhere.
    pub(crate) fn peers(&self) -> Arc<[PeerStatus]> {
        Arc::clone(&self.peers.lock())
    }

    /// The node thread looked at the members.
    pub(crate) fn set_peers(&self, peers: Vec<PeerStatus>) {
        let mut known = self.peers.lock();
        if **known != *peers {
            *known = peers.into();
        }
    }

    /// The apply thread saw who belongs to the cluster.
    pub(crate) fn set_standing(&self, is_learner: bool, has_others: bool) {
        self.is_learner.store(is_learner, Ordering::Relaxed);
        self.has_others.store(has_others, Ordering::Relaxed);
    }

    /// The node thread saw a leader, or lost one (0).
    pub(crate) fn set_leader(&self, leader: u64, term: u64, is_self: bool) {
        let is_other = leader != 0 && self.leader.load(Ordering::Relaxed) != leader;
        if is_other {
            self.leader_changes.fetch_add(1, Ordering::Relaxed);
        }
        self.term.store(term, Ordering::Relaxed);
        self.leader.store(leader, Ordering::Relaxed);
        self.is_leader.store(is_self, Ordering::Relaxed);
        self.leadership.send_modify(|known| {
            let elected = if is_other { Some(Instant::now()) } else { known.elected };
            *known = Leadership { leader, term, is_self, elected };
        });
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
    fn who_is_alone_knows_what_is_newest() {
        let progress = Progress::default();
        progress.set_applied(7);
        assert!(!progress.is_newest());
        progress.set_alone_from(Some(Index(8)));
        assert!(!progress.is_newest());
        progress.set_applied(8);
        assert!(progress.is_newest());
        progress.set_alone_from(None);
        assert!(!progress.is_newest());
    }

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
