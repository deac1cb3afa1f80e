//! `ketchutl`: offline work on snapshots and data directories, with etcdutl's command line.
//!
//! `snapshot status` and `hashkv` read a snapshot file; `snapshot restore` makes a data directory
//! from one that `ketch` starts from; `wal dump` prints a log.
//!
//! Invariant: talks to no server; opens nothing but the files named on the command line.
//! Invariant: a snapshot file is only ever read.
//! Invariant: flags, output, errors and exit codes are etcdutl's, program name aside.
//!
//! ```
//! use std::process::ExitCode;
//! assert_eq!(ketch_utl::main(vec!["version".into()]), ExitCode::SUCCESS);
//! ```

use std::process::ExitCode;

mod commands;
mod failure;
mod hash_kv;
mod line;
mod log;
mod output;
mod restore;
mod snapshot_file;
mod status;
mod wal_dump;

/// Runs one command line, without the program's name; prints to standard output and error.
pub fn main(args: Vec<String>) -> ExitCode {
    line::run(&commands::ROOT, args)
}
