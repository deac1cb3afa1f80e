//! Which watchers want to hear of a key.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;
use ketch_base::KeyRange;

use super::intervals::{Intervals, Owner};

/// Watched keys and ranges, with their watchers. Watchers of the very same keys stand together.
#[derive(Default)]
pub(super) struct Matcher {
    keys: BTreeMap<Bytes, Vec<Owner>>,
    ranges: Intervals,
    /// Group of each watched range.
    numbers: BTreeMap<(Bytes, Option<Bytes>), u32>,
    /// Watchers of each group, ascending; the empty ones are free.
    groups: Vec<Vec<Owner>>,
    free: Vec<u32>,
}

impl Matcher {
    pub(super) fn insert(&mut self, range: &KeyRange, owner: Owner) {
        match range {
            KeyRange::Key(key) => enter(self.keys.entry(key.clone()).or_default(), owner),
            KeyRange::HalfOpen(start, end) => self.insert_range(start, Some(end.clone()), owner),
            KeyRange::From(start) => self.insert_range(start, None, owner),
        }
    }

    fn insert_range(&mut self, start: &Bytes, end: Option<Bytes>, owner: Owner) {
        let group = match self.numbers.entry((start.clone(), end)) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let group = self.free.pop().unwrap_or_else(|| {
                    self.groups.push(Vec::new());
                    u32::try_from(self.groups.len() - 1).expect("watchers are counted in u32")
                });
                self.ranges.insert(start.clone(), entry.key().1.clone(), group);
                *entry.insert(group)
            }
        };
        enter(&mut self.groups[group as usize], owner);
    }

    pub(super) fn remove(&mut self, range: &KeyRange, owner: Owner) {
        match range {
            KeyRange::Key(key) => {
                if let Some(owners) = self.keys.get_mut(key) {
                    leave(owners, owner);
                    if owners.is_empty() {
                        self.keys.remove(key);
                    }
                }
            }
            KeyRange::HalfOpen(start, end) => self.remove_range(start, Some(end.clone()), owner),
            KeyRange::From(start) => self.remove_range(start, None, owner),
        }
    }

    fn remove_range(&mut self, start: &Bytes, end: Option<Bytes>, owner: Owner) {
        let Entry::Occupied(entry) = self.numbers.entry((start.clone(), end)) else { return };
        let group = *entry.get();
        let owners = &mut self.groups[group as usize];
        leave(owners, owner);
        if owners.is_empty() {
            *owners = Vec::new();
            entry.remove();
            self.free.push(group);
            self.ranges.remove(start, group);
        }
    }

    /// The watchers of `key`, each once, in no order that matters.
    pub(super) fn hits(&self, key: &[u8], out: &mut Vec<Owner>) {
        out.clear();
        out.extend(self.keys.get(key).into_iter().flatten());
        self.ranges.stab(key, &mut |group| out.extend(&self.groups[group as usize]));
    }
}

fn enter(owners: &mut Vec<Owner>, owner: Owner) {
    if let Err(place) = owners.binary_search(&owner) {
        owners.insert(place, owner);
    }
}

fn leave(owners: &mut Vec<Owner>, owner: Owner) {
    if let Ok(place) = owners.binary_search(&owner) {
        owners.remove(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_ranges_meet_and_go() {
        let range = |key: &'static str, end: &'static str| KeyRange::new(key.into(), end.into());
        let watched = [("b", ""), ("b", "c"), ("a", "\0"), ("b", ""), ("b", "c")];
        let watched = watched.map(|(key, end)| range(key, end));
        let mut matcher = Matcher::default();
        for (owner, range) in (0..).zip(&watched) {
            matcher.insert(range, owner);
        }
        let hits = |matcher: &Matcher, key: &str| {
            let mut out = vec![99];
            matcher.hits(key.as_bytes(), &mut out);
            out.sort_unstable();
            out
        };
        assert_eq!(hits(&matcher, "b"), [0, 1, 2, 3, 4]);
        assert_eq!(hits(&matcher, "bb"), [1, 2, 4]);
        assert_eq!(hits(&matcher, "A"), []);
        for (owner, range) in (0..).zip(&watched) {
            matcher.remove(range, owner);
            assert!(!hits(&matcher, "b").contains(&owner));
        }
        assert_eq!(hits(&matcher, "b"), []);
    }
}
