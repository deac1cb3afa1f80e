//! The log tail in memory: everything since the last compaction, and four watermarks over it.
//!
//! ```text
//!  before | entries ...                                        last
//!         ^ compacted    ^ applied   ^ handed   ^ committed     ^
//!                                 ^ persisted       ^ emitted
//! ```

use std::collections::VecDeque;

use ketch_base::planted::{self, Bug};
use ketch_raft_proto::raftpb::{Entry, Snapshot};

use crate::error::NewError;

/// What an entry costs in memory beside its data; also the allowance for its frame on the wire.
pub(crate) const ENTRY_OVERHEAD_BYTES: usize = size_of::<Entry>();

/// The memory of one entry.
pub(crate) fn entry_bytes(entry: &Entry) -> usize {
    ENTRY_OVERHEAD_BYTES + entry.data.as_ref().map_or(0, bytes::Bytes::len)
}

/// A place in the log with the term of the entry there: names one entry in all the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryId {
    /// The term in which a leader made it.
    pub term: u64,
    /// Its place; 0 is before the first.
    pub index: u64,
}

/// The log of one member.
#[derive(Debug)]
pub(crate) struct Log {
    /// The last entry no longer held.
    before: EntryId,
    /// Invariant: indexes follow `before` without gaps; terms never fall.
    entries: VecDeque<Entry>,
    /// Invariant: sum of [`entry_bytes`] over `entries`.
    bytes: usize,
    /// The last index given out for writing. Invariant: `persisted <= emitted <= last`.
    emitted: u64,
    /// The last index known to be durable here.
    persisted: u64,
    /// The last index known to be durable on a quorum. Never falls; `committed <= last`.
    committed: u64,
    /// The last index given out for applying. Invariant: `applied <= handed <= committed`.
    handed: u64,
    /// The last index applied.
    applied: u64,
    /// Writes under way: number, and the last index durable when it is. Invariant: numbers ascend.
    writes: VecDeque<(u64, u64)>,
    /// A snapshot that came in place of entries and is not yet given out.
    snapshot: Option<Snapshot>,
}

impl Log {
    /// A durable log as read back; `commit` and `applied` may not leave it.
    pub(crate) fn new(
        before: EntryId,
        entries: Vec<Entry>,
        commit: u64,
        applied: u64,
    ) -> Result<Self, NewError> {
        let mut at = before;
        for entry in &entries {
            let (expected, found, term) = (at.index + 1, entry.index(), entry.term());
            if found != expected {
                return Err(NewError::Gap { expected, found });
            }
            if term < at.term {
                return Err(NewError::TermFalls { index: found, term });
            }
            at = EntryId { term, index: found };
        }
        if commit < before.index || commit > at.index {
            return Err(NewError::Commit { commit, first: before.index, last: at.index });
        }
        if applied < before.index || applied > commit {
            return Err(NewError::Applied { applied, before: before.index, commit });
        }
        Ok(Self {
            before,
            bytes: entries.iter().map(entry_bytes).sum(),
            entries: entries.into(),
            emitted: at.index,
            persisted: at.index,
            committed: commit,
            handed: applied,
            applied,
            writes: VecDeque::new(),
            snapshot: None,
        })
    }

    pub(crate) fn before(&self) -> EntryId {
        self.before
    }

    pub(crate) fn last(&self) -> u64 {
        self.before.index + self.entries.len() as u64
    }

    pub(crate) fn last_id(&self) -> EntryId {
        match self.entries.back() {
            Some(entry) => EntryId { term: entry.term(), index: entry.index() },
            None => self.before,
        }
    }

