//! The door: open, append, read.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use ketch_base::{Index, RevisionKey, Term, limits};
use ketch_env::{Disk, Open};
use parking_lot::RwLock;

use crate::buffer::Buffer;
use crate::database::{self, Opened, Snapshot};
use crate::drain::Drain;
use crate::{Batch, Error, OpenError, View, files, schema};

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// Page cache of the engine.
    pub cache_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { cache_bytes: limits::BACKEND_CACHE_BYTES }
    }
}

/// How far the file is in the log: everything up to `index` is in it, and nothing later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    /// The applied index.
    pub index: Index,
    /// The term of that entry.
    pub term: Term,
}

impl Durable {
    /// Key of the applied index in [`crate::Bucket::Meta`]; u64 big-endian.
    pub const INDEX_KEY: &[u8] = b"consistent_index";
    /// Key of its term in [`crate::Bucket::Meta`]; u64 big-endian.
    pub const TERM_KEY: &[u8] = b"term";
}

/// The database, for all threads: append and read. Clones are the same database.
#[derive(Clone)]
pub struct Backend(pub(crate) Arc<Shared>);

/// What [`Backend`] and [`Drain`] share.
pub(crate) struct Shared {
    state: RwLock<State>,
    buffered_bytes: AtomicUsize,
    file_bytes: AtomicU64,
    live_bytes: AtomicU64,
}

struct State {
    buffer: Buffer,
    snapshot: Arc<Snapshot>,
    durable: Durable,
    generation: u64,
}

impl Backend {
    /// Opens the database at `path`, making it if it is missing. A leftover of an interrupted
    /// reclaim is removed. The lock file beside it keeps other processes out until the last
    /// handle and view are dropped.
    pub fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        config: Config,
    ) -> Result<(Self, Drain), OpenError> {
        let io = |source| Error::from_io(path, source);
        let lock_path = files::lock(path);
        let lock = disk.open(&lock_path, Open::Create).map_err(io)?;
        if !lock.try_lock().map_err(io)? {
            return Err(OpenError::Locked { path: lock_path });
        }
        files::remove_temporary(&*disk, path).map_err(io)?;
        if !disk.exists(path) {
            // Made whole under another name, so that a crash never leaves half of one.
            drop(database::create(
                &*disk,
                &files::temporary(path),
                lock.clone(),
                config.cache_bytes,
            )?);
            files::put_in_place(&*disk, path).map_err(io)?;
        }
        let opened = database::open(&*disk, path, path, lock, config.cache_bytes)?;
        let snapshot = Arc::new(Snapshot::take(&opened)?);
        let durable = snapshot.durable()?;
        let shared = Arc::new(Shared {
            buffered_bytes: AtomicUsize::new(0),
            file_bytes: AtomicU64::new(opened.origin.file.used_bytes()),
            live_bytes: AtomicU64::new(database::own(&opened, schema::LIVE_BYTES_KEY)?),
            state: RwLock::new(State {
                buffer: Buffer::default(),
                snapshot,
                durable,
                generation: 0,
            }),
        });
        let drain = Drain::new(shared.clone(), disk, opened, config.cache_bytes);
        Ok((Self(shared), drain))
    }

    /// Takes changes into memory, at once readable by all; [`Drain::step`] makes them durable.
    /// Order is kept. Never waits for the disk.
    pub fn append(&self, batch: Batch) {
        let mut state = self.0.state.write();
        state.buffer.append(batch);
        self.0.buffered_bytes.store(state.buffer.bytes(), Ordering::Relaxed);
    }

    /// As [`Backend::append`], for one who follows from what he read in the database of a
    /// [`Backend::generation`]; false, and nothing is taken, if another was installed since.
    pub fn append_to(&self, generation: u64, batch: Batch) -> bool {
        let mut state = self.0.state.write();
        if state.generation != generation {
            return false;
        }
        state.buffer.append(batch);
        self.0.buffered_bytes.store(state.buffer.bytes(), Ordering::Relaxed);
        true
    }

    /// How many databases were installed ([`Drain::install`]) since this one was opened.
    pub fn generation(&self) -> u64 {
        self.0.state.read().generation
    }

    /// Bytes appended and not yet durable, with their overhead; callers keep it below
    /// [`limits::BACKEND_BUFFER_BYTES`].
    pub fn buffered_bytes(&self) -> usize {
        self.0.buffered_bytes.load(Ordering::Relaxed)
    }

    /// The row at `key`, an encoded `mvccpb.KeyValue`. Never waits for a commit.
    pub fn row(&self, key: RevisionKey) -> Result<Option<Bytes>, Error> {
        let snapshot = {
            let state = self.0.state.read();
            if let Some(known) = state.buffer.chunks().row(key) {
                return Ok(known.cloned());
            }
            state.snapshot.clone()
        };
        snapshot.row(key)
    }

    /// The database as it is now. Cheap.
    pub fn view(&self) -> View {
        let mut state = self.0.state.write();
        let chunks = state.buffer.share();
        View::new(chunks, state.snapshot.clone(), state.generation)
    }

    /// Bytes of the file that are or were in use: what a reclaim may shrink (`dbSize`).
    pub fn size_file(&self) -> i64 {
        self.0.file_bytes.load(Ordering::Relaxed).try_into().unwrap_or(i64::MAX)
    }

    /// Bytes of all keys and values in the file, with what the engine needs to keep them, never
    /// more than [`Backend::size_file`] (`dbSizeInUse`).
    pub fn size_live(&self) -> i64 {
        let live = self.0.live_bytes.load(Ordering::Relaxed).try_into().unwrap_or(i64::MAX);
        self.size_file().min(live)
    }

    /// How far the file is in the log.
    pub fn durable(&self) -> Durable {
        self.0.state.read().durable
    }
}

