//! The program `ketchctl`, which accepts what etcdctl 3.7 accepts and prints what it prints.
//!
//! A line goes through [`tree`](crate) (which command), `flags` (its flags), `session` (variables,
//! output format, endpoints), one file of `command/`, and out by one file of `printer/`.
//!
//! Invariant: talks to a cluster only through `ketch-client`; opens no socket of its own.
//! Invariant: texts that scripts read (output, errors, exit codes) are etcdctl's, byte for byte;
//! help texts are our own.
//!
//! ```
//! use std::process::ExitCode;
//! let code = ketch_ctl::main(["version".into()]);
//! assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
//! ```

mod command;
mod environment;
mod failure;
mod flags;
mod password;
mod printer;
mod session;
mod text;
mod tree;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use failure::Failure;
use flags::Flags;
use session::Invocation;
use tree::Verb;

/// Runs one line (without the program's name) and says how it ended.
pub fn main(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line: Vec<_> = line.into_iter().map(OsString::into_vec).collect();
    match run(&line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.code)
        }
    }
}

fn run(line: &[Vec<u8>]) -> Result<(), Failure> {
    let found = tree::find(line)?;
    let mut flags = Flags::new(found.flags());
    if let Err(sentence) = flags.parse(&found.rest) {
        return Err(Failure::error(sentence).with_hint(tree::usage(&found)));
    }
    if flags.bool("help") || found.spec().verb == Verb::Group {
        return printer::write(tree::help(&found).as_bytes());
    }
    let invocation = Invocation { found, flags, variables: environment::variables() };
    command::run(&invocation)
}
