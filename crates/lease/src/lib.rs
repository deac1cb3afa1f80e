//! Leases: grant, renew, revoke, expire by tick.
//!
//! A lease lives as long as somebody renews it; when it runs out, its keys go. The replicated part
//! (which leases exist, their granted time, their keys) changes only through [`Lessor::grant`],
//! [`Lessor::revoke`], [`Lessor::attach`] and [`Lessor::detach`], called while entries are applied.
//! The clock part (when each runs out) lives on the leader only: a new leader starts every lease
//! afresh, long ones from what their last checkpoint says is left.
//!
//! Invariant: knows no clock. Time comes in as `now_ms`; a lease granted between two such calls
//! starts to run at the second, so it may live a little longer than asked, never shorter.
//! Invariant: never revokes by itself. [`Lessor::expired`] names leases to propose a revoke for.
//! Invariant: one mutex, a leaf: nothing else is locked while it is held.
//!
//! ```
//! use ketch_backend::Batch;
//! use ketch_base::LeaseId;
//! use ketch_lease::{Config, Lessor};
//!
//! let lessor = Lessor::new(Config { ttl_min_s: 2 });
//! let mut batch = Batch::new();
//! assert_eq!(lessor.grant(LeaseId(7), 60, &mut batch), Ok(60));
//! lessor.promote(1_000, 0);
//! assert_eq!(lessor.renew(LeaseId(7), 5_000)?.ttl_s, 60);
//! assert_eq!(lessor.expired(64_999, 10), []);
//! assert_eq!(lessor.expired(65_000, 10), [LeaseId(7)]);
//! # Ok::<(), ketch_base::Code>(())
//! ```

mod book;
mod expiry;
mod lease;
mod lessor;
mod row;
#[cfg(test)]
mod tests;

pub use lease::{Renewed, TimeToLive};
pub use lessor::{Config, Lessor};
pub use row::OpenError;
