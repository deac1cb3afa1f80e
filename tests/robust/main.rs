//! Robustness tests: crashes under load, damaged files.

mod crash;
mod damage;
mod history;
mod torn;
