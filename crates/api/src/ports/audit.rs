//! Who did what: what is told of every call to whoever keeps the audit log.
//!
//! Nothing here can hold a value, a password, a token or a hash: there is no place for one.

mod about;

use std::time::{Duration, Instant};

pub use about::{About, Fact, Op};

use super::Origin;
use crate::Method;

/// Takes notes. Called on the hot path, and after the answer was made.
pub trait Audit: Send + Sync + 'static {
    /// Takes note of one entry. Never waits, and never fails: what cannot be kept is dropped.
    fn note(&self, entry: &Entry<'_>);
}

/// What happened, once.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The RPC.
    pub method: Method,
    /// Which part of it, where a stream has parts.
    pub part: Part,
    /// When the request came.
    pub began: Instant,
    /// How long it took from then.
    pub took: Duration,
    /// Who is at the other end of the connection.
    pub origin: &'a Origin,
    /// The user as whom the gate judged the call, where it did and there was one.
    pub user: Option<&'a str>,
    /// What the user was, or should have been, known by.
    pub how: How,
    /// What it was about.
    pub about: &'a About,
    /// The number of the gRPC status; 0 is OK.
    pub status: u8,
    /// The status' words, as the client got them.
    pub text: &'a str,
}

/// Which part of a call an entry tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The whole of it; of keep-alives, a lease that was not on the stream before.
    Call,
    /// A watch was made on the stream, or refused (-1).
    WatchCreated(i64),
    /// A watch of the stream ended before the stream.
    WatchCanceled(i64),
}

/// What a caller was known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Nothing: there were no credentials, or nobody looked at them.
    Nothing,
    /// A token.
    Token,
    /// The common name of its certificate.
    Certificate,
}
