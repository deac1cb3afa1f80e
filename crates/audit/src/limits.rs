//! Bounds of this crate, with their units.

use std::time::Duration;

/// Entries that may wait to be written; more are dropped and counted.
pub const QUEUE_ENTRIES_MAX: usize = 64 * 1024;

/// Bytes that may wait to be written, packed; an entry that would go above is dropped and
/// counted. As much again may be in the writer's hands.
pub const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Keys, names and URLs of one entry together; what is above is cut.
pub const ENTRY_TEXT_BYTES_MAX: usize = 8 * 1024;

/// The words of a refusal, a user's or a certificate's name; what is above is cut.
pub const WORDS_BYTES_MAX: usize = 512;

/// Lines are gathered up to this size before they are written.
pub const WRITE_BYTES: usize = 64 * 1024;

/// Longest time from an entry to its line in the file while the disk keeps up: what is lost when
/// the process is killed.
pub const WRITE_PERIOD: Duration = Duration::from_millis(100);

/// How often a write that failed is tried again.
pub const RETRY_PERIOD: Duration = Duration::from_millis(500);

/// How often a failure is told of while it lasts.
pub const COMPLAINT_PERIOD: Duration = Duration::from_secs(10);

/// How long the end of the process waits for the last lines.
pub const STOP_PATIENCE: Duration = Duration::from_secs(5);
