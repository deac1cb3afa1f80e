//! How a command ends badly: a message for standard error and an exit code.

use std::io::Write;

use ketch_client::Error;

/// Refused by the server or the client, or a usage error.
pub(crate) const ERROR: u8 = 1;
/// No connection could be set up.
pub(crate) const BAD_CONNECTION: u8 = 2;
/// A transaction or an interactive watch could not be read.
pub(crate) const INVALID_INPUT: u8 = 3;
/// A flag's value, or the output format, does not fit the command.
pub(crate) const BAD_FEATURE: u8 = 4;
/// The server ended the watch, or a file could not be written.
pub(crate) const INTERRUPTED: u8 = 5;
/// The arguments do not fit the command.
pub(crate) const BAD_ARGS: u8 = 128;

/// Why the program ends, and with what code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    /// Shown behind `Error: `; `None` when everything was said already.
    pub(crate) message: Option<String>,
    /// Shown after the message.
    pub(crate) hint: String,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()), hint: String::new() }
    }

    pub(crate) fn bad_args(message: impl Into<String>) -> Self {
        Self::new(BAD_ARGS, message)
    }

    pub(crate) fn error(message: impl ToString) -> Self {
        Self::new(ERROR, message.to_string())
    }

    /// Ends without another word.
    pub(crate) fn silent(code: u8) -> Self {
        Self { code, message: None, hint: String::new() }
    }

    pub(crate) fn with_hint(self, hint: String) -> Self {
        Self { hint, ..self }
    }

    pub(crate) fn report(&self) {
        let message = self.message.as_ref().map(|message| format!("Error: {message}\n"));
        write(&(message.unwrap_or_default() + &self.hint));
    }
}

/// A line on standard error, in one piece: programs run by a command may speak there too.
pub(crate) fn say(line: &str) {
    write(&format!("{line}\n"));
}

fn write(text: &str) {
    // Nobody is left to be told that standard error is gone.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::error(error)
    }
}

impl From<std::io::Error> for Failure {
    /// Output that cannot be written; a closed pipe needs no words.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::silent(ERROR);
        }
        Self::error(error)
    }
}
