//! Bounds of this crate. Tests shrink them, so that small histories cross every border.

use ketch_base::limits;

const fn pick(real: usize, test: usize) -> usize {
    if cfg!(test) { test } else { real }
}

/// Most keys of a leaf of the index.
pub(crate) const LEAF_KEYS: usize = pick(64, 6);
/// Most children of a branch of the index.
pub(crate) const BRANCH_CHILDREN: usize = pick(64, 5);
/// Keys visited under one hold of the index lock.
pub(crate) const CHUNK_KEYS: usize = pick(limits::INDEX_CHUNK_KEYS, 7);
/// Rows of the first window of a range.
pub(crate) const WINDOW_BYTES: usize = pick(limits::RANGE_WINDOW_BYTES, 64);
/// Rows of this size, on average, share no page of the storage.
pub(crate) const LARGE_ROW_BYTES: usize = pick(4096, 48);
/// Rows hashed or removed in one step of a compaction.
pub(crate) const STEP_ROWS: usize = pick(limits::COMPACTION_BATCH_ROWS, 5);
/// Rows hashed between two looks at the index.
pub(crate) const HASH_ROWS: usize = pick(256, 3);
/// Bytes of rows after which they are hashed even if they are fewer.
pub(crate) const HASH_BYTES: usize = 256 * 1024;
/// Results of compactions whose hash is kept (etcd's number).
pub(crate) const CACHED_HASHES: usize = 10;
