//! Ranges that end at or before their beginning, judged as etcd does.
//!
//! Such a range holds no key. etcd keeps the permissions of a user in a red-black tree, searches
//! it for one that holds the key where the range begins, and takes that for an answer. On its way
//! it gives up below each permission that ends at or before that key and does not begin before the
//! end of the range, though the one it looks for may be there. So the answer depends on the shape
//! of the tree, and that on the order in which the permissions come:
//!
//! ```text
//! b..c, then a..z     b..c            a..z, then b..c    a..z
//!                    /                                       \
//! d..b: no        a..z                d..b: yes               b..c
//! ```
//!
//! Members judge at apply and have to agree, so the shape is kept here. Ranges with keys are for
//! [`Ranges`](crate::ranges::Ranges): nothing that has keys ends before such a range and begins
//! behind it, so for them any shape tells the same.

use std::cmp::Ordering;

use bytes::Bytes;

/// The permissions of a user of one kind, in a tree of the shape that etcd's has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backward {
    root: Link,
}

type Link = Option<Box<Node>>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    /// Where it begins and ends; what is empty stands for the end of the key space.
    start: Bytes,
    end: Bytes,
    red: bool,
    below: [Link; 2],
}

const LEFT: usize = 0;
const RIGHT: usize = 1;

impl Backward {
    /// Puts in a permission, after those that came before and even if it is there already.
    pub(crate) fn insert(&mut self, start: Bytes, end: Bytes) {
        let node = Box::new(Node { start, end, red: true, below: [None, None] });
        // The root counts as black: nobody looks.
        self.root = Some(inserted(self.root.take(), node));
    }

    /// Whether etcd allows a range that begins with `key` and ends with `end`, which is not empty
    /// and not behind `key`.
    pub(crate) fn cover(&self, key: &[u8], end: &[u8]) -> bool {
        finds(&self.root, key, end)
    }
}

impl Node {
    /// Left of all that begins or, if it begins alike, ends behind it.
    fn side_of(&self, node: &Self) -> usize {
        let starts = compare(&node.start, &self.start);
        let order = starts.then_with(|| compare(&node.end, &self.end));
        if order.is_lt() { LEFT } else { RIGHT }
    }

    /// Makes the subtree sound after an insertion on `side`, where a red child may have got a red
    /// child. If the other child is red too, both become black and the root red, which those above
    /// may have to mend. Else the middle one of the three in line becomes the root.
    fn mended(mut self: Box<Self>, side: usize) -> Box<Self> {
        let other = 1 - side;
        let Some(mut child) = self.below[side].take_if(|child| child.red) else { return self };
        let [inner, outer] = [other, side].map(|grandchild| is_red(&child.below[grandchild]));
        if !inner && !outer {
            self.below[side] = Some(child);
            return self;
        }
        if let Some(uncle) = self.below[other].as_mut().filter(|uncle| uncle.red) {
            (uncle.red, child.red, self.red) = (false, false, true);
            self.below[side] = Some(child);
            return self;
        }
        if inner {
            child = child.lowered(side);
        }
        self.below[side] = Some(child);
        let mut top = self.lowered(other);
        top.red = false;
        if let Some(last) = &mut top.below[other] {
            last.red = true;
        }
        top
    }

    /// Goes down towards `side`; what was below it on the other side takes its place.
    fn lowered(mut self: Box<Self>, side: usize) -> Box<Self> {
        let Some(mut top) = self.below[1 - side].take() else { return self };
        self.below[1 - side] = top.below[side].take();
        top.below[side] = Some(self);
        top
    }
}

fn inserted(link: Link, node: Box<Node>) -> Box<Node> {
    let Some(mut above) = link else { return node };
    let side = above.side_of(&node);
    above.below[side] = Some(inserted(above.below[side].take(), node));
    above.mended(side)
}

fn is_red(link: &Link) -> bool {
    link.as_ref().is_some_and(|node| node.red)
}

/// Whether the search comes to a permission that holds `key`. etcd also turns back where nothing
/// below ends behind `key`, which spares it time and changes no answer.
fn finds(link: &Link, key: &[u8], end: &[u8]) -> bool {
    let Some(node) = link else { return false };
    let [left, right] = &node.below;
    if compare(key, &node.start).is_lt() {
        finds(left, key, end)
    } else if compare(key, &node.end).is_lt() {
        true
    } else {
        compare(&node.start, end).is_lt() && (finds(left, key, end) || finds(right, key, end))
    }
}

/// By the order of keys, with the end of the key space behind them all.
fn compare(one: &[u8], other: &[u8]) -> Ordering {
    (one.is_empty(), one).cmp(&(other.is_empty(), other))
}
