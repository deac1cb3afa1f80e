//! The members' logs as the facts tell them, shared by the checks about logs.

use std::collections::BTreeMap;

use ketch_base::{Index, MemberId, Term};

use crate::fact::EntryMark;

/// Every member's log, as far as it was handed to the disk.
#[derive(Default)]
pub(super) struct Logs {
    entries: BTreeMap<MemberId, BTreeMap<Index, EntryMark>>,
}

impl Logs {
    /// Takes entries into a member's log: the first and all after it are replaced.
    pub(super) fn append(&mut self, member: MemberId, entries: &[EntryMark]) {
        let Some(first) = entries.first() else { return };
        let log = self.entries.entry(member).or_default();
        log.split_off(&first.index);
        log.extend(entries.iter().map(|entry| (entry.index, *entry)));
    }

    /// What a member found when it started: a crash took what was not on disk. What was up to
    /// `before` it need not keep, but had.
    pub(super) fn recovered(&mut self, member: MemberId, before: Index, entries: &[EntryMark]) {
        let log = self.entries.entry(member).or_default();
        log.split_off(&Index(before.0 + 1));
        if before != Index(0) && !log.contains_key(&before) {
            // A snapshot was put in place at the start; of what term is not told.
            log.clear();
        }
        log.extend(entries.iter().map(|entry| (entry.index, *entry)));
    }

    /// A snapshot took the place of the log up to and with `index`.
    pub(super) fn installed(&mut self, member: MemberId, index: Index, term: Term) {
        let log = self.entries.entry(member).or_default();
        let matches = log.get(&index).is_some_and(|entry| entry.term == term);
        if !matches {
            log.clear();
        }
        let digest = log.get(&index).map_or(0, |entry| entry.digest);
        log.insert(index, EntryMark { index, term, digest });
    }

    /// The last entry.
    pub(super) fn last(&self, member: MemberId) -> Option<EntryMark> {
        self.entries.get(&member)?.last_key_value().map(|(_, entry)| *entry)
    }

    /// The entry at an index.
    pub(super) fn at(&self, member: MemberId, index: Index) -> Option<EntryMark> {
        self.entries.get(&member)?.get(&index).copied()
    }

    /// The entries after `after`, up to and with `to`.
    pub(super) fn span(
        &self,
        member: MemberId,
        after: Index,
        to: Index,
    ) -> impl Iterator<Item = EntryMark> + '_ {
        use std::ops::Bound::{Excluded, Included};
        let sound = after < to;
        self.entries
            .get(&member)
            .filter(|_| sound)
            .into_iter()
            .flat_map(move |log| log.range((Excluded(after), Included(to))))
            .map(|(_, entry)| *entry)
    }
}
