//! The two kinds of nodes, and what a parent knows about each.

use super::history::History;
use super::key::Key;
use crate::bounds::{BRANCH_CHILDREN, LEAF_KEYS};
use crate::row;

/// Keys that two leaves may take together from three: an eighth stays free, so that it is some
/// time until the next such move.
const PAIR_KEYS: usize = LEAF_KEYS * 2 * 7 / 8;

pub(crate) enum Node {
    Leaf(Vec<Entry>),
    Branch(Vec<Child>),
}

pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) history: History,
}

pub(crate) struct Child {
    pub(crate) first: Key,
    pub(crate) summary: Summary,
    pub(crate) node: Node,
}

/// What is known of a set of keys without looking at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Keys, living or not.
    pub(crate) keys: u64,
    /// Keys whose newest version is a put.
    pub(crate) live: u64,
    /// Bytes of the newest rows of living keys, as `kvs` fields of an answer.
    pub(crate) bytes: u64,
    /// Newest main revision of any version, or more; at or after it, `live` and `bytes` hold.
    pub(crate) newest: i64,
    /// Versions that a compaction may remove: all but the newest of living keys.
    pub(crate) garbage: u64,
}

impl Summary {
    /// Of all below a node.
    pub(crate) fn of(node: &Node) -> Self {
        let mut sum = Self::default();
        match node {
            Node::Leaf(entries) => entries.iter().for_each(|entry| sum.add(entry.summary())),
            Node::Branch(children) => children.iter().for_each(|child| sum.add(child.summary)),
        }
        sum
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.keys += other.keys;
        self.live += other.live;
        self.bytes += other.bytes;
        self.newest = self.newest.max(other.newest);
        self.garbage += other.garbage;
    }

    /// Replaces one part by another; `newest` only rises.
    pub(crate) fn exchange(&mut self, before: Self, after: Self) {
        self.keys = self.keys + after.keys - before.keys;
        self.live = self.live + after.live - before.live;
        self.bytes = self.bytes + after.bytes - before.bytes;
        self.newest = self.newest.max(after.newest);
        self.garbage = self.garbage + after.garbage - before.garbage;
    }

    /// Versions of all keys.
    pub(crate) fn versions(&self) -> u64 {
        self.live + self.garbage
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::Leaf(Vec::new())
    }
}

impl Node {
    /// The lower bound of its keys; empty for an empty leaf.
    pub(crate) fn first_key(&self) -> Key {
        match self {
            Self::Leaf(entries) => entries.first().map_or_else(|| Key::new(b""), |e| e.key.clone()),
            Self::Branch(children) => {
                children.first().map_or_else(|| Key::new(b""), |child| child.first.clone())
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Branch(children) => children.len(),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Leaf(entries) => {
                let inner: usize = entries.iter().map(Entry::heap_bytes).sum();
                inner + entries.capacity() * size_of::<Entry>()
            }
            Self::Branch(children) => {
                let inner: usize = children.iter().map(Child::heap_bytes).sum();
                inner + children.capacity() * size_of::<Child>()
            }
        }
    }
}

impl Entry {
    pub(crate) fn summary(&self) -> Summary {
        let newest = self.history.newest();
        let versions = self.history.versions().len() as u64;
        let live = u64::from(!newest.is_tombstone());
        let bytes = if newest.is_tombstone() { 0 } else { row::kvs_bytes(newest.length()) };
        Summary { keys: 1, live, bytes, newest: newest.main(), garbage: versions - live }
    }

    fn heap_bytes(&self) -> usize {
        self.key.heap_bytes() + self.history.heap_bytes()
    }
}

impl Child {
    pub(crate) fn new(node: Node) -> Self {
        Self { first: node.first_key(), summary: Summary::of(&node), node }
    }

    fn heap_bytes(&self) -> usize {
        self.first.heap_bytes() + self.node.heap_bytes()
    }
}

/// Place of the child whose subtree would hold `key`.
pub(crate) fn child_of(children: &[Child], key: &[u8]) -> usize {
    children.partition_point(|child| child.first.order(key).is_le()).saturating_sub(1)
}

/// Place of a key in a leaf, or where it would go.
pub(crate) fn entry_of(entries: &[Entry], key: &[u8]) -> Result<usize, usize> {
    entries.binary_search_by(|entry| entry.key.order(key))
}

/// Puts an entry in its place; the right part if the leaf had to be split.
///
/// A leaf that is full and grows at its end stays full: ascending keys, the usual case, fill
/// their leaves instead of leaving each half empty.
pub(crate) fn insert_entry(entries: &mut Vec<Entry>, place: usize, entry: Entry) -> Option<Child> {
    if entries.len() < LEAF_KEYS {
        if entries.len() == entries.capacity() {
            // All leaves have the same size: what one leaves free another can take.
            entries.reserve_exact(LEAF_KEYS - entries.len());
        }
        entries.insert(place, entry);
        return None;
    }
    let mut right = Vec::with_capacity(LEAF_KEYS);
    if place == entries.len() {
        right.push(entry);
        return Some(Child::new(Node::Leaf(right)));
    }
    let half = entries.len() / 2;
    right.extend(entries.drain(half..));
    if place <= half {
        entries.insert(place, entry);
    } else {
        right.insert(place - half, entry);
    }
    Some(Child::new(Node::Leaf(right)))
}

/// Puts the right part of a child that was split beside it, at `place`; the right part of the
/// branch if that had to be split, too.
pub(crate) fn insert_child(children: &mut Vec<Child>, place: usize, child: Child) -> Option<Child> {
    let is_half = child.node.len() > 1;
    children.insert(place, child);
    if is_half {
        even_out(children, place);
    }
    if children.len() <= BRANCH_CHILDREN {
        return None;
    }
    let at_end = place + 1 == children.len();
    let cut = if at_end { place } else { children.len() / 2 };
    let right = children.split_off(cut);
    Some(Child::new(Node::Branch(right)))
}

/// Shares out the keys of a leaf's two halves, at `place` and before it, and of a leaf beside
/// them: among two if they leave room there, or else among three, which then are two thirds full
/// and not one half.
fn even_out(children: &mut Vec<Child>, place: usize) {
    let start = if place + 1 < children.len() { place - 1 } else { place.saturating_sub(2) };
    let Some(three) = children.get_mut(start..start + 3) else { return };
    if matches!(three[0].node, Node::Branch(_)) {
        return;
    }
    let mut all = Vec::with_capacity(3 * LEAF_KEYS);
    for child in three {
        let Node::Leaf(entries) = &mut child.node else { return };
        all.append(entries);
    }
    let mut leaves = 3;
    if all.len() <= PAIR_KEYS {
        children.remove(start + 2);
        leaves = 2;
    }
    let each = all.len().div_ceil(leaves);
    let mut rest = all.into_iter();
    for (at, child) in children[start..start + leaves].iter_mut().enumerate() {
        let Node::Leaf(entries) = &mut child.node else { return };
        entries.reserve_exact(LEAF_KEYS - entries.len());
        entries.extend(rest.by_ref().take(each));
        child.summary = Summary::of(&child.node);
        if at > 0 {
            // That of the first may be lower than its keys, and stays.
            child.first = child.node.first_key();
        }
    }
}
