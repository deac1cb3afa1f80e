//! Letting go of the log: in memory behind what is durable elsewhere, on disk behind a mark.

use std::collections::VecDeque;

use ketch_base::{Index, Term};
use ketch_raft::Raft;
use ketch_raft_proto::raftpb::ConfState;
use ketch_raft_proto::walpb;

use crate::settings::Settings;

/// A point from which the log can be restarted, and what may go because of it.
pub(crate) struct Mark {
    pub(crate) snapshot: walpb::Snapshot,
    pub(crate) release: Index,
}

/// What is known about the state that needs no log any more.
pub(crate) struct Release {
    /// Membership by the entry that made it, oldest first.
    /// Invariant: never empty; only the first may be at or before `durable`.
    states: VecDeque<(u64, ConfState)>,
    durable: u64,
    /// Where the newest mark is.
    marked: u64,
}

impl Release {
    pub(crate) fn new(applied: Index, state: ConfState, marked: Index) -> Self {
        let states = VecDeque::from([(applied.0, state)]);
        Self { states, durable: applied.0, marked: marked.0 }
    }

    /// A change took effect at `index`.
    pub(crate) fn changed(&mut self, index: Index, state: ConfState) {
        self.states.push_back((index.0, state));
    }

    /// The state up to `index` is safe: the tail is cut, and a mark is due now and then.
    pub(crate) fn durable(
        &mut self,
        index: Index,
        raft: &mut Raft,
        settings: &Settings,
    ) -> Option<Mark> {
        if index.0 <= self.durable {
            return None;
        }
        self.durable = index.0;
        while self.states.get(1).is_some_and(|(from, _)| *from <= index.0) {
            self.states.pop_front();
        }
        let term = raft.term_at(index);
        let behind = index.0.saturating_sub(settings.catchup_entries);
        let within = raft.tail_within(settings.tail_bytes / 4).0.saturating_sub(1);
        let usual = behind.max(within).min(index.0);
        let cut = least(raft, usual, settings.tail_bytes / 4 * 3);
        raft.compact(Index(cut));
        if index.0 - self.marked < settings.snapshot_count_entries {
            return None;
        }
        self.marked = index.0;
        Some(Mark { snapshot: self.mark(index, term?)?, release: Index(behind) })
    }

    fn mark(&self, index: Index, term: Term) -> Option<walpb::Snapshot> {
        Some(walpb::Snapshot {
            index: Some(index.0),
            term: Some(term.0),
            conf_state: Some(self.states.front()?.1.clone()),
        })
    }

    /// A received snapshot is in place and marked.
    pub(crate) fn installed(&mut self, index: Index, state: ConfState) {
        self.states = VecDeque::from([(index.0, state)]);
        self.durable = self.durable.max(index.0);
        self.marked = self.marked.max(index.0);
    }
}

/// Where the tail may be cut, if `usual` is enough for those who only lag: whoever is being sent a
/// snapshot wants what came after it, or it would need the next one as soon as it has this.
fn least(raft: &mut Raft, usual: u64, receiver_bytes: usize) -> u64 {
    let Some(wanted) = raft.wanted_from(Index(usual)) else { return usual };
    let bound = raft.tail_within(receiver_bytes).0.saturating_sub(1);
    usual.min(wanted.0.max(bound))
}
