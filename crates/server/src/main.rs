//! Binary `ketch`.

mod config;
mod logging;
mod mailbox;

fn main() {}
