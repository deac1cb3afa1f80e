//! Why a bbolt file cannot be read.

use std::io;
use std::path::{Path, PathBuf};

/// A failure to read a bbolt file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// No valid meta page: this is not a bbolt file, or its first pages are destroyed.
    #[error("{path}: invalid database: {what}")]
    NotBolt {
        /// The file.
        path: PathBuf,
        /// What was missing.
        what: &'static str,
    },
    /// A page contradicts itself or the file.
    #[error("{path}: database is corrupt at byte {offset}: {what}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// First byte of the page concerned.
        offset: u64,
        /// What was found.
        what: String,
    },
}

impl Error {
    pub(crate) fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.into(), offset, what: what.into() }
    }
}
