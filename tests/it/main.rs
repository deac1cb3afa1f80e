//! Integration tests: the running programs, over the wire.

mod differential_random;
mod differential_script;
mod smoke;
