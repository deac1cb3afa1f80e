//! Bounds of this crate, with their units.

use std::time::Duration;

/// Bytes of lines that may wait to be written, some 45,000 lines of puts; one that would go above
/// is dropped and counted. As much again may be in the writer's hands.
pub const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Room is given to the threads that leave lines in pieces of this size.
pub const GRANT_BYTES: usize = 64 * 1024;

/// The writer is woken before its time when so much of one thread's waits.
pub const URGENT_BYTES: usize = QUEUE_BYTES_MAX / 8;

/// The longest line: texts of an entry with every byte escaped, and what stands between them.
pub const LINE_BYTES_MAX: usize = 96 * 1024;

/// Keys, names and URLs of one entry together; what is above is cut.
pub const ENTRY_TEXT_BYTES_MAX: usize = 8 * 1024;

/// The words of a refusal, a user's or a certificate's name; what is above is cut.
pub const WORDS_BYTES_MAX: usize = 512;

/// Longest time from an entry to its line in the file while the disk keeps up: what is lost when
/// the process is killed.
pub const WRITE_PERIOD: Duration = Duration::from_millis(100);

/// How often a write that failed is tried again.
pub const RETRY_PERIOD: Duration = Duration::from_millis(500);

/// How often a failure is told of while it lasts.
pub const COMPLAINT_PERIOD: Duration = Duration::from_secs(10);

/// How long the end of the process waits for the last lines.
pub const STOP_PATIENCE: Duration = Duration::from_secs(5);
