//! Watches: who is told what, in which order, and what happens to the slow ones.
//!
//! A [`Hub`] is a pure machine owned by one thread. Commits go in through [`Hub::publish`], the
//! requests of client streams through [`Hub::create`] and its kin, and outputs are taken per
//! stream. Nothing in it waits.
//!
//! A watch either hears of commits as they come, or is behind and reads the rows of the past in
//! bounded steps ([`Hub::catch_up`]) until it has met the present. A stream whose client reads
//! too slowly fills its queue; its watches then fall behind instead of growing it, and go on from
//! where they stopped.
//!
//! Invariant: a watch is told every change it asked for exactly once, in order of revision.
//! Invariant: a revision is not split over responses, unless the client allowed fragments.
//! Invariant: progress up to a revision is told after every change up to it.

mod catch_up;
mod encode;
mod hub;
mod intervals;
mod matcher;
mod output;
mod progress;
mod publish;
mod reloaded;
mod stream;
mod watcher;

pub use hub::{Config, Hub, Stats, StreamId};
pub use output::Output;
pub use watcher::Create;

#[cfg(test)]
mod tests;
