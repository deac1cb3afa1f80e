//! A whole cluster in one thread, replayed from one seed: members from `node` down on simulated
//! disks, a simulated network, faults, client workloads, and the checks that watch all of it.
//!
//! ```text
//! seed -> world (members, network, disks, clients, faults) -> facts -> checks -> verdict
//! ```
//!
//! Invariant: nothing here asks the real world for anything; equal seeds give equal facts.
//! Invariant: the checks see facts only, never the insides of a member.

pub mod checks;
pub mod fact;
mod run;
mod world;

pub use run::{MUST_HAPPEN, Options, Report, run};
#[cfg(feature = "planted")]
pub use run::{find, run_planted};
