//! Building the tree bottom-up from keys in order: for a restart.

use super::Index;
use super::node::{Child, Entry, Node, Summary};
use crate::bounds::{BRANCH_CHILDREN, LEAF_KEYS};

/// Keys of a leaf when built: a few places are left, so that the first change does not split it.
const FILL_KEYS: usize = LEAF_KEYS - LEAF_KEYS / 16;

/// Takes entries in ascending order of key, one after another.
#[derive(Default)]
pub(crate) struct Builder {
    leaf: Vec<Entry>,
    leaves: Vec<Child>,
}

impl Builder {
    /// The next entry; its key must be larger than all before.
    pub(crate) fn push(&mut self, entry: Entry) {
        debug_assert!(
            self.leaf.last().is_none_or(|last| last.key.as_slice() < entry.key.as_slice()),
            "entries come in key order"
        );
        if self.leaf.len() == FILL_KEYS {
            self.close_leaf();
        }
        if self.leaf.is_empty() {
            self.leaf.reserve_exact(FILL_KEYS);
        }
        self.leaf.push(entry);
    }

    pub(crate) fn finish(mut self) -> Index {
        self.leaf.shrink_to_fit();
        self.close_leaf();
        let mut level = self.leaves;
        while level.len() > 1 {
            level = raise(level);
        }
        let root = level.pop().map(|child| child.node).unwrap_or_default();
        Index { summary: Summary::of(&root), root }
    }

    fn close_leaf(&mut self) {
        if !self.leaf.is_empty() {
            let leaf = std::mem::take(&mut self.leaf);
            self.leaves.push(Child::new(Node::Leaf(leaf)));
        }
    }
}

/// One level of branches above the given children, evenly filled.
fn raise(level: Vec<Child>) -> Vec<Child> {
    let branches = level.len().div_ceil(BRANCH_CHILDREN - BRANCH_CHILDREN / 16);
    let each = level.len().div_ceil(branches);
    let mut above = Vec::with_capacity(branches);
    let mut rest = level.into_iter().peekable();
    while rest.peek().is_some() {
        let children: Vec<Child> = rest.by_ref().take(each).collect();
        above.push(Child::new(Node::Branch(children)));
    }
    above
}
