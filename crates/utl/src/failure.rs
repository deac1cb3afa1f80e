//! Why a command ends with an exit code other than 0.

use std::fmt;
use std::io;
use std::path::Path;

/// Exit code of an ordinary failure.
const ERROR: u8 = 1;
/// Exit code when an output format cannot show the answer.
const BAD_FEATURE: u8 = 4;
/// Exit code when a command was called wrongly.
const BAD_ARGS: u8 = 128;

/// What is said after `Error: `, and the exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
    /// Whether the command's usage is shown and the error said again, as etcdutl does when its
    /// flag parser refuses.
    pub(crate) with_usage: bool,
}

impl Failure {
    /// The command could not do it.
    pub(crate) fn error(message: impl fmt::Display) -> Self {
        Self { code: ERROR, message: message.to_string(), with_usage: false }
    }

    /// The command was called wrongly.
    pub(crate) fn bad_args(message: impl fmt::Display) -> Self {
        Self { code: BAD_ARGS, ..Self::error(message) }
    }

    /// The output format cannot do it.
    pub(crate) fn bad_feature(message: impl fmt::Display) -> Self {
        Self { code: BAD_FEATURE, ..Self::error(message) }
    }

    /// The line cannot be parsed.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { with_usage: true, ..Self::error(message) }
    }

    /// An operation on a path failed; worded as `open x: no such file or directory`.
    pub(crate) fn io(operation: &str, path: &Path, error: &io::Error) -> Self {
        Self::error(format_args!("{operation} {}: {}", path.display(), plain(error)))
    }
}

/// The system's words without Rust's `(os error N)`, beginning in lower case.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
