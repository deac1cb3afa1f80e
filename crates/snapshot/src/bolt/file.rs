//! An open bbolt file: choosing the meta page, reading pages.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::bucket::{Bucket, Value, Walk};
use super::error::Error;
use super::meta::Meta;
use super::page::{FREELIST, HEADER_BYTES, Header, Node};

/// Page sizes at which the second meta page is looked for when the first is destroyed.
const PAGE_BYTES_POSSIBLE: std::ops::RangeInclusive<u32> = 9..=16;

/// A bbolt file, open for reading. Clones share the file. Bytes after the last page in use (a
/// digest, or space preallocated by a server) are ignored.
#[derive(Clone)]
pub struct File {
    shared: Arc<Shared>,
}

struct Shared {
    file: Arc<dyn ketch_env::File>,
    path: PathBuf,
    meta: Meta,
}

/// The pages a file says are free.
pub(super) struct Freelist {
    pub(super) free: Vec<u64>,
    /// First page of the list and how many it spans; `None` if the file keeps no list.
    pub(super) place: Option<(u64, u64)>,
}

impl File {
    /// Reads the meta pages. `path` is for messages only.
    ///
    /// # Errors
    /// [`Error::NotBolt`] if neither meta page is valid, [`Error::Corrupt`] if the file is shorter
    /// than its meta page says.
    pub fn open(file: Arc<dyn ketch_env::File>, path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.into(), source };
        let length = file.len().map_err(io)?;
        let meta = choose_meta(file.as_ref(), length, path)?;
        let reach = meta.high_water.checked_mul(u64::from(meta.page_bytes));
        if reach.is_none_or(|reach| reach > length) {
            let pages = meta.high_water;
            let what = format!("file of {length} bytes ends before its last page ({pages} pages)");
            return Err(Error::corrupt(path, length, what));
        }
        Ok(Self { shared: Arc::new(Shared { file, path: path.into(), meta }) })
    }

    /// Bytes of all pages in use: the size of the database without what follows it.
    pub fn size_bytes(&self) -> u64 {
        self.shared.meta.high_water * u64::from(self.shared.meta.page_bytes)
    }

    /// Bytes of one page.
    pub fn page_bytes(&self) -> u32 {
        self.shared.meta.page_bytes
    }

    /// The path given to [`File::open`].
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The bucket that holds the others.
    pub fn root(&self) -> Bucket {
        Bucket::at_page(self.clone(), self.shared.meta.root)
    }

    /// The names at the top, with their buckets, in byte order.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if something there is not a bucket, too.
    pub fn buckets(&self) -> BucketNames {
        BucketNames { walk: self.root().walk() }
    }

    /// The bucket of that name at the top.
    ///
    /// # Errors
    /// What reading its page may bring.
    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket>, Error> {
        for item in self.buckets() {
            let (found, bucket) = item?;
            if found == name {
                return Ok(Some(bucket));
            }
        }
        Ok(None)
    }

    pub(super) fn meta(&self) -> &Meta {
        &self.shared.meta
    }

    pub(super) fn corrupt(&self, offset: u64, what: impl Into<String>) -> Error {
        Error::corrupt(&self.shared.path, offset, what)
    }

    pub(super) fn offset(&self, page: u64) -> u64 {
        page.saturating_mul(u64::from(self.shared.meta.page_bytes))
    }

    /// A branch or leaf page with its overflow, and how many pages that is.
    pub(super) fn node(&self, page: u64) -> Result<(Node, u64), Error> {
        let (header, bytes) = self.page(page)?;
        let node = Node::parse(bytes, self.offset(page))
            .map_err(|what| self.corrupt(self.offset(page), what))?;
        Ok((node, u64::from(header.overflow) + 1))
    }

    pub(super) fn freelist(&self) -> Result<Freelist, Error> {
        let start = self.shared.meta.freelist;
        if start == super::meta::NO_FREELIST {
            return Ok(Freelist { free: Vec::new(), place: None });
        }
        let (header, bytes) = self.page(start)?;
        if header.flags != FREELIST {
            return Err(self.corrupt(self.offset(start), "no free list where the meta page says"));
        }
        let mut words = bytes[HEADER_BYTES..]
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().expect("chunks are of eight bytes")));
        let count = match header.count {
            u16::MAX => words.next().unwrap_or_default(),
            count => u64::from(count),
        };
        if count > words.len() as u64 {
            let what = format!("a free list of {count} pages does not fit");
            return Err(self.corrupt(self.offset(start), what));
        }
        let free = words.take(usize::try_from(count).unwrap_or(usize::MAX)).collect();
        Ok(Freelist { free, place: Some((start, u64::from(header.overflow) + 1)) })
    }

    fn page(&self, id: u64) -> Result<(Header, Bytes), Error> {
        let meta = &self.shared.meta;
        let offset = self.offset(id);
        if id < 2 || id >= meta.high_water {
            let end = meta.high_water;
            return Err(self.corrupt(offset, format!("page {id} is not among 2..{end}")));
        }
        let size = meta.page_bytes as usize;
        let mut bytes = vec![0; size];
        self.read(&mut bytes, offset)?;
        let header =
            Header::parse(&bytes).ok_or_else(|| self.corrupt(offset, "page is cut short"))?;
        if header.id != id {
            return Err(self.corrupt(offset, format!("page {id} says it is {}", header.id)));
        }
        let overflow = u64::from(header.overflow);
        if overflow >= meta.high_water - id {
            return Err(self.corrupt(offset, format!("{overflow} overflow pages pass the end")));
        }
        if overflow > 0 {
            // Bounded by the file's own length, which open() compared with the high-water mark.
            let whole = usize::try_from(overflow + 1).ok().and_then(|n| n.checked_mul(size));
            bytes.resize(whole.ok_or_else(|| self.corrupt(offset, "page is too large"))?, 0);
            self.read(&mut bytes[size..], offset + size as u64)?;
        }
        Ok((header, bytes.into()))
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        let read = self.shared.file.read_at(buffer, offset);
        match read {
            Ok(n) if n == buffer.len() => Ok(()),
            Ok(_) => Err(self.corrupt(offset, "file ends inside a page")),
            Err(source) => Err(Error::Io { path: self.shared.path.clone(), source }),
        }
    }
}

