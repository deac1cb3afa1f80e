//! Every change anyone ever told of, by key and by revision: the ground truth for checks of
//! watches, reads and durability.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ketch_base::KeyRange;
use ketch_proto::mvccpb::{Event, KeyValue, event::EventType};

/// One change of one key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// The key exists afterwards.
    pub(super) is_put: bool,
    /// As an event carries it: of a deletion the key and the revision only.
    pub(super) kv: KeyValue,
}

impl Change {
    /// Reads an event; one without a key says nothing.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let kv = event.kv.clone()?;
        Some(Self { is_put: event.r#type == i32::from(EventType::Put), kv })
    }
}

#[derive(Default)]
pub(super) struct Book {
    by_key: BTreeMap<Bytes, BTreeMap<i64, Change>>,
    by_revision: BTreeMap<i64, BTreeSet<Bytes>>,
}

impl Book {
    /// Takes a change in; says what is wrong when another was told for its key and revision.
    pub(super) fn add(&mut self, change: Change) -> Result<(), String> {
        let (key, revision) = (change.kv.key.clone(), change.kv.mod_revision);
        self.by_revision.entry(revision).or_default().insert(key.clone());
        let known = self.by_key.entry(key).or_default().entry(revision).or_insert(change.clone());
        if *known != change {
            return Err(format!("told at revision {revision}: {known:?} and {change:?}"));
        }
        Ok(())
    }

    /// What happened to a key at a revision.
    pub(super) fn at(&self, key: &[u8], revision: i64) -> Option<&Change> {
        self.by_key.get(key)?.get(&revision)
    }

    /// The last known change of a key, not after a revision.
    pub(super) fn last(&self, key: &[u8], revision: i64) -> Option<&Change> {
        self.by_key.get(key)?.range(..=revision).next_back().map(|(_, change)| change)
    }

    /// The changes of one revision.
    pub(super) fn of_revision(&self, revision: i64) -> impl Iterator<Item = &Change> {
        let keys = self.by_revision.get(&revision).into_iter().flatten();
        keys.filter_map(move |key| self.at(key, revision))
    }

    /// All changes of keys of a range in revisions from `low` to `high`.
    pub(super) fn span(
        &self,
        range: &KeyRange,
        low: i64,
        high: i64,
    ) -> impl Iterator<Item = &Change> {
        let span = (low <= high).then(|| self.by_revision.range(low..=high));
        let places = span.into_iter().flatten();
        places
            .flat_map(|(revision, keys)| keys.iter().map(move |key| (*revision, key)))
            .filter(|(_, key)| range.contains(key))
            .filter_map(|(revision, key)| self.at(key, revision))
    }

    /// Every key of a range that was ever told of.
    pub(super) fn keys(&self, range: &KeyRange) -> impl Iterator<Item = &Bytes> {
        self.by_key.keys().filter(|key| range.contains(key))
    }

    /// The highest revision known.
    pub(super) fn newest(&self) -> i64 {
        self.by_revision.last_key_value().map_or(0, |(revision, _)| *revision)
    }
}
