//! The key index: which versions every key has, where their rows stand, how many keys live.
//!
//! An ordered tree of our own, because three questions must not cost a walk: how many keys a
//! range holds, how many bytes they take as an answer, and which parts changed since a revision.
//! Every child carries a [`Summary`] of its subtree beside its separator:
//!
//! ```text
//!   branch   [ first key | summary | node ] [ first key | summary | node ] ..
//!   leaf     [ key | history ] [ key | history ] ..
//! ```
//!
//! Invariant: no key of a subtree is smaller than its `first`; subtrees are in key order.
//! Invariant: `summary` is exact, but `newest`, which may be too high and never too low.
//! Invariant: nothing here knows of locks; the owner holds them for one bounded call at a time.

mod build;
mod change;
mod history;
mod key;
mod node;
mod sweep;
#[cfg(test)]
mod tests;
mod version;
mod walk;

pub(crate) use build::Builder;
pub(crate) use change::{Change, Outcome, What};
pub use history::KeyState;
pub(crate) use history::{Birth, History};
pub(crate) use key::Key;
pub(crate) use node::{Entry, Summary};
pub(crate) use sweep::Sweep;
pub(crate) use version::{MAIN_END, Version};
pub(crate) use walk::{Span, Visit};

use ketch_base::Revision;
use node::{Child, Node};

/// The index of one store.
#[derive(Default)]
pub(crate) struct Index {
    root: Node,
    summary: Summary,
}

impl Index {
    /// Of the whole key space.
    pub(crate) fn summary(&self) -> Summary {
        self.summary
    }

    /// All versions of a key.
    pub(crate) fn history(&self, key: &[u8]) -> Option<&History> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Branch(children) => node = &children[node::child_of(children, key)].node,
                Node::Leaf(entries) => {
                    let place = node::entry_of(entries, key).ok()?;
                    return Some(&entries[place].history);
                }
            }
        }
    }

    /// The version of a key that a reader at `main` sees.
    pub(crate) fn seen(&self, key: &[u8], main: i64) -> Option<Version> {
        self.history(key)?.seen(main).map(|(_, version)| version)
    }

    /// The state of a key at `main`, `None` if it is not alive there.
    pub(crate) fn state(&self, key: &[u8], main: i64) -> Option<KeyState> {
        let history = self.history(key)?;
        let (place, _) = history.seen(main)?;
        Some(history.state(place))
    }

    /// The version of a key right before `revision`, a tombstone or not.
    pub(crate) fn before(&self, key: &[u8], revision: Revision) -> Option<Version> {
        let versions = self.history(key)?.versions();
        let place = versions.partition_point(|version| version.revision() < revision);
        Some(versions[place.checked_sub(1)?])
    }

    /// Bytes held, by the capacity of everything allocated.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.root.heap_bytes()
    }

    /// Puts a new level above the root when it was split.
    fn grow(&mut self, right: Child) {
        let left = Child {
            first: self.root.first_key(),
            summary: Summary::of(&self.root),
            node: std::mem::take(&mut self.root),
        };
        self.root = Node::Branch(vec![left, right]);
    }
}
