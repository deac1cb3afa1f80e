//! Leases: grant, renew, revoke, expire by tick.
