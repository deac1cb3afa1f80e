//! How sorted rows fall into pages: the shape of a tree, from its leaves up.
//!
//! The same code runs twice: once over lengths (`usize`), to know how large the file will be and
//! where its root lies, and once over bytes, to write it. So the plan cannot disagree with the
//! result. A page gets its number when it is full, parents after their children, and pages come
//! out in the order of their numbers.

use bytes::Bytes;

use super::page::{ELEMENT_BYTES, HEADER_BYTES};

/// Pages a leaf may span to fill its last page better when rows are large.
const LEAF_PAGES: usize = 4;
/// Children a branch has at least, however large their keys.
const BRANCH_CHILDREN_MIN: usize = 3;

/// A key or value, or only its length.
pub(crate) trait Piece: Clone {
    fn bytes(&self) -> usize;
}

impl Piece for usize {
    fn bytes(&self) -> usize {
        *self
    }
}

impl Piece for Bytes {
    fn bytes(&self) -> usize {
        self.len()
    }
}

/// One leaf element.
#[derive(Clone, Debug)]
pub(crate) struct Row<P> {
    pub(crate) flags: u32,
    pub(crate) key: P,
    pub(crate) value: P,
}

/// One branch element: the child's first key and page.
#[derive(Clone, Debug)]
pub(crate) struct Child<P> {
    pub(crate) key: P,
    pub(crate) page: u64,
}

/// Where finished pages go; numbers them.
pub(crate) trait Pages<P> {
    /// A leaf of `used` bytes; returns its page.
    fn leaf(&mut self, rows: &[Row<P>], used: usize) -> u64;
    /// A branch of `used` bytes; returns its page.
    fn branch(&mut self, children: &[Child<P>], used: usize) -> u64;
}

/// Where a finished tree begins.
pub(crate) enum Root<P> {
    Page(u64),
    /// Small enough to be kept in the value of its bucket: the rows and the bytes they use.
    Inline(Vec<Row<P>>, usize),
}

/// A tree being built from ascending rows.
pub(crate) struct Tree<P> {
    page_bytes: usize,
    rows: Vec<Row<P>>,
    used: usize,
    levels: Vec<Level<P>>,
}

struct Level<P> {
    children: Vec<Child<P>>,
    used: usize,
    is_started: bool,
}

impl<P: Piece> Tree<P> {
    pub(crate) fn new(page_bytes: usize) -> Self {
        Self { page_bytes, rows: Vec::new(), used: HEADER_BYTES, levels: Vec::new() }
    }

    /// Adds the next row; its key is above all before it.
    pub(crate) fn push(&mut self, row: Row<P>, pages: &mut impl Pages<P>) {
        let size = ELEMENT_BYTES + row.key.bytes() + row.value.bytes();
        if !self.rows.is_empty() && !self.leaf_takes(size) {
            self.flush_leaf(pages);
        }
        self.used += size;
        self.rows.push(row);
    }

    /// Ends the tree. With `may_inline`, at most a quarter of a page stays inline, as in bbolt.
    pub(crate) fn finish(mut self, may_inline: bool, pages: &mut impl Pages<P>) -> Root<P> {
        if self.levels.is_empty() && may_inline && self.used <= self.page_bytes / 4 {
            return Root::Inline(self.rows, self.used);
        }
        if self.levels.is_empty() {
            return Root::Page(pages.leaf(&self.rows, self.used));
        }
        self.flush_leaf(pages);
        let mut level = 0;
        loop {
            let is_top = level + 1 == self.levels.len();
            let at = &mut self.levels[level];
            match at.children.as_slice() {
                [only] if is_top && !at.is_started => return Root::Page(only.page),
                children => {
                    let page = pages.branch(children, at.used);
                    if is_top && !at.is_started {
                        return Root::Page(page);
                    }
                    let key = children[0].key.clone();
                    self.adopt(level + 1, Child { key, page }, pages);
                }
            }
            level += 1;
        }
    }

    fn leaf_takes(&self, size: usize) -> bool {
        let now = self.used.div_ceil(self.page_bytes);
        let then = (self.used + size).div_ceil(self.page_bytes);
        let is_full = self.used * 10 >= now * self.page_bytes * 9;
        then == now || (!is_full && then <= LEAF_PAGES)
    }

    fn flush_leaf(&mut self, pages: &mut impl Pages<P>) {
        let page = pages.leaf(&self.rows, self.used);
        let key = self.rows[0].key.clone();
        self.rows.clear();
        self.used = HEADER_BYTES;
        self.adopt(0, Child { key, page }, pages);
    }

    fn adopt(&mut self, level: usize, child: Child<P>, pages: &mut impl Pages<P>) {
        if level == self.levels.len() {
            let empty = Level { children: Vec::new(), used: HEADER_BYTES, is_started: false };
            self.levels.push(empty);
        }
        let size = ELEMENT_BYTES + child.key.bytes();
        let at = &mut self.levels[level];
        if at.children.len() >= BRANCH_CHILDREN_MIN && at.used + size > self.page_bytes {
            self.flush_branch(level, pages);
        }
        let at = &mut self.levels[level];
        at.used += size;
        at.children.push(child);
    }

    /// Writes all children but the last, which opens the next page: no branch but the root's
    /// first ever has a single child.
    fn flush_branch(&mut self, level: usize, pages: &mut impl Pages<P>) {
        let at = &mut self.levels[level];
        let Some(carried) = at.children.pop() else { return };
        let size = ELEMENT_BYTES + carried.key.bytes();
        let page = pages.branch(&at.children, at.used - size);
        let key = at.children[0].key.clone();
        at.children.clear();
        at.children.push(carried);
        at.used = HEADER_BYTES + size;
        at.is_started = true;
        self.adopt(level + 1, Child { key, page }, pages);
    }
}
