//! The outside world as traits: disk, clock, randomness. The only doors the core has.
//!
//! [`real`] is the operating system; `sim` (feature `sim`) is a seeded disk with faults.
//!
//! Invariant: nothing else in the core opens a file, reads a clock or draws a random number.
//! Invariant: a returned `sync_data` means the bytes survive a crash; the simulator drops the rest.
//!
//! ```no_run
//! use ketch_env::{Disk, Open, real::RealDisk};
//! use std::path::Path;
//! let disk = RealDisk;
//! let file = disk.open(Path::new("a.wal"), Open::CreateNew)?;
//! file.write_at(b"hello", 0)?;
//! file.sync_data()?;
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub mod real;
#[cfg(feature = "sim")]
pub mod sim;
pub mod unsynced;

/// How a file is opened; always for reading and writing unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Must exist; reading only.
    Read,
    /// Must exist.
    Existing,
    /// Made if missing.
    Create,
    /// Must not exist.
    CreateNew,
}

/// A file system seen from one process.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;
    /// Makes a directory and its parents, mode 0700.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Names in a directory, sorted; an error if it is missing.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Whether the path exists.
    fn exists(&self, path: &Path) -> bool;
    /// Replaces `to` by `from`, atomically; durable after [`Disk::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; durable after [`Disk::sync_dir`].
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Bytes free for us on the file system that holds `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// An open file; positions are explicit, so threads may share it.
pub trait File: Send + Sync + 'static {
    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `data` at `offset`, growing the file if needed.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|length| length == 0)
    }
    /// Cuts or extends with zeroes.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Makes the file `length` bytes of written zeroes, durably, so that later syncs carry data
    /// only. What it held is gone.
    fn zero_to(&self, length: u64) -> io::Result<()>;
    /// Makes the file `length` bytes that read as zeroes and have their room on disk, durably,
    /// without writing them: less is written, but a later sync may have to record which blocks
    /// were used. What it held is gone.
    fn reserve_to(&self, length: u64) -> io::Result<()> {
        self.set_len(0)?;
        self.set_len(length)?;
        self.sync_all()
    }
    /// Makes data (and the length needed to read it) durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes data and all metadata durable.
    fn sync_all(&self) -> io::Result<()>;
    /// Takes the exclusive advisory lock, held until the file is dropped; `false` if another
    /// process has it.
    fn try_lock(&self) -> io::Result<bool>;
}

/// Monotonic time since an arbitrary start.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the start of this clock; never goes back.
    fn now_ms(&self) -> u64;
}

/// A source of random numbers; seeded in simulation.
pub trait Rng: Send {
    /// The next 64 bits.
    fn next_u64(&mut self) -> u64;
}

/// A path with its error, for messages that name the file.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = path.display())]
pub struct PathError {
    /// The file or directory concerned.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}
