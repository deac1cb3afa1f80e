//! A database file made from sorted rows, chunk by chunk.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::bolt::tree::{self, Root, Tree};
use crate::bolt::writer::{Counter, Layout, Writer};
use crate::bolt::{KEY_BYTES_MAX, PAGE_BYTES, VALUE_BYTES_MAX};
use crate::seal::DIGEST_BYTES;

/// Bytes of one chunk, as etcd streams them; the last one may be shorter.
pub const CHUNK_BYTES: usize = 32 * 1024;
/// Leaf element flag: the value is a bucket.
const BUCKET: u32 = 1;

/// Any error of a source.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A key and its value.
pub type Row = (Bytes, Bytes);
type Rows = Box<dyn Iterator<Item = Result<Row, BoxError>> + Send>;

/// Where the rows come from: a fixed state, read twice.
///
/// Invariant: both readings give the same buckets and rows; a source that moves in between is
/// noticed and ends the export with [`ExportError::Moved`].
pub trait Source {
    /// Names of the buckets, ascending in byte order.
    ///
    /// # Errors
    /// Whatever keeps it from reading.
    fn buckets(&self) -> Result<Vec<Bytes>, BoxError>;

    /// Rows of a bucket, ascending by key.
    fn rows(&self, bucket: &[u8]) -> Box<dyn Iterator<Item = Result<Row, BoxError>> + Send>;

    /// Lengths in bytes of keys and values of a bucket, in the order of [`Source::rows`]; worth
    /// overriding where lengths are cheaper to have than rows.
    fn lengths(
        &self,
        bucket: &[u8],
    ) -> Box<dyn Iterator<Item = Result<(usize, usize), BoxError>> + Send> {
        Box::new(self.rows(bucket).map(|row| row.map(|(key, value)| (key.len(), value.len()))))
    }
}

/// Why an export failed; it cannot be continued.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The source failed.
    #[error("reading rows to export: {0}")]
    Source(#[source] BoxError),
    /// The second reading differed from the first.
    #[error("rows to export changed while they were read")]
    Moved,
    /// Keys or bucket names do not ascend.
    #[error("rows to export are not in key order in bucket {bucket:?}")]
    Unsorted {
        /// The bucket.
        bucket: Bytes,
    },
    /// A key is empty or above 32,768 bytes, or a value is above 2^31 - 3 bytes.
    #[error("a row of {key_bytes} + {value_bytes} bytes cannot be exported")]
    Size {
        /// Bytes of the key.
        key_bytes: usize,
        /// Bytes of the value.
        value_bytes: usize,
    },
}

/// A database file on its way out.
///
/// Call [`Export::plan`] once, then [`Export::next_chunk`] until it gives `None`, then
/// [`Export::digest`].
pub struct Export<S> {
    source: S,
    layout: Layout,
    names: std::vec::IntoIter<Bytes>,
    open: Option<OpenBucket>,
    /// The tree of buckets; `None` once it is written.
    root: Option<Tree<Bytes>>,
    writer: Writer,
    hash: Sha256,
    sent_bytes: u64,
    digest: Option<[u8; DIGEST_BYTES]>,
}

struct OpenBucket {
    name: Bytes,
    rows: Rows,
    tree: Tree<Bytes>,
    previous: Bytes,
}

