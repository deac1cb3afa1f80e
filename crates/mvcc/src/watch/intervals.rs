//! Which of many key ranges hold a key: a treap over range starts, where every node knows the
//! furthest range end below it.
//!
//! A lookup visits the hits and, about, a logarithm of the rest. Priorities are derived from the
//! watcher's number, so the shape depends on nothing but the operations.

use bytes::Bytes;

/// A range's owner.
pub(super) type Owner = u32;

type Link = Option<u32>;

struct Node {
    start: Bytes,
    /// `None`: without end.
    end: Option<Bytes>,
    owner: Owner,
    priority: u64,
    left: Link,
    right: Link,
    /// The node with the furthest end of this subtree.
    furthest: u32,
}

/// See the module.
#[derive(Default)]
pub(super) struct Intervals {
    nodes: Vec<Node>,
    free: Vec<u32>,
    root: Link,
}

impl Intervals {
    /// Adds a range from `start` up to and without `end`. An owner has one range.
    pub(super) fn insert(&mut self, start: Bytes, end: Option<Bytes>, owner: Owner) {
        let priority = scatter(owner);
        let node = Node { start, end, owner, priority, left: None, right: None, furthest: 0 };
        let new = match self.free.pop() {
            Some(place) => {
                self.nodes[place as usize] = node;
                place
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("watchers are counted in u32")
            }
        };
        self.update(new);
        let start = self.at(new).start.clone();
        let (before, after) = self.split(self.root, &start, owner);
        let joined = self.join(before, Some(new));
        self.root = self.join(joined, after);
    }

    /// Removes the range of `owner` that starts at `start`.
    pub(super) fn remove(&mut self, start: &Bytes, owner: Owner) {
        let (before, rest) = self.split(self.root, start, owner);
        let (gone, after) = match owner.checked_add(1) {
            Some(next) => self.split(rest, start, next),
            None => (rest, None),
        };
        if let Some(gone) = gone {
            let node = &mut self.nodes[gone as usize];
            (node.start, node.end) = (Bytes::new(), None);
            self.free.push(gone);
        }
        self.root = self.join(before, after);
    }

    /// Calls `hit` for the owner of every range that holds `key`.
    pub(super) fn stab(&self, key: &[u8], hit: &mut impl FnMut(Owner)) {
        self.stab_below(self.root, key, hit);
    }

    fn stab_below(&self, link: Link, key: &[u8], hit: &mut impl FnMut(Owner)) {
        let Some(place) = link else { return };
        let node = self.at(place);
        if !self.ends_after(node.furthest, key) {
            return;
        }
        self.stab_below(node.left, key, hit);
        if node.start.as_ref() <= key {
            if self.ends_after(place, key) {
                hit(node.owner);
            }
            self.stab_below(node.right, key, hit);
        }
    }

    fn at(&self, place: u32) -> &Node {
        &self.nodes[place as usize]
    }

    fn ends_after(&self, place: u32, key: &[u8]) -> bool {
        self.at(place).end.as_deref().is_none_or(|end| key < end)
    }

    fn update(&mut self, place: u32) {
        let node = self.at(place);
        let mut furthest = place;
        for below in [node.left, node.right].into_iter().flatten() {
            let candidate = self.at(below).furthest;
            let later = match (&self.at(candidate).end, &self.at(furthest).end) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(a), Some(b)) => a > b,
            };
            if later {
                furthest = candidate;
            }
        }
        self.nodes[place as usize].furthest = furthest;
    }

    /// Nodes before `(start, owner)`, and the others.
    fn split(&mut self, link: Link, start: &[u8], owner: Owner) -> (Link, Link) {
        let Some(place) = link else { return (None, None) };
        let node = self.at(place);
        if (node.start.as_ref(), node.owner) < (start, owner) {
            let (before, after) = self.split(node.right, start, owner);
            self.nodes[place as usize].right = before;
            self.update(place);
            (Some(place), after)
        } else {
            let (before, after) = self.split(node.left, start, owner);
            self.nodes[place as usize].left = after;
            self.update(place);
            (before, Some(place))
        }
    }

    /// All of `before` is before all of `after`.
    fn join(&mut self, before: Link, after: Link) -> Link {
        let (Some(left), Some(right)) = (before, after) else { return before.or(after) };
        if self.at(left).priority > self.at(right).priority {
            let joined = self.join(self.at(left).right, after);
            self.nodes[left as usize].right = joined;
            self.update(left);
            Some(left)
        } else {
            let joined = self.join(before, self.at(right).left);
            self.nodes[right as usize].left = joined;
            self.update(right);
            Some(right)
        }
    }
}

/// Spreads consecutive numbers over all of `u64`: a bijection, so priorities differ.
fn scatter(owner: Owner) -> u64 {
    let mut value = u64::from(owner).wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn hits(intervals: &Intervals, key: &[u8]) -> Vec<Owner> {
        let mut found = Vec::new();
        intervals.stab(key, &mut |owner| found.push(owner));
        found.sort_unstable();
        found
    }

    fn word() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(0..4_u8, 0..4).prop_map(Bytes::from)
    }

    proptest! {
        #[test]
        fn finds_what_a_list_finds(
            ops in prop::collection::vec((word(), prop::option::of(word()), 0..20_u32), 0..80),
            keys in prop::collection::vec(word(), 1..20),
        ) {
            let mut twin: BTreeMap<Owner, (Bytes, Option<Bytes>)> = BTreeMap::new();
            let mut intervals = Intervals::default();
            for (start, end, owner) in ops {
                match twin.remove(&owner) {
                    Some((start, _)) => intervals.remove(&start, owner),
                    None => {
                        intervals.insert(start.clone(), end.clone(), owner);
                        twin.insert(owner, (start, end));
                    }
                }
                for key in &keys {
                    let holds = |(start, end): &(Bytes, Option<Bytes>)| {
                        start <= key && end.as_ref().is_none_or(|end| key < end)
                    };
                    let want: Vec<Owner> =
                        twin.iter().filter(|(_, range)| holds(range)).map(|(o, _)| *o).collect();
                    prop_assert_eq!(hits(&intervals, key), want);
                }
            }
        }
    }

    #[test]
    fn ten_thousand_disjoint_ranges_are_not_walked() {
        let mut intervals = Intervals::default();
        let word = |n: u32| Bytes::copy_from_slice(&n.to_be_bytes());
        for n in 0..10_000 {
            intervals.insert(word(n * 10), Some(word(n * 10 + 5)), n);
        }
        assert_eq!(hits(&intervals, &word(77_774)), [7_777]);
        assert_eq!(hits(&intervals, &word(77_775)), []);
        let depth = |link| {
            let mut deepest = 0;
            let mut open = vec![(link, 0)];
            while let Some((link, depth)) = open.pop() {
                let Some(place) = link else { continue };
                deepest = deepest.max(depth);
                let node: &Node = intervals.at(place);
                open.extend([(node.left, depth + 1), (node.right, depth + 1)]);
            }
            deepest
        };
        assert!(depth(intervals.root) < 50);
    }
}
