//! The next segment, made ready ahead of its use.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ketch_env::{Disk, File, Open};

use crate::error::Error;
use crate::writer::{Config, Room};

const SUFFIX: &str = ".tmp";

/// Mean bytes of a write from which on segments are reserved: zeroing writes as much again, a sync
/// of reserved blocks one block more (measured on ext4: 8192 instead of 4096 bytes reach the disk).
const DENSE_WRITE_BYTES: u64 = 4 * 1024;

/// Prepares the next segment; any thread may hold one, and should call [`Preparer::prepare`] when
/// [`Preparer::is_wanted`], so that a cut finds one ready.
#[derive(Clone)]
pub struct Preparer(Arc<Slot>);

struct Slot {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    config: Config,
    count: AtomicU64,
    /// Bytes of the segment being written.
    filled_bytes: AtomicU64,
    /// Mean bytes of its writes.
    write_bytes: AtomicU64,
    /// Held while zeroing, so that a cut waits for a segment under way instead of making another.
    ready: Mutex<Option<Prepared>>,
}

/// An unnamed segment: locked, of full size, zero.
pub(crate) struct Prepared {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
}

impl Preparer {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, config: Config) -> Self {
        Self(Arc::new(Slot {
            disk,
            dir,
            config,
            count: AtomicU64::new(0),
            filled_bytes: AtomicU64::new(0),
            write_bytes: AtomicU64::new(0),
            ready: Mutex::default(),
        }))
    }

    /// Makes a segment ready if one is wanted; blocks for as long as its zeroing takes. `false` if
    /// there was nothing to do.
    ///
    /// # Errors
    /// [`Error::Io`], as when the disk is full; the log goes on and tries by itself when it must.
    pub fn prepare(&self) -> Result<bool, Error> {
        let mut ready = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.is_some() || !self.0.is_half_full() {
            return Ok(false);
        }
        *ready = Some(self.0.make()?);
        Ok(true)
    }

    /// Whether the segment being written is half full and none is ready; `false` while one is
    /// under way. Cheap enough to ask after every write.
    pub fn is_wanted(&self) -> bool {
        self.0.is_half_full() && self.0.ready.try_lock().is_ok_and(|ready| ready.is_none())
    }

    /// Takes the segment made ready, waiting for one under way, or makes one now.
    pub(crate) fn take(&self) -> Result<Prepared, Error> {
        let mut ready = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner);
        match ready.take() {
            Some(prepared) => Ok(prepared),
            None => self.0.make(),
        }
    }

    /// Tells how full the segment is and how large its writes are.
    pub(crate) fn note(&self, filled_bytes: u64, write_bytes: u64) {
        self.0.filled_bytes.store(filled_bytes, Ordering::Relaxed);
        self.0.write_bytes.store(write_bytes, Ordering::Relaxed);
    }
}

impl Slot {
    fn make(&self) -> Result<Prepared, Error> {
        let number = self.count.fetch_add(1, Ordering::Relaxed) % 2;
        let path = self.dir.join(format!("{number}{SUFFIX}"));
        let is_dense = self.write_bytes.load(Ordering::Relaxed) >= DENSE_WRITE_BYTES;
        let file = make(&*self.disk, &path, self.config, is_dense)?;
        Ok(Prepared { path, file })
    }

    fn is_half_full(&self) -> bool {
        self.filled_bytes.load(Ordering::Relaxed) >= self.config.segment_bytes / 2
    }
}

/// Makes a file of one segment's size that reads as zeroes, locked.
pub(crate) fn make(
    disk: &dyn Disk,
    path: &Path,
    config: Config,
    is_dense: bool,
) -> Result<Arc<dyn File>, Error> {
    let file = disk.open(path, Open::Create).map_err(Error::io(path))?;
    if !file.try_lock().map_err(Error::io(path))? {
        return Err(Error::Locked { path: path.to_path_buf() });
    }
    let reserve = config.room == Room::Reserved || config.room == Room::Adaptive && is_dense;
    let done = if reserve {
        file.reserve_to(config.segment_bytes)
    } else {
        file.zero_to(config.segment_bytes)
    };
    done.map_err(Error::io(path))?;
    Ok(file)
}

/// Removes segments that were made ready and never used.
pub(crate) fn remove_unused(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    for name in disk.list(dir).map_err(Error::io(dir))? {
        if name.ends_with(SUFFIX) {
            let path = dir.join(name);
            disk.remove_file(&path).map_err(Error::io(&path))?;
        }
    }
    Ok(())
}
