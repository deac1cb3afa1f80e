//! A snapshot received from another member, on its way to become this member's state.
//!
//! ```text
//! member/snap/INDEX.snap.db       received whole        -> prepare
//! member/snap/ketch-INDEX.redb    a database of our own -> Drain::install, or pending at a start
//! ```
//! INDEX is in 16 hexadecimal digits. A prepared database is committed state with its place in the
//! log in it, so taking it up is right whenever the working storage is behind it, whether or not
//! Raft knows of it yet.

mod files;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ketch_backend::{Backend, Config, OpenError};
use ketch_env::{Disk, Open};
use ketch_raft_proto::raftpb::SnapshotMetadata;
use ketch_snapshot::bolt;

pub use files::{pending, prepared_name, received_name, sweep, sweep_through};
use rows::Receiver;

/// Why a received snapshot cannot become the state.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// What was received.
    #[error("received snapshot: {0}")]
    Read(#[from] bolt::Error),
    /// The new database could not be made.
    #[error("new database: {0}")]
    Open(#[from] OpenError),
    /// The new database could not be written.
    #[error("new database: {0}")]
    Write(#[from] ketch_backend::Error),
    /// A row key that is no revision.
    #[error("received snapshot: row key {0:?} is no revision")]
    RowKey(bytes::Bytes),
    /// The state is ahead of what it was announced as: entries would be applied twice.
    #[error("received snapshot: state is at entry {found}, announced as {announced}")]
    Ahead {
        /// Where its rows say it stands.
        found: u64,
        /// Where the message says it stands.
        announced: u64,
    },
    /// A message without index, term or membership.
    #[error("received snapshot: message names no place in the log")]
    NoPlace,
    /// A file could not be moved or removed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl InstallError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }
}

/// Makes a database at `to` from the bbolt file at `from`, which is removed. It says of itself
/// that it stands where `metadata` says. Durable at return; until then there is nothing at `to`.
///
/// # Errors
/// [`InstallError`]; `from` is still there then.
pub fn prepare(
    disk: &Arc<dyn Disk>,
    from: &Path,
    to: &Path,
    metadata: &SnapshotMetadata,
) -> Result<(), InstallError> {
    if metadata.index() == 0 || metadata.term() == 0 || metadata.conf_state.is_none() {
        return Err(InstallError::NoPlace);
    }
    let file = disk.open(from, Open::Read).map_err(InstallError::io(from))?;
    let file = bolt::File::open(file, from)?;
    let building = files::building(to);
    files::remove(&**disk, &building)?;
    let (backend, drain) = Backend::open(Arc::clone(disk), &building, Config::default())?;
    let mut receiver = Receiver::new(backend, drain);
    receiver.take_all(&file)?;
    receiver.finish(metadata)?;
    disk.rename(&building, to).map_err(InstallError::io(to))?;
    files::remove(&**disk, &files::lock(&building))?;
    files::remove(&**disk, from)?;
    let folder = to.parent().unwrap_or(Path::new("."));
    disk.sync_dir(folder).map_err(InstallError::io(folder))
}

#[cfg(test)]
mod tests;
