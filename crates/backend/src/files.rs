//! Names of the files beside the database.

use std::io;
use std::path::{Path, PathBuf};

use ketch_env::Disk;

/// The lock that keeps a second process out. A file of its own, since the database itself is
/// replaced when space is reclaimed.
pub(crate) fn lock(path: &Path) -> PathBuf {
    path.with_added_extension("lock")
}

/// A database being built.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    path.with_added_extension("tmp")
}

pub(crate) fn remove_temporary(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let temporary = temporary(path);
    if disk.exists(&temporary) { disk.remove_file(&temporary) } else { Ok(()) }
}

/// Renames the finished temporary over `path` and makes the name durable.
pub(crate) fn put_in_place(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.rename(&temporary(path), path)?;
    sync_folder(disk, path)
}

/// Renames a database made beside `path` over it, its lock file going, and makes that durable.
pub(crate) fn put_over(disk: &dyn Disk, from: &Path, path: &Path) -> io::Result<()> {
    disk.rename(from, path)?;
    let lock = lock(from);
    if disk.exists(&lock) {
        disk.remove_file(&lock)?;
    }
    sync_folder(disk, path)
}

fn sync_folder(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}
