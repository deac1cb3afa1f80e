//! Buckets and the walk through one, in key order.

use bytes::Bytes;

use super::DEPTH_MAX;
use super::error::Error;
use super::file::File;
use super::page::{BUCKET_FLAG, Node, u64_at};

/// Bytes of a bucket's value before an inline page.
pub(crate) const BUCKET_BYTES: usize = 16;

/// A set of keys in a file.
#[derive(Clone)]
pub struct Bucket {
    file: File,
    root: Root,
}

#[derive(Clone)]
enum Root {
    Page(u64),
    Inline(Node),
}

/// What stands behind a key.
pub enum Value {
    /// Plain bytes.
    Bytes(Bytes),
    /// A bucket within the bucket.
    Bucket(Bucket),
}

/// A key and what stands behind it.
pub type Item = (Bytes, Value);

impl Bucket {
    pub(super) fn at_page(file: File, page: u64) -> Self {
        Self { file, root: Root::Page(page) }
    }

    fn parse(file: File, value: &Bytes, offset: u64) -> Result<Self, Error> {
        let page = u64_at(value, 0).filter(|_| value.len() >= BUCKET_BYTES);
        match page {
            None => Err(file.corrupt(offset, "a bucket of less than 16 bytes")),
            Some(0) => {
                let inline = Node::parse(value.slice(BUCKET_BYTES..), offset)
                    .and_then(|node| node.is_leaf.then_some(node).ok_or("inline branch".into()))
                    .map_err(|what| file.corrupt(offset, format!("inline bucket: {what}")))?;
                Ok(Self { file, root: Root::Inline(inline) })
            }
            Some(page) => Ok(Self::at_page(file, page)),
        }
    }

    /// Starts at the first key.
    pub fn walk(&self) -> Walk {
        let mut walk = Walk {
            file: self.file.clone(),
            start: None,
            path: Vec::new(),
            pages_left: self.file.meta().high_water,
            previous: None,
            visited: None,
        };
        match &self.root {
            Root::Page(page) => walk.start = Some(*page),
            Root::Inline(node) => walk.path.push(Place { node: node.clone(), next: 0 }),
        }
        walk
    }
}

/// The keys of a bucket in order; ends after the first error. Holds one page per level.
pub struct Walk {
    file: File,
    /// The root page, until the first step reads it.
    start: Option<u64>,
    path: Vec<Place>,
    /// No tree has more pages than the file: what is left of that.
    pages_left: u64,
    previous: Option<Bytes>,
    /// First page and number of pages of each node entered since this was last taken; kept only
    /// for who asks.
    visited: Option<Vec<(u64, u64)>>,
}

struct Place {
    node: Node,
    next: usize,
}

impl Walk {
    /// An error at the page the walk stands in.
    pub(super) fn damage(&self, what: &str) -> Error {
        let offset = self.path.last().map_or(0, |place| place.node.offset);
        self.file.corrupt(offset, what)
    }

    /// Starts to remember the pages entered.
    pub(super) fn remember_visited(mut self) -> Self {
        self.visited = Some(Vec::new());
        self
    }

    /// Pages entered since the last call.
    pub(super) fn take_visited(&mut self) -> Vec<(u64, u64)> {
        self.visited.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn enter(&mut self, page: u64) -> Result<(), Error> {
        let (node, pages) = self.file.node(page)?;
        if self.path.len() >= DEPTH_MAX {
            return Err(self.file.corrupt(node.offset, "tree is too deep"));
        }
        self.pages_left = self
            .pages_left
            .checked_sub(pages)
            .ok_or_else(|| self.file.corrupt(node.offset, "pages form a loop"))?;
        if let Some(visited) = &mut self.visited {
            visited.push((page, pages));
        }
        self.path.push(Place { node, next: 0 });
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Item>, Error> {
        if let Some(page) = self.start.take() {
            self.enter(page)?;
        }
        while let Some(place) = self.path.last_mut() {
            let i = place.next;
            if i == place.node.count() {
                self.path.pop();
                continue;
            }
            place.next += 1;
            let offset = place.node.offset;
            if place.node.is_leaf {
                let (flags, key, value) =
                    place.node.leaf(i).map_err(|what| self.file.corrupt(offset, what))?;
                return self.item(flags, key, value, offset).map(Some);
            }
            let (_, child) =
                place.node.branch(i).map_err(|what| self.file.corrupt(offset, what))?;
            self.enter(child)?;
        }
        Ok(None)
    }

    fn item(&mut self, flags: u32, key: Bytes, value: Bytes, at: u64) -> Result<Item, Error> {
        if self.previous.as_ref().is_some_and(|previous| *previous >= key) {
            return Err(self.file.corrupt(at, "keys are not in order"));
        }
        self.previous = Some(key.clone());
        let value = if flags & BUCKET_FLAG != 0 {
            Value::Bucket(Bucket::parse(self.file.clone(), &value, at)?)
        } else {
            Value::Bytes(value)
        };
        Ok((key, value))
    }
}

impl Iterator for Walk {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step().transpose();
        if let Some(Err(_)) = item {
            // Nothing behind damage can be trusted to be in place.
            self.path.clear();
        }
        item
    }
}
