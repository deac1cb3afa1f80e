//! Which watchers want to hear of a key.

use std::collections::BTreeMap;

use bytes::Bytes;
use ketch_base::KeyRange;

use super::intervals::{Intervals, Owner};

/// Watched keys and ranges, with their watchers.
#[derive(Default)]
pub(super) struct Matcher {
    keys: BTreeMap<Bytes, Vec<Owner>>,
    ranges: Intervals,
}

impl Matcher {
    pub(super) fn insert(&mut self, range: &KeyRange, owner: Owner) {
        match range {
            KeyRange::Key(key) => self.keys.entry(key.clone()).or_default().push(owner),
            KeyRange::HalfOpen(start, end) => {
                self.ranges.insert(start.clone(), Some(end.clone()), owner);
            }
            KeyRange::From(start) => self.ranges.insert(start.clone(), None, owner),
        }
    }

    pub(super) fn remove(&mut self, range: &KeyRange, owner: Owner) {
        match range {
            KeyRange::Key(key) => {
                if let Some(owners) = self.keys.get_mut(key) {
                    owners.retain(|other| *other != owner);
                    if owners.is_empty() {
                        self.keys.remove(key);
                    }
                }
            }
            KeyRange::HalfOpen(start, _) | KeyRange::From(start) => {
                self.ranges.remove(start, owner);
            }
        }
    }

    /// The watchers of `key`, each once, in no order that matters.
    pub(super) fn hits(&self, key: &[u8], out: &mut Vec<Owner>) {
        out.clear();
        out.extend(self.keys.get(key).into_iter().flatten());
        self.ranges.stab(key, &mut |owner| out.push(owner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_ranges_meet_and_go() {
        let range = |key: &'static str, end: &'static str| KeyRange::new(key.into(), end.into());
        let watched = [range("b", ""), range("b", "c"), range("a", "\0"), range("b", "")];
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
        assert_eq!(hits(&matcher, "b"), [0, 1, 2, 3]);
        assert_eq!(hits(&matcher, "bb"), [1, 2]);
        assert_eq!(hits(&matcher, "A"), []);
        for (owner, range) in (0..).zip(&watched) {
            matcher.remove(range, owner);
            assert!(!hits(&matcher, "b").contains(&owner));
        }
        assert_eq!(hits(&matcher, "b"), []);
    }
}
