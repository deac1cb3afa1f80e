//! Integration tests: the running programs, over the wire.

mod bad_connections;
mod bad_requests;
mod cli;
mod cli_snapshot;
mod differential_random;
mod differential_script;
mod differential_slow;
mod official_client;
mod rust_client;
mod smoke;
