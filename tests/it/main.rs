//! Integration tests: the running programs, over the wire.

mod bad_connections;
mod bad_requests;
mod bad_starts;
mod cli;
mod cli_snapshot;
mod differential_random;
mod differential_script;
mod differential_slow;
mod http;
mod log_format;
mod memory;
mod official_client;
mod rust_client;
mod smoke;
