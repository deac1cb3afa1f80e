//! Handshakes over memory pipes and sockets: who is let in, what is said to the others, and what a
//! change of files does.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up its world has failed")]

mod auto;
mod configuration;
mod handshake;
mod matrix;
mod rotation;
mod slow;