/// Names and buckets at the top of a file; see [`File::buckets`].
pub struct BucketNames {
    walk: Walk,
}

impl Iterator for BucketNames {
    type Item = Result<(Bytes, Bucket), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.walk.next()? {
            Ok((name, Value::Bucket(bucket))) => Ok((name, bucket)),
            Ok(_) => Err(self.walk.damage("a plain value lies among the buckets")),
            Err(error) => Err(error),
        })
    }
}

fn choose_meta(file: &dyn ketch_env::File, length: u64, path: &Path) -> Result<Meta, Error> {
    let read = |offset: u64| -> Result<Option<Meta>, Error> {
        let mut page = [0; 80];
        let read = file.read_at(&mut page, offset);
        let n = read.map_err(|source| Error::Io { path: path.into(), source })?;
        Ok(Meta::parse(&page[..n]))
    };
    let usable = |meta: &Meta, page_bytes: u32| {
        meta.page_bytes == page_bytes && page_bytes.is_power_of_two() && page_bytes >= 512
    };
    let first = read(0)?.filter(|meta| usable(meta, meta.page_bytes));
    let second = match first {
        Some(meta) => read(u64::from(meta.page_bytes))?.filter(|m| usable(m, meta.page_bytes)),
        None => {
            let mut found = None;
            for page_bytes in PAGE_BYTES_POSSIBLE.map(|power| 1u32 << power) {
                if found.is_none() && u64::from(page_bytes) < length {
                    found = read(u64::from(page_bytes))?.filter(|m| usable(m, page_bytes));
                }
            }
            found
        }
    };
    match (first, second) {
        (Some(a), Some(b)) => Ok(if b.txid > a.txid { b } else { a }),
        (Some(meta), None) | (None, Some(meta)) => Ok(meta),
        (None, None) => Err(Error::NotBolt { path: path.into(), what: "no valid meta page" }),
    }
}
