//! Walking a part of the key space in order, in bounded pieces, around what need not be seen.

use std::ops::ControlFlow;

use super::Index;
use super::key::Key;
use super::node::{self, Child, Entry, Node, Summary};

/// A part of the key space: from a key on, up to and without an end if there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'a> {
    pub(crate) from: &'a [u8],
    pub(crate) end: Option<&'a [u8]>,
}

/// Who is shown the keys.
pub(crate) trait Visit {
    /// A subtree that lies in the span as a whole: `true` if nothing in it need be shown.
    fn subtree(&mut self, summary: &Summary) -> bool;
    /// The next key. `false` stops the walk *before* it.
    fn entry(&mut self, entry: &Entry) -> bool;
}

type Step = ControlFlow<Key>;

impl Index {
    /// Shows the span in key order. After `budget` keys and subtrees, or when the visitor stops,
    /// it returns the key at which to go on; `None` at the end of the span.
    pub(crate) fn walk(
        &self,
        span: Span<'_>,
        budget: usize,
        visit: &mut impl Visit,
    ) -> Option<Key> {
        if span.end.is_some_and(|end| span.from >= end) {
            return None;
        }
        let from = (!span.from.is_empty()).then_some(span.from);
        let mut walker = Walker { visit, budget };
        if from.is_none() && span.end.is_none() && walker.visit.subtree(&self.summary) {
            return None;
        }
        walker.node(&self.root, from, span.end).break_value()
    }
}

struct Walker<'a, V> {
    visit: &'a mut V,
    budget: usize,
}

impl<V: Visit> Walker<'_, V> {
    /// `None` for a bound says that the whole node lies on the inner side of it.
    fn node(&mut self, node: &Node, from: Option<&[u8]>, end: Option<&[u8]>) -> Step {
        match node {
            Node::Leaf(entries) => self.leaf(entries, from, end),
            Node::Branch(children) => self.branch(children, from, end),
        }
    }

    fn leaf(&mut self, entries: &[Entry], from: Option<&[u8]>, end: Option<&[u8]>) -> Step {
        let low = from.map_or(0, |from| node::entry_of(entries, from).unwrap_or_else(|at| at));
        let high =
            end.map_or(entries.len(), |end| node::entry_of(entries, end).unwrap_or_else(|at| at));
        for entry in entries.get(low..high).unwrap_or_default() {
            if self.budget == 0 || !self.visit.entry(entry) {
                return Step::Break(entry.key.clone());
            }
            self.budget -= 1;
        }
        Step::Continue(())
    }

    fn branch(&mut self, children: &[Child], from: Option<&[u8]>, end: Option<&[u8]>) -> Step {
        let start = from.map_or(0, |from| node::child_of(children, from));
        for (place, child) in children.iter().enumerate().skip(start) {
            let first = child.first.as_slice();
            if end.is_some_and(|end| first >= end) {
                break;
            }
            let child_from = from.filter(|from| place == start && first < *from);
            let next = children.get(place + 1);
            let child_end = end.filter(|end| next.is_none_or(|next| next.first.as_slice() > *end));
            if child_from.is_none() && child_end.is_none() {
                if self.budget == 0 {
                    return Step::Break(child.first.clone());
                }
                if self.visit.subtree(&child.summary) {
                    self.budget -= 1;
                    continue;
                }
            }
            self.node(&child.node, child_from, child_end)?;
        }
        Step::Continue(())
    }
}