/// What a commit left in the buffer.
pub(crate) struct Rest {
    pub(crate) any: bool,
    pub(crate) full: bool,
}

impl Shared {
    /// What the next transaction moves.
    pub(crate) fn oldest(&self) -> Vec<Arc<crate::buffer::Chunk>> {
        self.state.write().buffer.oldest()
    }

    pub(crate) fn durable_index(&self) -> Index {
        self.state.read().durable.index
    }

    pub(crate) fn live_bytes(&self) -> u64 {
        self.live_bytes.load(Ordering::Relaxed)
    }

    /// Makes another database the one that is read from; nothing waits for the file any more.
    pub(crate) fn installed(&self, opened: &Opened, live_bytes: u64) -> Result<(), Error> {
        let snapshot = Arc::new(Snapshot::take(opened)?);
        let durable = snapshot.durable()?;
        let _old = {
            let mut state = self.state.write();
            self.live_bytes.store(live_bytes, Ordering::Relaxed);
            self.file_bytes.store(opened.origin.file.used_bytes(), Ordering::Relaxed);
            self.buffered_bytes.store(0, Ordering::Relaxed);
            let generation = state.generation + 1;
            let buffer = Buffer::default();
            std::mem::replace(&mut *state, State { buffer, snapshot, durable, generation })
        };
        Ok(())
    }

    /// Makes a commit that moved the `count` oldest chunks the one that is read from.
    pub(crate) fn committed(
        &self,
        opened: &Opened,
        count: usize,
        live_bytes: u64,
    ) -> Result<(Durable, Rest), Error> {
        let snapshot = Arc::new(Snapshot::take(opened)?);
        let durable = snapshot.durable()?;
        self.live_bytes.store(live_bytes, Ordering::Relaxed);
        self.file_bytes.store(opened.origin.file.used_bytes(), Ordering::Relaxed);
        let (rest, _old_snapshot, _drained) = {
            let mut state = self.state.write();
            let old = std::mem::replace(&mut state.snapshot, snapshot);
            let drained = state.buffer.forget(count);
            state.durable = durable;
            self.buffered_bytes.store(state.buffer.bytes(), Ordering::Relaxed);
            let rest = Rest { any: !state.buffer.is_empty(), full: state.buffer.fills_a_step() };
            (rest, old, drained)
        };
        Ok((durable, rest))
    }
}
