//! The commands, their flags, and what is not done yet.

use crate::failure::Failure;
use crate::line::{Command, Flag, Kind, Line};
use crate::{hash_kv, output, restore, status, wal_dump};

/// The etcd release whose behaviour this is.
const ETCD_VERSION: &str = "3.7.1";
const API_VERSION: &str = "3.7";

pub(crate) static ROOT: Command = Command {
    name: "ketchutl",
    positional: "",
    about: "",
    flags: &[
        Flag::new(
            "timeout",
            Kind::Duration,
            "10s",
            "how long to wait for the lock of a database file, 0 without end",
        ),
        Flag {
            name: "write-out",
            short: Some('w'),
            kind: Kind::Text,
            default: "simple",
            about: "output format: fields, json, protobuf, simple or table",
        },
    ],
    required: &[],
    commands: &[&COMPLETION, &DEFRAG, &HASH_KV, &HELP, &MIGRATE, &SNAPSHOT, &VERSION, &WAL],
    run: None,
};

static SNAPSHOT: Command = Command {
    name: "snapshot",
    about: "Work on snapshot files",
    flags: &[],
    commands: &[&RESTORE, &STATUS],
    ..ROOT
};

static STATUS: Command = Command {
    name: "status",
    positional: "<filename>",
    about: "Shows what a snapshot file holds",
    commands: &[],
    run: Some(status::run),
    ..SNAPSHOT
};

static RESTORE: Command = Command {
    name: "restore",
    positional: "<filename> --data-dir {output dir} [options]",
    about: "Makes a data directory from a snapshot file",
    flags: restore::FLAGS,
    commands: &[],
    run: Some(restore::run),
    ..SNAPSHOT
};

static HASH_KV: Command = Command {
    name: "hashkv",
    about: "Prints the hash of the history in a snapshot file",
    flags: &[Flag::new("rev", Kind::Int, "0", "newest revision to hash, 0 for the latest")],
    run: Some(hash_kv::run),
    ..STATUS
};

static VERSION: Command = Command {
    name: "version",
    positional: "",
    about: "Prints the etcd version this program equals",
    run: Some(version),
    ..STATUS
};

static WAL: Command = Command {
    name: "wal",
    positional: "",
    about: "Work on a log directory",
    commands: &[&DUMP],
    run: None,
    ..STATUS
};

static DUMP: Command = Command {
    name: "dump",
    positional: "<wal directory>",
    about: "Prints the records of a log",
    flags: &[Flag::new("start-index", Kind::Uint, "0", "first entry to print")],
    commands: &[],
    run: Some(wal_dump::run),
    ..WAL
};

static HELP: Command = Command {
    name: "help",
    positional: "[command]",
    about: "Shows the usage of a command",
    run: Some(|_| Ok(())),
    ..STATUS
};

static COMPLETION: Command = Command {
    name: "completion",
    positional: "[bash|zsh|fish|powershell]",
    about: "Not done yet: completion scripts for shells",
    run: Some(|_| Err(not_yet("completion"))),
    ..STATUS
};

static DEFRAG: Command = Command {
    name: "defrag",
    positional: "",
    about: "Not done yet: the server defragments while it runs",
    flags: &[Flag::new("data-dir", Kind::Text, "", "data directory that no server uses")],
    required: &["data-dir"],
    run: Some(|_| Err(not_yet("defrag"))),
    ..STATUS
};

static MIGRATE: Command = Command {
    name: "migrate",
    positional: "",
    about: "Not done yet: changes the storage version of a data directory",
    flags: &[
        Flag::new("data-dir", Kind::Text, "", "data directory that no server uses"),
        Flag::new("force", Kind::Bool, "", "override the version even if migration fails"),
        Flag::new("target-version", Kind::Text, "", "version to change to, X.Y, 3.5 or later"),
    ],
    required: &["data-dir", "target-version"],
    run: Some(|_| Err(not_yet("migrate"))),
    ..STATUS
};

fn version(_: &Line) -> Result<(), Failure> {
    output::say(&format!("etcdutl version: {ETCD_VERSION}\nAPI version: {API_VERSION}\n"));
    Ok(())
}

fn not_yet(command: &str) -> Failure {
    Failure::error(format_args!("command {command:?} is not implemented by ketchutl yet"))
}
