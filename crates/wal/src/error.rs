//! What can be wrong with a log.

use std::io;
use std::path::{Path, PathBuf};

/// Why one record cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The data is not what the checksum was made of.
    #[error("expected crc {expected:08x}, found {found:08x}")]
    Crc {
        /// The running checksum as recorded.
        expected: u32,
        /// The running checksum of what is there.
        found: u32,
    },
    /// The length field has a form that is never written.
    #[error("length field {field:016x} is not valid")]
    Length {
        /// The eight bytes, little endian.
        field: u64,
    },
    /// The length field is zero, as at the end of the log, but its sector goes on.
    #[error("length field is zero but data follows")]
    ZeroLength,
    /// The record reaches past the end of the file.
    #[error("record of {record_bytes} bytes reaches past the end of the file")]
    Overrun {
        /// Length as recorded.
        record_bytes: u64,
    },
    /// The file ends within a length field.
    #[error("the file ends within a length field")]
    Short,
    /// The bytes are not a record, or its data not what its type says.
    #[error("record of type {kind} cannot be decoded")]
    Undecodable {
        /// The record's type, 0 where that is unknown too.
        kind: i64,
    },
    /// A type that does not exist, or not at this place: a segment begins with checksum and
    /// metadata, and has neither again.
    #[error("record of type {kind} has no place here")]
    Kind {
        /// The type.
        kind: i64,
    },
    /// The bytes that fill up the frame are not zero.
    #[error("padding is not zero")]
    Padding,
    /// Another member's or cluster's log.
    #[error("metadata differs from that of the segments before")]
    Metadata,
    /// Entries are missing.
    #[error("entry {found} follows entry {last}")]
    Gap {
        /// Index of the entry before.
        last: u64,
        /// Index of the entry found.
        found: u64,
    },
}

/// A log that cannot be read to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The last write was cut short by a crash; nothing that was synced is concerned.
    #[error("{}: torn write at byte {offset}: {fault}", segment.display())]
    TornTail {
        /// The last segment.
        segment: PathBuf,
        /// End of the last whole record.
        offset: u64,
        /// What is wrong there.
        fault: Fault,
    },
    /// Something once written has changed or gone; the member must not start.
    #[error("{}: log is corrupt at byte {offset}: {fault}", segment.display())]
    Corrupt {
        /// The segment.
        segment: PathBuf,
        /// Start of the record.
        offset: u64,
        /// What is wrong there.
        fault: Fault,
    },
}

/// A failure of the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// Another process has it.
    #[error("{}: log is in use by another process", path.display())]
    Locked {
        /// The segment.
        path: PathBuf,
    },
    /// There is no segment to begin with.
    #[error("{}: no log segment covers index {from}", dir.display())]
    NoSegment {
        /// The log directory.
        dir: PathBuf,
        /// The index asked for.
        from: u64,
    },
    /// A segment is missing between two.
    #[error("{}: log segment {expected:016x} is missing before {found}", dir.display())]
    Missing {
        /// The log directory.
        dir: PathBuf,
        /// Sequence number that should follow.
        expected: u64,
        /// Name of the next file.
        found: String,
    },
    /// The log carries no metadata.
    #[error("{}: log has no metadata record", dir.display())]
    NoMetadata {
        /// The log directory.
        dir: PathBuf,
    },
    /// There is a log already.
    #[error("{}: log exists", dir.display())]
    Exists {
        /// The log directory.
        dir: PathBuf,
    },
    /// A write or sync failed before; what is on disk is not known.
    #[error("log refuses writes after an earlier failure")]
    Failed,
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }
}