impl<S: Source> Export<S> {
    /// Reads all lengths to learn the size of the file and the place of its root.
    ///
    /// # Errors
    /// [`ExportError::Source`], [`ExportError::Size`], or [`ExportError::Unsorted`] bucket names.
    pub fn plan(source: S) -> Result<Self, ExportError> {
        let names = source.buckets().map_err(ExportError::Source)?;
        if let Some(pair) = names.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(ExportError::Unsorted { bucket: pair[1].clone() });
        }
        let layout = plan(&source, &names)?;
        Ok(Self {
            source,
            layout,
            names: names.into_iter(),
            open: None,
            root: Some(Tree::new(PAGE_BYTES)),
            writer: Writer::new(layout),
            hash: Sha256::new(),
            sent_bytes: 0,
            digest: None,
        })
    }

    /// Bytes of the database file, digest not counted.
    pub fn size_bytes(&self) -> u64 {
        self.layout.size_bytes()
    }

    /// Bytes that [`Export::next_chunk`] has still to give.
    pub fn remaining_bytes(&self) -> u64 {
        self.size_bytes() - self.sent_bytes
    }

    /// The next [`CHUNK_BYTES`] of the file (fewer only at its end), or `None` after the end.
    ///
    /// # Errors
    /// [`ExportError`]; the export is then useless.
    pub fn next_chunk(&mut self) -> Result<Option<Bytes>, ExportError> {
        while self.writer.out.len() < CHUNK_BYTES && self.root.is_some() {
            self.step()?;
        }
        let n = self.writer.out.len().min(CHUNK_BYTES);
        if n == 0 {
            if self.digest.is_none() {
                self.digest = Some(std::mem::take(&mut self.hash).finalize().into());
            }
            return Ok(None);
        }
        let chunk = self.writer.out.split_to(n).freeze();
        self.hash.update(&chunk);
        self.sent_bytes += n as u64;
        Ok(Some(chunk))
    }

    /// SHA-256 of the whole file, known once [`Export::next_chunk`] gave `None`.
    pub fn digest(&self) -> Option<[u8; DIGEST_BYTES]> {
        self.digest
    }

    /// One row, or the end of a bucket, or the end of the file.
    fn step(&mut self) -> Result<(), ExportError> {
        match self.open.take() {
            Some(open) => self.step_bucket(open)?,
            None => match self.names.next() {
                Some(name) => {
                    let rows = self.source.rows(&name);
                    let tree = Tree::new(PAGE_BYTES);
                    self.open = Some(OpenBucket { name, rows, tree, previous: Bytes::new() });
                }
                None => self.finish()?,
            },
        }
        if self.writer.next_page() > self.layout.high_water {
            return Err(ExportError::Moved);
        }
        Ok(())
    }

    fn step_bucket(&mut self, mut open: OpenBucket) -> Result<(), ExportError> {
        let Some(row) = open.rows.next() else {
            let root = open.tree.finish(true, &mut self.writer);
            let value = Writer::bucket_value(&root);
            if let Some(tree) = &mut self.root {
                tree.push(tree::Row { flags: BUCKET, key: open.name, value }, &mut self.writer);
            }
            return Ok(());
        };
        let (key, value) = row.map_err(ExportError::Source)?;
        check_size(key.len(), value.len())?;
        if open.previous >= key {
            return Err(ExportError::Unsorted { bucket: open.name });
        }
        open.previous = key.clone();
        open.tree.push(tree::Row { flags: 0, key, value }, &mut self.writer);
        self.open = Some(open);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        let Some(tree) = self.root.take() else { return Ok(()) };
        let root = tree.finish(false, &mut self.writer);
        let is_planned = matches!(root, Root::Page(page) if page == self.layout.root);
        if is_planned && self.writer.next_page() == self.layout.high_water {
            Ok(())
        } else {
            Err(ExportError::Moved)
        }
    }
}

fn plan(source: &impl Source, names: &[Bytes]) -> Result<Layout, ExportError> {
    let mut pages = Counter::new();
    let mut root = Tree::new(PAGE_BYTES);
    for name in names {
        let mut tree = Tree::new(PAGE_BYTES);
        for lengths in source.lengths(name) {
            let (key, value) = lengths.map_err(ExportError::Source)?;
            check_size(key, value)?;
            tree.push(tree::Row { flags: 0, key, value }, &mut pages);
        }
        let value = Counter::bucket_value(&tree.finish(true, &mut pages));
        check_size(name.len(), value)?;
        root.push(tree::Row { flags: BUCKET, key: name.len(), value }, &mut pages);
    }
    match root.finish(false, &mut pages) {
        Root::Page(root) => Ok(Layout { root, high_water: pages.next }),
        Root::Inline(..) => Err(ExportError::Moved),
    }
}

fn check_size(key_bytes: usize, value_bytes: usize) -> Result<(), ExportError> {
    if (1..=KEY_BYTES_MAX).contains(&key_bytes) && value_bytes <= VALUE_BYTES_MAX {
        Ok(())
    } else {
        Err(ExportError::Size { key_bytes, value_bytes })
    }
}
