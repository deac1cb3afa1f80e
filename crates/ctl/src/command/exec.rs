//! Programs run on behalf of a command, with its standard output and error and no input.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

/// How a program that could not end well is described, in Go's words, with its exit code.
pub(super) struct Unsuccessful {
    pub(super) text: String,
    /// `None` if it never ran or was ended by a signal.
    #[expect(dead_code, reason = "read by `lock`, which passes the code on")]
    pub(super) code: Option<i32>,
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
        Ok(status) => Err(Unsuccessful { text: describe(status), code: status.code() }),
        Err(error) => Err(failed(not_started(&program.to_string_lossy(), &error))),
    }
}

fn failed(text: String) -> Unsuccessful {
    Unsuccessful { text, code: None }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal: {signal}"),
        (None, None) => "unknown end".to_owned(),
    }
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
