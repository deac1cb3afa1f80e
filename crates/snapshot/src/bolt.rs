//! The bbolt file format: pages, meta pages, trees of buckets.
//!
//! ```text
//! page 0, 1   meta: the valid one with the larger txid tells the root page and the file's end
//! any page    id u64 | flags u16 | count u16 | overflow u32 | count elements | their bytes
//! leaf        element: flags u32 | pos u32 | key size u32 | value size u32   (pos from itself)
//! branch      element: pos u32 | key size u32 | child page u64
//! bucket      a leaf element with flag 1; its value: root page u64 | sequence u64, and with
//!             root 0 a leaf page image at once ("inline")
//! ```
//! All numbers are little-endian, as on every machine etcd supports.

mod bucket;
mod check;
mod error;
mod file;
mod meta;
mod page;
pub(crate) mod tree;
pub(crate) mod writer;

pub use bucket::{Bucket, Item, Value, Walk};
pub use error::Error;
pub use file::{BucketNames, File};

/// Pages we write are of this size, whatever the machine's; the reader takes any power of two.
pub const PAGE_BYTES: usize = 4096;
/// Longest key bbolt takes.
pub const KEY_BYTES_MAX: usize = 32_768;
/// Longest value bbolt takes.
pub const VALUE_BYTES_MAX: usize = i32::MAX as usize - 2;
/// Deepest tree of pages, and deepest nesting of buckets, that is followed; a real one of this
/// depth would not fit on any disk.
pub const DEPTH_MAX: usize = 64;
