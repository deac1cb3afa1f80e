//! Robustness tests: crashes and damage.
