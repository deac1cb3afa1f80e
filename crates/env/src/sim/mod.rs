//! A disk in memory that loses, tears and spoils what a real one may, all from one seed.
//!
//! What a crash does: names made, renamed or removed without [`Disk::sync_dir`] may be undone, a
//! directory at a time; of each file, every 512-byte sector written since its last sync is, by the
//! seed's choice, there or not.
//!
//! ```
//! use ketch_env::sim::SimDisk;
//! use ketch_env::{Disk, Open};
//! use std::path::Path;
//! let disk = SimDisk::new(1);
//! disk.create_dir_all(Path::new("/d"))?;
//! let file = disk.open(Path::new("/d/a"), Open::CreateNew)?;
//! disk.sync_dir(Path::new("/d"))?;
//! file.write_at(b"kept", 0)?;
//! file.sync_data()?;
//! disk.crash();
//! assert!(file.len().is_err(), "handles do not outlive the crash");
//! assert_eq!(disk.read(Path::new("/d/a"))?, b"kept");
//! # Ok::<(), std::io::Error>(())
//! ```

mod contents;
mod disk;
mod random;
#[cfg(test)]
mod tests;

pub use disk::{Counts, Fault, SimDisk};
pub use random::{SimClock, SimRng};

#[allow(unused_imports, reason = "for the links above")]
use crate::Disk;
