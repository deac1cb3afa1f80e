//! Programs run on behalf of a command, with its standard output and error and no input.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use crate::failure::ERROR;

/// How a program that could not end well is described, in Go's words, with its exit code.
pub(super) struct Unsuccessful {
    pub(super) text: String,
    /// As a shell would see it; 255 after a signal, 1 if it never ran.
    pub(super) code: u8,
}

/// Runs a program to its end. Blocks; other work of the command goes on elsewhere meanwhile.
pub(super) async fn run(
    words: Vec<Vec<u8>>,
    variables: Vec<(&'static str, String)>,
) -> Result<(), Unsuccessful> {
    let task = tokio::task::spawn_blocking(move || blocking(words, variables));
    task.await.unwrap_or_else(|error| Err(failed(error.to_string())))
}

fn blocking(
    words: Vec<Vec<u8>>,
    variables: Vec<(&'static str, String)>,
) -> Result<(), Unsuccessful> {
    let mut words = words.into_iter().map(OsString::from_vec);
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(&program);
    command.args(words).envs(variables).stdin(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
            Err(Unsuccessful { text: describe(status), code })
        }
        Err(error) => Err(failed(not_started(&program.to_string_lossy(), &error))),
    }
}

fn failed(text: String) -> Unsuccessful {
    Unsuccessful { text, code: ERROR }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal: {}", name(signal)),
        (None, None) => "unknown end".to_owned(),
    }
}

/// Go's words for the signals that end programs.
fn name(signal: i32) -> String {
    let known = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        6 => "aborted",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    known.to_owned()
}

fn not_started(program: &str, error: &io::Error) -> String {
    let is_path = program.contains('/');
    match error.kind() {
        io::ErrorKind::NotFound if !is_path => {
            format!("exec: \"{program}\": executable file not found in $PATH")
        }
        io::ErrorKind::NotFound => format!("fork/exec {program}: no such file or directory"),
        io::ErrorKind::PermissionDenied => format!("fork/exec {program}: permission denied"),
        _ => format!("fork/exec {program}: {error}"),
    }
}
