//! HashKV: one number for a history, equal on members that have the same one.
//!
//! CRC-32C over the bucket name and then, in revision order, key and value of every row up to the
//! asked revision; of rows at or below the compacted revision only those that are still the state
//! of a key. Which rows those are is read from the index, so the hash is the same before, while
//! and after the rows are removed. Rows are streamed; the index is asked a few hundred at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use ketch_backend::{Bucket, View};
use ketch_base::{Code, Revision, RevisionKey};
use parking_lot::{Mutex, RwLock};

use crate::bounds;
use crate::error::Error;
use crate::index::{Entry, Index, Span, Summary, Visit};
use crate::row;
use crate::shared::Shared;

/// The hash of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashKv {
    /// CRC-32C.
    pub hash: u32,
    /// The compaction it was computed over; -1 for none.
    pub compact_revision: i64,
    /// The revision up to which it was computed.
    pub hash_revision: i64,
    /// Main revision of the store, for the header.
    pub revision: i64,
}

/// The hashes of the last compactions, each over the history before it.
#[derive(Default)]
pub(crate) struct Hashes(Mutex<Cached>);

#[derive(Default)]
struct Cached {
    generation: u64,
    hashes: VecDeque<HashKv>,
}

impl Hashes {
    /// Another database, another history: begins anew.
    pub(crate) fn begin(&self, generation: u64) {
        *self.0.lock() = Cached { generation, hashes: VecDeque::new() };
    }

    /// Keeps a hash, unless it is of an earlier generation.
    pub(crate) fn store(&self, generation: u64, hash: HashKv) {
        let mut cached = self.0.lock();
        if cached.generation != generation {
            return;
        }
        let cached = &mut cached.hashes;
        if cached.len() == bounds::CACHED_HASHES {
            cached.pop_front();
        }
        cached.push_back(hash);
    }

    fn get(&self, revision: i64) -> Option<HashKv> {
        self.0.lock().hashes.iter().find(|hash| hash.hash_revision == revision).copied()
    }
}

/// How often a hash is begun anew because another database came in between.
const TURNS_MAX: usize = 3;

pub(crate) fn hash_kv(shared: &Arc<Shared>, asked: i64) -> Result<HashKv, Error> {
    if let Some(cached) = shared.hashes.get(asked) {
        return Ok(HashKv { revision: shared.revision(), ..cached });
    }
    for _ in 0..TURNS_MAX {
        let generation = shared.generation();
        let made = hash_of(shared, generation, asked);
        if shared.generation() == generation
            && let Some(hash) = made.transpose()
        {
            return hash;
        }
    }
    // The rows are those of a database whose history is being taken up. It will not be long.
    Err(Code::TimeoutWaitAppliedIndex.into())
}

/// `None` if the database has changed.
fn hash_of(shared: &Arc<Shared>, generation: u64, asked: i64) -> Result<Option<HashKv>, Error> {
    // The pin stands at the compacted revision, so no row above it goes away meanwhile. A
    // compaction may come in between; then the next turn sees it.
    let (compacted, _pin) = loop {
        let compacted = shared.compacted();
        match shared.pin(compacted) {
            Ok(pin) => break (compacted, pin),
            Err(Code::Compacted) => {}
            Err(code) => return Err(code.into()),
        }
    };
    let revision = shared.revision();
    if asked > 0 && asked < compacted {
        return Err(Code::Compacted.into());
    }
    if asked > revision {
        return Err(Code::FutureRev.into());
    }
    let at = if asked == 0 { revision } else { asked };
    let done = |hash| HashKv { hash, compact_revision: compacted, hash_revision: at, revision };
    if at < 0 {
        // etcd looks for rows up to a revision before all: it finds none.
        return Ok(Some(done(Hasher::new(compacted, Keep::LastPuts).crc)));
    }
    let keep = if any_alive(&shared.index, at) { Keep::SeenAt(at) } else { Keep::LastPuts };
    let mut hasher = Hasher::new(compacted, keep);
    let view = shared.backend.view();
    if view.generation() != generation {
        return Ok(None);
    }
    hasher.rows(&shared.index, &view, Revision::default(), at, usize::MAX)?;
    Ok(Some(done(hasher.crc)))
}

