//! Integration tests: the running programs, over the wire.

mod smoke;
