//! Compaction of the index: a few leaves at a time, and only where there is something to forget.

use ketch_base::RevisionKey;

use super::Index;
use super::history::Rest;
use super::key::Key;
use super::node::{Child, Entry, Node, Summary};
use crate::bounds::{BRANCH_CHILDREN, LEAF_KEYS};

/// One bounded step of a compaction.
pub(crate) struct Sweep {
    /// Nobody asks for anything before this revision again.
    pub(crate) at: i64,
    /// Keys that may still be looked at.
    pub(crate) budget_keys: usize,
    /// Rows that may still be removed.
    pub(crate) budget_rows: usize,
    /// Rows forgotten, oldest first for each key; the storage is to forget them too.
    pub(crate) removed: Vec<RevisionKey>,
}

impl Index {
    /// Forgets what cannot be seen at or after `sweep.at`, beginning at the key `from`. The key
    /// at which to go on, `None` when the end was reached.
    pub(crate) fn sweep(&mut self, from: Option<&Key>, sweep: &mut Sweep) -> Option<Key> {
        let next = sweep.node(&mut self.root, from);
        while let Node::Branch(children) = &mut self.root {
            match children.len() {
                0 => self.root = Node::default(),
                1 => {
                    let Some(only) = children.pop() else { break };
                    self.root = only.node;
                }
                _ => break,
            }
        }
        self.summary = Summary::of(&self.root);
        next
    }
}

impl Sweep {
    fn node(&mut self, node: &mut Node, from: Option<&Key>) -> Option<Key> {
        match node {
            Node::Leaf(entries) => self.leaf(entries, from),
            Node::Branch(children) => self.branch(children, from),
        }
    }

    fn branch(&mut self, children: &mut Vec<Child>, from: Option<&Key>) -> Option<Key> {
        let start = from.map_or(0, |from| super::node::child_of(children, from.as_slice()));
        let mut place = start;
        let mut next = None;
        while place < children.len() && next.is_none() {
            let child = &mut children[place];
            if child.summary.garbage > 0 {
                let from = if place == start { from } else { None };
                next = self.node(&mut child.node, from);
                child.summary = Summary::of(&child.node);
            }
            place += 1;
        }
        tidy(children, start.saturating_sub(1), place);
        next
    }

    fn leaf(&mut self, entries: &mut Vec<Entry>, from: Option<&Key>) -> Option<Key> {
        let start = from.map_or(0, |from| {
            super::node::entry_of(entries, from.as_slice()).unwrap_or_else(|place| place)
        });
        let mut next = None;
        let mut place = 0;
        entries.retain_mut(|entry| {
            place += 1;
            if place <= start || next.is_some() {
                return true;
            }
            match self.entry(entry) {
                Rest::Clean => true,
                Rest::Gone => false,
                Rest::More => {
                    next = Some(entry.key.clone());
                    true
                }
            }
        });
        if entries.len() * 2 < entries.capacity() {
            entries.shrink_to_fit();
        }
        next
    }

    fn entry(&mut self, entry: &mut Entry) -> Rest {
        if self.budget_keys == 0 || self.budget_rows == 0 {
            return Rest::More;
        }
        self.budget_keys -= 1;
        let before = self.removed.len();
        let rest = entry.history.compact(self.at, self.budget_rows, &mut self.removed);
        self.budget_rows -= self.removed.len() - before;
        rest
    }
}

/// Drops empty children and joins neighbours that fit into one, between two places.
fn tidy(children: &mut Vec<Child>, low: usize, high: usize) {
    let mut place = high.min(children.len());
    while place > low {
        place -= 1;
        if children[place].node.len() == 0 {
            children.remove(place);
        } else if place + 1 < children.len()
            && fits(&children[place].node, &children[place + 1].node)
        {
            let right = children.remove(place + 1);
            join(&mut children[place], right);
        }
    }
}

/// Three quarters full at most, so that the next insertion does not split it again.
fn fits(left: &Node, right: &Node) -> bool {
    let most = match (left, right) {
        (Node::Leaf(_), Node::Leaf(_)) => LEAF_KEYS,
        (Node::Branch(_), Node::Branch(_)) => BRANCH_CHILDREN,
        _ => return false,
    };
    (left.len() + right.len()) * 4 <= most * 3
}

fn join(left: &mut Child, right: Child) {
    match (&mut left.node, right.node) {
        (Node::Leaf(left), Node::Leaf(right)) => {
            left.reserve_exact(LEAF_KEYS - left.len());
            left.extend(right);
        }
        (Node::Branch(left), Node::Branch(right)) => left.extend(right),
        _ => {}
    }
    left.summary.add(right.summary);
}
