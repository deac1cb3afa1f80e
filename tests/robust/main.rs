//! Robustness tests: crashes under load, damaged files.

mod crash;
mod history;
