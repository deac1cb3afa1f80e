//! Behaviour of the whole crate, on a disk in memory that can lose power.

mod concurrent;
mod damage;
mod disk;
mod drain;
mod install;
mod reclaim;
mod twin;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ketch_base::{Revision, RevisionKey};

use crate::{Backend, Batch, Bucket, Config, Drain, Durable, OpenError};
use disk::MemoryDisk;

const CACHE_BYTES: usize = 256 * 1024;

fn path() -> PathBuf {
    Path::new("/member/snap/ketch.redb").into()
}

fn open(disk: &Arc<MemoryDisk>) -> Result<(Backend, Drain), OpenError> {
    Backend::open(disk.clone(), &path(), Config { cache_bytes: CACHE_BYTES })
}

fn opened(disk: &Arc<MemoryDisk>) -> (Backend, Drain) {
    open(disk).expect("the database opens")
}

fn key(main: i64, sub: i64) -> RevisionKey {
    RevisionKey { revision: Revision { main, sub }, tombstone: false }
}

/// A batch that puts one row and the applied index, as apply does.
fn put(index: u64, row: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put_row(key(index as i64, 0), Bytes::copy_from_slice(row));
    stamp(&mut batch, index);
    batch
}

fn stamp(batch: &mut Batch, index: u64) {
    let number = |n: u64| Bytes::copy_from_slice(&n.to_be_bytes());
    batch.put(Bucket::Meta, Bytes::from_static(Durable::INDEX_KEY), number(index));
    batch.put(Bucket::Meta, Bytes::from_static(Durable::TERM_KEY), number(1));
}

fn drain_all(drain: &mut Drain) {
    while drain.step().expect("the disk takes it").more {}
}

/// The end of history.
const END: Revision = Revision { main: i64::MAX, sub: 0 };
