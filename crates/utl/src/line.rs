//! A command line as etcdutl understands it: commands found by unique prefix, flags anywhere,
//! and the same words when something is wrong.

mod find;
mod flag;
mod help;
mod parse;

use std::process::ExitCode;

pub(crate) use flag::{Flag, Kind};
pub(crate) use parse::Line;

use crate::failure::Failure;
use crate::output;

/// What a command does.
pub(crate) type Run = fn(&Line) -> Result<(), Failure>;

/// A command, or a group of them.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// What follows the name in the usage line.
    pub(crate) positional: &'static str,
    /// One line about it.
    pub(crate) about: &'static str,
    pub(crate) flags: &'static [Flag],
    /// Names of flags that must be given.
    pub(crate) required: &'static [&'static str],
    pub(crate) commands: &'static [&'static Command],
    /// `None`: a group, which shows its usage.
    pub(crate) run: Option<Run>,
}

/// Runs the command an argument list names.
pub(crate) fn run(root: &'static Command, args: Vec<String>) -> ExitCode {
    let (path, rest) = match find::find(root, args) {
        Ok(found) => found,
        Err(unknown) => {
            let name = root.name;
            let message = format!("Error: unknown command {unknown:?} for {name:?}");
            eprintln!("{message}\nRun '{name} --help' for usage.\n{message}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = parse::parse(&path, rest).and_then(|line| start(&path, &line));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.with_usage {
                eprintln!("Error: {}\n{}", failure.message, help::usage(&path));
            }
            eprintln!("Error: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

fn start(path: &[&'static Command], line: &Line) -> Result<(), Failure> {
    let command = path[path.len() - 1];
    if line.is_set("help") {
        output::say(&help::usage(path));
        return Ok(());
    }
    if command.name == "help" {
        let (found, _) = find::find(path[0], line.words().to_vec())
            .map_err(|topic| Failure::error(format_args!("unknown help topic {topic:?}")))?;
        output::say(&help::usage(&found));
        return Ok(());
    }
    let Some(run) = command.run else {
        output::say(&help::usage(path));
        return Ok(());
    };
    let missing: Vec<_> = command
        .required
        .iter()
        .filter(|name| !line.is_given(name))
        .map(|n| format!("{n:?}"))
        .collect();
    if !missing.is_empty() {
        let message = format!("required flag(s) {} not set", missing.join(", "));
        return Err(Failure::usage(message));
    }
    run(line)
}

#[cfg(test)]
mod tests;