    pub(crate) fn persisted(&self) -> u64 {
        self.persisted
    }

    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    pub(crate) fn applied(&self) -> u64 {
        self.applied
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn slot(&self, index: u64) -> Option<usize> {
        let slot = index.checked_sub(self.before.index + 1)? as usize;
        (slot < self.entries.len()).then_some(slot)
    }

    /// The term at `index`; `None` if it is compacted away or not there yet.
    pub(crate) fn term(&self, index: u64) -> Option<u64> {
        if index == self.before.index {
            return Some(self.before.term);
        }
        self.slot(index).map(|slot| self.entries[slot].term())
    }

    pub(crate) fn holds(&self, id: EntryId) -> bool {
        self.term(id.index) == Some(id.term)
    }

    /// Whether a log that ends in `id` misses nothing that this one has (Raft 5.4.1).
    pub(crate) fn is_covered_by(&self, id: EntryId) -> bool {
        let own = self.last_id();
        (id.term, id.index) >= (own.term, own.index)
    }

    /// The last place at or before `index` whose term is not above `term`: logs of both sides can
    /// only agree there or earlier. The term is 0 where this log no longer knows it.
    pub(crate) fn last_not_above(&self, index: u64, term: u64) -> EntryId {
        let mut index = index;
        while index > 0 {
            match self.term(index) {
                None => return EntryId { term: 0, index },
                Some(own) if own <= term => return EntryId { term: own, index },
                Some(_) => index -= 1,
            }
        }
        EntryId::default()
    }

    /// Copies entries `from..=to` up to `max_bytes`, at least one. The caller keeps to the log.
    pub(crate) fn slice(&self, from: u64, to: u64, max_bytes: usize) -> Vec<Entry> {
        let (Some(first), true) = (self.slot(from), to >= from) else {
            return Vec::new();
        };
        let available = (to.min(self.last()) - from + 1) as usize;
        let mut bytes = 0;
        let count = self.entries.range(first..first + available).take_while(|entry| {
            let fits = bytes == 0 || bytes + entry_bytes(entry) <= max_bytes;
            bytes += entry_bytes(entry);
            fits
        });
        let count = count.count();
        self.entries.range(first..first + count).cloned().collect()
    }

    /// Those of the entries `from..=to` that are held.
    fn held(&self, from: u64, to: u64) -> impl Iterator<Item = &Entry> {
        let slot = |index: u64| index.saturating_sub(self.before.index + 1) as usize;
        let end = slot(to + 1).min(self.entries.len());
        self.entries.range(slot(from).min(end)..end)
    }

    /// Whether any entry of `from..=to` changes the membership.
    pub(crate) fn has_change(&self, from: u64, to: u64) -> bool {
        self.held(from, to).any(|entry| entry.r#type.unwrap_or(0) != 0)
    }

    /// Data bytes in entries `from..=to`, as far as they are held.
    pub(crate) fn data_bytes(&self, from: u64, to: u64) -> usize {
        let data = self.held(from, to).filter_map(|entry| entry.data.as_ref());
        data.map(bytes::Bytes::len).sum()
    }

    /// A leader's own next entry.
    pub(crate) fn push(&mut self, entry: Entry) {
        debug_assert_eq!(entry.index(), self.last() + 1);
        self.bytes += entry_bytes(&entry);
        self.entries.push_back(entry);
    }

    /// Takes what a leader sent after `prev`, which this log holds; entries that are here already
    /// stay, a conflict drops the rest. Returns the last index that now equals the leader's.
    /// The caller sees to it that `prev` is not before the commit.
    pub(crate) fn append_after(&mut self, prev: EntryId, entries: Vec<Entry>) -> u64 {
        let last_new = prev.index + entries.len() as u64;
        for entry in entries {
            let id = EntryId { term: entry.term(), index: entry.index() };
            let cuts = planted::is(Bug::CutTail) && id.index > self.committed;
            if self.holds(id) && !cuts {
                continue;
            }
            if id.index <= self.last() {
                self.truncate_from(id.index);
            }
            self.push(entry);
        }
        last_new
    }

    /// Forgets everything from `index` on. What is on disk there does not count any more: writes
    /// under way prove nothing beyond the cut, even if equal numbers come again.
    fn truncate_from(&mut self, index: u64) {
        assert!(index > self.committed, "a committed entry {index} is never cut");
        let keep = (index - 1 - self.before.index) as usize;
        for dropped in self.entries.drain(keep..) {
            self.bytes -= entry_bytes(&dropped);
        }
        self.emitted = self.emitted.min(index - 1);
        self.persisted = self.persisted.min(index - 1);
        for (_, last) in &mut self.writes {
            *last = (*last).min(index - 1);
        }
    }

    /// Moves the commit up to `index`, which the log holds.
    pub(crate) fn commit_to(&mut self, index: u64) {
        debug_assert!(index <= self.last());
        self.committed = self.committed.max(index);
    }

    pub(crate) fn has_unwritten(&self) -> bool {
        self.emitted < self.last()
    }

    /// Begins write `job`: hands out what was not handed out for writing before.
    pub(crate) fn begin_write(&mut self, job: u64) -> Vec<Entry> {
        let entries = self.slice(self.emitted + 1, self.last(), usize::MAX);
        self.emitted = self.last();
        self.writes.push_back((job, self.emitted));
        entries
    }

    /// The newest write under way.
    pub(crate) fn newest_write(&self) -> Option<u64> {
        self.writes.back().map(|(job, _)| *job)
    }

    /// The oldest write under way.
    pub(crate) fn oldest_write(&self) -> Option<u64> {
        self.writes.front().map(|(job, _)| *job)
    }

    /// All writes up to `job` are durable; `true` if the watermark moved.
    pub(crate) fn end_writes(&mut self, job: u64) -> bool {
        let was = self.persisted;
        while let Some((_, last)) = self.writes.pop_front_if(|(number, _)| *number <= job) {
            self.persisted = self.persisted.max(last);
        }
        self.persisted > was
    }

    /// Hands out entries for applying: committed, not handed out, at most `max_bytes` or one;
    /// none while a snapshot has to be installed first.
    pub(crate) fn take_committed(&mut self, unpersisted: bool, max_bytes: usize) -> Vec<Entry> {
        if !self.has_committed(unpersisted) {
            return Vec::new();
        }
        let entries = self.slice(self.handed + 1, self.applicable(unpersisted), max_bytes);
        self.handed += entries.len() as u64;
        entries
    }

    pub(crate) fn has_committed(&self, unpersisted: bool) -> bool {
        let installing = self.snapshot.is_some() || self.handed < self.before.index;
        !installing && self.handed < self.applicable(unpersisted)
    }

    fn applicable(&self, unpersisted: bool) -> u64 {
        if unpersisted { self.committed } else { self.committed.min(self.persisted) }
    }

    /// Everything up to `index` took effect. Installing a snapshot may be reported so too.
    pub(crate) fn applied_to(&mut self, index: u64) {
        let index = index.min(self.committed);
        self.applied = self.applied.max(index);
        self.handed = self.handed.max(index);
    }

    /// Forgets entries up to `index`, which must be applied and durable here; less is fine.
    pub(crate) fn compact(&mut self, index: u64) {
        let index = index.min(self.applied).min(self.persisted);
        let Some(slot) = self.slot(index) else { return };
        self.before = EntryId { term: self.entries[slot].term(), index };
        for dropped in self.entries.drain(..=slot) {
            self.bytes -= entry_bytes(&dropped);
        }
        // A burst must not keep its memory for ever.
        if self.entries.capacity() > 4096 && self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    /// The first index from which on the tail is at most `max_bytes`.
    pub(crate) fn first_within(&self, max_bytes: usize) -> u64 {
        let mut bytes = self.bytes;
        let mut index = self.before.index + 1;
        for entry in &self.entries {
            if bytes <= max_bytes {
                break;
            }
            bytes -= entry_bytes(entry);
            index += 1;
        }
        index
    }

    /// Replaces the whole log by a snapshot that is ahead of the commit.
    pub(crate) fn restore(&mut self, snapshot: Snapshot, at: EntryId) {
        self.before = at;
        self.entries.clear();
        self.bytes = 0;
        self.committed = at.index;
        self.persisted = self.persisted.min(at.index);
        for (_, last) in &mut self.writes {
            *last = self.persisted;
        }
        self.emitted = at.index;
        self.snapshot = Some(snapshot);
    }

    pub(crate) fn has_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    pub(crate) fn take_snapshot(&mut self) -> Option<Snapshot> {
        self.snapshot.take()
    }

    /// Whether a snapshot was received and is not yet reported as installed.
    pub(crate) fn is_installing(&self) -> bool {
        self.snapshot.is_some() || self.applied < self.before.index
    }

    /// Checks what the fields promise.
    pub(crate) fn check(&self) {
        let last = self.last();
        assert!(self.persisted <= self.emitted && self.emitted <= last, "{self:?}");
        assert!(self.applied <= self.handed && self.handed <= self.committed, "{self:?}");
        assert!(self.committed <= last && self.before.index <= self.committed, "{self:?}");
        assert!(self.writes.iter().all(|(_, last)| *last <= self.emitted), "{self:?}");
        let ends = [self.entries.front(), self.entries.back()];
        assert!(ends[0].is_none_or(|entry| entry.index() == self.before.index + 1), "{self:?}");
        assert!(ends[1].is_none_or(|entry| entry.index() == last), "{self:?}");
    }
}

#[cfg(test)]
mod tests;
