//! Opening a snapshot file, and errors in the words of etcdutl.

use std::path::Path;
use std::sync::Arc;

use ketch_env::{Disk, File, Open, real::RealDisk};
use ketch_snapshot::bolt;

use crate::failure::Failure;

/// Opens a file that must exist for reading; a missing one is told as `stat` would.
pub(crate) fn open_database(path: &Path) -> Result<bolt::File, Failure> {
    std::fs::metadata(path).map_err(|error| Failure::io("stat", path, &error))?;
    let file = open_raw(path)?;
    bolt::File::open(file, path).map_err(read_failure)
}

/// Opens a file for reading.
pub(crate) fn open_raw(path: &Path) -> Result<Arc<dyn File>, Failure> {
    RealDisk.open(path, Open::Read).map_err(|error| Failure::io("open", path, &error))
}

/// etcdutl says no more than "invalid database" when there is none; we say where damage is.
pub(crate) fn read_failure(error: bolt::Error) -> Failure {
    match error {
        bolt::Error::NotBolt { .. } => Failure::error("invalid database"),
        bolt::Error::Io { path, source } => Failure::io("read", &path, &source),
        damage @ bolt::Error::Corrupt { .. } => Failure::error(damage),
    }
}
