//! Where an open database lives, and how its engine's errors are told apart.

use std::path::PathBuf;
use std::sync::Arc;

use ketch_env::File;

use crate::checked_file::CheckedFile;
use crate::error::Error;

/// The file behind an open database. Holding one keeps other processes out.
pub(crate) struct Origin {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<CheckedFile>,
    pub(crate) lock: Arc<dyn File>,
}

impl Origin {
    /// Turns any error of the engine into ours. The engine repeats "an earlier operation failed"
    /// after the first failure; the damage that caused it is remembered by the file.
    pub(crate) fn error(&self, error: impl Into<redb::Error>) -> Error {
        let path = self.path.clone();
        match error.into() {
            redb::Error::Io(source) => Error::from_io(&path, source),
            redb::Error::Corrupted(what) => Error::Corrupt { path, offset: None, what },
            // Every table was made with the file, so one can be missing only by damage.
            error @ (redb::Error::TableDoesNotExist(_) | redb::Error::TableTypeMismatch { .. }) => {
                Error::Corrupt { path, offset: None, what: error.to_string() }
            }
            other => match self.file.first_damage() {
                Some(damage) => Error::damaged(&path, damage),
                None => Error::Engine { path, what: other.to_string() },
            },
        }
    }

    /// The engine holds something that we never write.
    pub(crate) fn malformed(&self, what: &str) -> Error {
        Error::Corrupt { path: self.path.clone(), offset: None, what: what.to_owned() }
    }
}
