//! Pages as bytes, and the same pages only counted.

use bytes::{Bytes, BytesMut};

use super::PAGE_BYTES;
use super::bucket::BUCKET_BYTES;
use super::meta::Meta;
use super::page::{BRANCH, ELEMENT_BYTES, FREELIST, HEADER_BYTES, Header, LEAF};
use super::tree::{Child, Pages, Piece, Root, Row};

/// Two meta pages and an empty free list stand before the first tree. A list, though empty,
/// spares whoever opens the file the scan for free pages.
const FIRST_PAGE: u64 = 3;
const FREELIST_PAGE: u64 = 2;
/// Transaction ids of the two meta pages; bbolt wants the id modulo 2 to be the page.
const TXIDS: [u64; 2] = [2, 3];

/// Where the file will end and where its root will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) root: u64,
    pub(crate) high_water: u64,
}

impl Layout {
    pub(crate) fn size_bytes(self) -> u64 {
        self.high_water * PAGE_BYTES as u64
    }
}

/// Counts pages.
pub(crate) struct Counter {
    pub(crate) next: u64,
}

impl Counter {
    pub(crate) fn new() -> Self {
        Self { next: FIRST_PAGE }
    }

    /// Bytes of the value that stands for a bucket.
    pub(crate) fn bucket_value(root: &Root<usize>) -> usize {
        match root {
            Root::Page(_) => BUCKET_BYTES,
            Root::Inline(_, used) => BUCKET_BYTES + used,
        }
    }
}

impl Pages<usize> for Counter {
    fn leaf(&mut self, _: &[Row<usize>], used: usize) -> u64 {
        take(&mut self.next, used)
    }

    fn branch(&mut self, _: &[Child<usize>], used: usize) -> u64 {
        take(&mut self.next, used)
    }
}

/// Writes pages into a buffer, in the order of their numbers.
pub(crate) struct Writer {
    next: u64,
    page: Vec<u8>,
    /// What is written and not yet taken away.
    pub(crate) out: BytesMut,
}

impl Writer {
    /// Writes meta pages and the empty free list.
    pub(crate) fn new(layout: Layout) -> Self {
        let mut writer = Self { next: FIRST_PAGE, page: Vec::new(), out: BytesMut::new() };
        for (id, txid) in (0..).zip(TXIDS) {
            let meta = Meta {
                page_bytes: PAGE_BYTES as u32,
                root: layout.root,
                freelist: FREELIST_PAGE,
                high_water: layout.high_water,
                txid,
            };
            meta.write(id, &mut writer.page);
            writer.put_page(0);
        }
        let header = Header { id: FREELIST_PAGE, flags: FREELIST, count: 0, overflow: 0 };
        header.write(&mut writer.page);
        writer.put_page(0);
        writer
    }

    /// The page after the last one written.
    pub(crate) fn next_page(&self) -> u64 {
        self.next
    }

    /// The value that stands for a bucket.
    pub(crate) fn bucket_value(root: &Root<Bytes>) -> Bytes {
        let sequence = 0u64;
        let mut value = Vec::with_capacity(BUCKET_BYTES);
        let page = if let Root::Page(page) = root { *page } else { 0 };
        value.extend_from_slice(&page.to_le_bytes());
        value.extend_from_slice(&sequence.to_le_bytes());
        if let Root::Inline(rows, _) = root {
            write_leaf(0, 0, rows, &mut value);
        }
        value.into()
    }

    fn put_page(&mut self, overflow: u32) {
        self.page.resize((overflow as usize + 1) * PAGE_BYTES, 0);
        self.out.extend_from_slice(&self.page);
        self.page.clear();
    }
}

impl Pages<Bytes> for Writer {
    fn leaf(&mut self, rows: &[Row<Bytes>], used: usize) -> u64 {
        let id = take(&mut self.next, used);
        let overflow = overflow(used);
        write_leaf(id, overflow, rows, &mut self.page);
        self.put_page(overflow);
        id
    }

    fn branch(&mut self, children: &[Child<Bytes>], used: usize) -> u64 {
        let id = take(&mut self.next, used);
        let overflow = overflow(used);
        write_branch(id, overflow, children, &mut self.page);
        self.put_page(overflow);
        id
    }
}

fn overflow(used: usize) -> u32 {
    u32::try_from(used.div_ceil(PAGE_BYTES) - 1).expect("rows are bounded by VALUE_BYTES_MAX")
}

fn take(next: &mut u64, used: usize) -> u64 {
    let id = *next;
    *next += u64::from(overflow(used)) + 1;
    id
}

fn write_leaf(id: u64, overflow: u32, rows: &[Row<Bytes>], out: &mut Vec<u8>) {
    let count = count(rows.len());
    Header { id, flags: LEAF, count, overflow }.write(out);
    let mut pos = rows.len() * ELEMENT_BYTES;
    for row in rows {
        for word in [row.flags, word(pos), word(row.key.bytes()), word(row.value.bytes())] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        pos = pos + row.key.bytes() + row.value.bytes() - ELEMENT_BYTES;
    }
    for row in rows {
        out.extend_from_slice(&row.key);
        out.extend_from_slice(&row.value);
    }
}

fn write_branch(id: u64, overflow: u32, children: &[Child<Bytes>], out: &mut Vec<u8>) {
    let count = count(children.len());
    Header { id, flags: BRANCH, count, overflow }.write(out);
    let mut pos = children.len() * ELEMENT_BYTES;
    for child in children {
        for word in [word(pos), word(child.key.bytes())] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&child.page.to_le_bytes());
        pos = pos + child.key.bytes() - ELEMENT_BYTES;
    }
    for child in children {
        out.extend_from_slice(&child.key);
    }
}

fn count(elements: usize) -> u16 {
    const { assert!(4 * PAGE_BYTES / ELEMENT_BYTES < u16::MAX as usize) };
    u16::try_from(elements).expect("four pages hold fewer elements")
}

fn word(value: usize) -> u32 {
    u32::try_from(value).expect("rows are bounded by VALUE_BYTES_MAX")
}

const _: () = assert!(HEADER_BYTES == 16 && BUCKET_BYTES == 16);
