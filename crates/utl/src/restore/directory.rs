//! Directories that must not be overwritten.

use std::fs;
use std::path::Path;

use crate::failure::Failure;

/// The data directory must be missing or empty, a log directory of its own missing.
pub(super) fn check_free(data_dir: &Path, wal_dir: Option<&Path>) -> Result<(), Failure> {
    let is_empty = |dir: &Path| fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if data_dir.exists() && !is_empty(data_dir) {
        let dir = data_dir.to_string_lossy();
        return Err(Failure::error(format_args!(
            "data-dir {dir:?} not empty or could not be read"
        )));
    }
    match wal_dir {
        Some(dir) if dir.exists() => {
            Err(Failure::error(format_args!("wal-dir {:?} exists", dir.to_string_lossy())))
        }
        _ => Ok(()),
    }
}
