//! What can go wrong with the database file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A part of the file is not what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) offset: u64,
    pub(crate) what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

impl std::error::Error for Damage {}

impl From<Damage> for io::Error {
    fn from(damage: Damage) -> Self {
        Self::new(io::ErrorKind::InvalidData, damage)
    }
}

/// A failure while reading or writing the open database. After one, the member must stop: what
/// is on disk stays valid, what is in memory may be ahead of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A checksum does not match, or the file's structure is broken.
    #[error("{path}: database is corrupt: {what}{}", at(*offset))]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// Where in the file, if known.
        offset: Option<u64>,
        /// What was found.
        what: String,
    },
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The database file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The storage engine refused for another reason.
    #[error("{path}: {what}")]
    Engine {
        /// The database file.
        path: PathBuf,
        /// What it said.
        what: String,
    },
}

fn at(offset: Option<u64>) -> String {
    offset.map_or_else(String::new, |offset| format!(" at byte {offset}"))
}

impl Error {
    /// Sorts an error of the disk, looking for damage inside it.
    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        let damage = source.get_ref().and_then(|inner| inner.downcast_ref::<Damage>());
        match damage {
            Some(damage) => Self::damaged(path, damage),
            None => Self::Io { path: path.into(), source },
        }
    }

    pub(crate) fn damaged(path: &Path, damage: &Damage) -> Self {
        let what = damage.what.clone();
        Self::Corrupt { path: path.into(), offset: Some(damage.offset), what }
    }
}

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{path}: database is in use by another process")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// It was written by a version of ketch that this one does not know.
    #[error("{path}: database format {found} is not known")]
    Version {
        /// The database file.
        path: PathBuf,
        /// The format number found.
        found: u64,
    },
    /// It cannot be read.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl OpenError {
    /// The same for someone who already has the database open.
    pub(crate) fn into_error(self, path: &Path) -> Error {
        match self {
            Self::Failed(error) => error,
            other => Error::Engine { path: path.into(), what: other.to_string() },
        }
    }
}
