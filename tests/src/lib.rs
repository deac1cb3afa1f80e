//! Drivers shared by the integration tests: processes, peers, raw gRPC, generated operations.
//!
//! A test here never links the server: it starts the program `ketch` (or the real `etcd`) and
//! talks to it over the wire, as a user does.
//!
//! Invariant: this crate knows nothing of the server's insides; only its ports, files and logs.
//! Invariant: both members of a pair get the same name, token and advertised addresses, so
//! that etcd's member and cluster identifiers are equal and answers compare without masks.
//!
//! ```no_run
//! use ketch_tests::process::{Member, Options, Program};
//! let member = Member::start(Program::Ketch, Options::default())?;
//! println!("{}", member.endpoint());
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod binaries;
pub mod client;
pub mod cluster;
pub mod disk;
pub mod generate;
pub mod hung_up;
pub mod load;
pub mod op;
pub mod pair;
pub mod peers;
pub mod ports;
pub mod process;
pub mod rpc;
pub mod schema;
pub mod seed;
pub mod shell;
pub mod story;
pub mod subject;
pub mod tap;
pub mod wires;
