//! What a leader knows of one member: how far its log matches, and how fast to send.

use crate::inflight::Inflight;

/// How entries flow to a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowState {
    /// Its last matching entry is being looked for: one message at a time.
    Probe,
    /// It follows: messages are pipelined within a window.
    Replicate,
    /// It needs entries that are gone: nothing is sent until the snapshot arrived or failed.
    Snapshot,
}

/// One member as its leader sees it.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// The last index known to be durable there. Invariant: `matched < next`.
    pub(crate) matched: u64,
    /// The first index to send next.
    pub(crate) next: u64,
    /// The highest commit index it was told.
    pub(crate) sent_commit: u64,
    pub(crate) flow: FlowState,
    /// Where the log will begin when the snapshot on its way is installed; only in `Snapshot`.
    pub(crate) pending_snapshot: u64,
    /// The last snapshot sent to it, until it has caught up behind that; 0 for none. The log from
    /// there on should be kept for it.
    pub(crate) behind_snapshot: u64,
    /// Whether it said anything since the last quorum check.
    pub(crate) active: bool,
    /// Set when enough is on its way; cleared by an answer or a heartbeat's answer.
    pub(crate) paused: bool,
    pub(crate) learner: bool,
    pub(crate) inflight: Inflight,
}

impl Progress {
    pub(crate) fn new(next: u64, learner: bool, inflight: Inflight) -> Self {
        Self {
            matched: 0,
            next: next.max(1),
            sent_commit: 0,
            flow: FlowState::Probe,
            pending_snapshot: 0,
            behind_snapshot: 0,
            active: false,
            paused: false,
            learner,
            inflight,
        }
    }

    fn enter(&mut self, flow: FlowState) {
        self.flow = flow;
        self.paused = false;
        self.pending_snapshot = 0;
        self.inflight.clear();
    }

    pub(crate) fn probe(&mut self) {
        // A snapshot on its way counts as received: the probe finds out whether it was.
        let after = if self.flow == FlowState::Snapshot { self.pending_snapshot } else { 0 };
        self.enter(FlowState::Probe);
        self.next = self.matched.max(after) + 1;
        self.sent_commit = self.sent_commit.min(self.next - 1);
    }

    pub(crate) fn replicate(&mut self) {
        self.enter(FlowState::Replicate);
        self.next = self.matched + 1;
    }

    pub(crate) fn snapshot(&mut self, index: u64) {
        self.enter(FlowState::Snapshot);
        self.pending_snapshot = index;
        self.behind_snapshot = index;
        self.next = index + 1;
        self.sent_commit = index;
    }

    /// A message to it was lost: what else is on its way is in doubt.
    pub(crate) fn lost_contact(&mut self) {
        if self.flow == FlowState::Replicate {
            self.probe();
        }
    }

    /// The snapshot sent to it arrived or failed. Either way the next word is its own.
    pub(crate) fn snapshot_ended(&mut self, arrived: bool) {
        if self.flow == FlowState::Snapshot {
            if !arrived {
                self.pending_snapshot = 0;
                self.behind_snapshot = 0;
            }
            self.probe();
            self.paused = true;
        }
    }

    /// The place from which on the log is wanted by one that was sent a snapshot.
    pub(crate) fn wanted_from(&self) -> Option<u64> {
        (self.behind_snapshot > 0).then(|| self.matched.max(self.behind_snapshot))
    }

    /// Whether nothing with entries may be sent now.
    pub(crate) fn is_paused(&self) -> bool {
        match self.flow {
            FlowState::Probe | FlowState::Replicate => self.paused,
            FlowState::Snapshot => true,
        }
    }

    /// Notes that `count` entries of `bytes` were sent from `next` on.
    pub(crate) fn sent_entries(&mut self, count: usize, bytes: usize) {
        match self.flow {
            FlowState::Replicate => {
                if count > 0 {
                    self.next += count as u64;
                    self.inflight.add(self.next - 1, bytes);
                }
                self.paused = self.inflight.is_full();
            }
            FlowState::Probe => self.paused |= count > 0,
            FlowState::Snapshot => {}
        }
    }

    /// Whether telling it `commit` would let it apply more.
    pub(crate) fn wants_commit(&self, commit: u64) -> bool {
        commit > self.sent_commit && self.sent_commit < self.next - 1
    }

    /// It has everything up to `index`; `false` if that was known.
    pub(crate) fn acknowledge(&mut self, index: u64) -> bool {
        if index <= self.matched {
            return false;
        }
        self.matched = index;
        self.next = self.next.max(index + 1);
        self.paused = false;
        true
    }

    /// It refused an append after `rejected`; `hint` is the last place that may match. `false` if
    /// the refusal is an old one.
    pub(crate) fn step_back(&mut self, rejected: u64, hint: u64) -> bool {
        if self.flow == FlowState::Replicate {
            if rejected <= self.matched {
                return false;
            }
            self.next = self.matched + 1;
        } else {
            // While probing, only the one message on its way can be refused; and what was sent
            // before a snapshot does not matter any more.
            if self.next - 1 != rejected || self.flow == FlowState::Snapshot {
                return false;
            }
            self.next = rejected.min(hint + 1).max(self.matched + 1);
            self.paused = false;
        }
        self.sent_commit = self.sent_commit.min(self.next - 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(flow: FlowState, matched: u64, next: u64) -> Progress {
        let mut progress = Progress::new(next, false, Inflight::new(2, 0));
        progress.matched = matched;
        progress.flow = flow;
        progress
    }

    #[test]
    fn step_back_ignores_old_refusals() {
        let check = |flow, matched, next, rejected, hint, want: Option<u64>| {
            let mut progress = progress(flow, matched, next);
            let moved = progress.step_back(rejected, hint);
            assert_eq!(moved.then_some(progress.next), want, "{flow:?} {rejected} {hint}");
        };
        check(FlowState::Replicate, 5, 10, 5, 5, None);
        check(FlowState::Replicate, 5, 10, 4, 4, None);
        check(FlowState::Replicate, 5, 10, 9, 9, Some(6));
        check(FlowState::Probe, 0, 10, 5, 0, None);
        check(FlowState::Probe, 0, 10, 9, 9, Some(9));
        check(FlowState::Probe, 0, 10, 9, 2, Some(3));
        check(FlowState::Probe, 0, 2, 1, 0, Some(1));
        check(FlowState::Probe, 4, 10, 9, 2, Some(5));
        check(FlowState::Snapshot, 4, 10, 9, 2, None);
    }

    #[test]
    fn a_full_window_pauses_and_an_answer_resumes() {
        let mut progress = progress(FlowState::Replicate, 3, 4);
        progress.sent_entries(1, 10);
        assert!(!progress.is_paused());
        progress.sent_entries(2, 10);
        assert!(progress.is_paused());
        assert_eq!(progress.next, 7);
        assert!(progress.acknowledge(4));
        progress.inflight.free_to(4);
        assert!(!progress.is_paused());
        assert!(!progress.acknowledge(4), "known");
    }

    #[test]
    fn a_snapshot_is_taken_for_received_when_probing_again() {
        let mut progress = progress(FlowState::Replicate, 3, 4);
        progress.snapshot(20);
        assert!(progress.is_paused());
        progress.probe();
        assert_eq!((progress.matched, progress.next), (3, 21));
    }
}