/// Which rows at or below the compacted revision count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// What a reader at this revision sees.
    SeenAt(i64),
    /// Nobody is seen at the asked revision. etcd then takes every row the last compaction left,
    /// but for its tombstones: the newest row of each key at the compacted revision.
    LastPuts,
}

/// A hash in the making.
pub(crate) struct Hasher {
    pub(crate) crc: u32,
    compacted: i64,
    keep: Keep,
}

impl Hasher {
    pub(crate) fn new(compacted: i64, keep: Keep) -> Self {
        let crc = crc32c::crc32c(Bucket::Key.name().as_bytes());
        Self { crc, compacted, keep }
    }

    /// Takes in rows from `from` on up to main revision `to`, at most about `rows_max` of them.
    /// Returns where to go on.
    pub(crate) fn rows(
        &mut self,
        index: &RwLock<Index>,
        view: &View,
        from: Revision,
        to: i64,
        rows_max: usize,
    ) -> Result<Option<Revision>, Error> {
        let end = Revision { main: to.saturating_add(1), sub: 0 };
        let mut chunk = Chunk::default();
        let mut left = rows_max;
        for item in view.rows(from, end) {
            let (key, row) = item?;
            if left == 0 {
                self.chunk(index, &mut chunk)?;
                return Ok(Some(key.revision));
            }
            left -= 1;
            if chunk.push(key, row) {
                self.chunk(index, &mut chunk)?;
            }
        }
        self.chunk(index, &mut chunk)?;
        Ok(None)
    }

    fn chunk(&mut self, index: &RwLock<Index>, chunk: &mut Chunk) -> Result<(), Error> {
        let rows = std::mem::take(chunk).rows;
        let old = rows.partition_point(|(key, _)| key.revision.main <= self.compacted);
        let mut kept = Vec::with_capacity(old);
        if old > 0 {
            let index = index.read();
            for (key, row) in &rows[..old] {
                kept.push(self.keeps(&index, *key, row)?);
            }
        }
        for (place, (key, row)) in rows.iter().enumerate() {
            if kept.get(place).is_none_or(|kept| *kept) {
                self.crc = crc32c::crc32c_append(self.crc, key.encode(&mut [0; 18]));
                self.crc = crc32c::crc32c_append(self.crc, row);
            }
        }
        Ok(())
    }

    fn keeps(&self, index: &Index, key: RevisionKey, row: &[u8]) -> Result<bool, Error> {
        if key.tombstone {
            return Ok(false);
        }
        let at = match self.keep {
            Keep::SeenAt(at) => at,
            Keep::LastPuts => self.compacted,
        };
        let row = row::parse(row).ok_or(Error::Malformed(key))?;
        let seen = index.seen(row.key, at);
        Ok(seen.is_some_and(|version| version.revision() == key.revision))
    }
}

/// Rows waiting to be hashed.
#[derive(Default)]
struct Chunk {
    rows: Vec<(RevisionKey, Bytes)>,
    bytes: usize,
}

impl Chunk {
    /// Adds a row; `true` when the chunk is full.
    fn push(&mut self, key: RevisionKey, row: Bytes) -> bool {
        self.bytes += row.len();
        self.rows.push((key, row));
        self.rows.len() == bounds::HASH_ROWS || self.bytes >= bounds::HASH_BYTES
    }
}

/// Whether any key is alive at a revision.
pub(crate) fn any_alive(index: &RwLock<Index>, at: i64) -> bool {
    let mut seek = Seek { at, found: false };
    let mut from = Some(crate::index::Key::new(b""));
    while let Some(start) = from.filter(|_| !seek.found) {
        let span = Span { from: start.as_slice(), end: None };
        from = index.read().walk(span, bounds::CHUNK_KEYS, &mut seek);
    }
    seek.found
}

struct Seek {
    at: i64,
    found: bool,
}

impl Visit for Seek {
    fn subtree(&mut self, summary: &Summary) -> bool {
        if self.found {
            return true;
        }
        if summary.newest > self.at {
            return false;
        }
        self.found |= summary.live > 0;
        true
    }

    fn entry(&mut self, entry: &Entry) -> bool {
        self.found |= entry.history.seen(self.at).is_some();
        !self.found
    }
}
