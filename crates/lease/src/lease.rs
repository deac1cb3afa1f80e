//! One lease: what it was granted, its clock, and when that is noted down for the next leader.

use std::collections::BTreeSet;

use bytes::Bytes;

/// How long a checkpoint that was offered and not applied is waited for.
pub(crate) const CHECKPOINT_RETRY_MS: u64 = 3_000;
/// How far a running lease may be ahead of its last checkpoint, in seconds (etcd).
const CHECKPOINT_INTERVAL_S: i64 = 300;
pub(crate) const MS_PER_S: u64 = 1_000;

/// What is left of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeToLive {
    /// Whole seconds left, rounded down; below 0 when it ran out and waits to be revoked.
    pub ttl_s: i64,
    /// Seconds as granted.
    pub granted_ttl_s: i64,
    /// Keys attached, in byte order; empty unless asked for.
    pub keys: Vec<Bytes>,
}

/// A lease that runs anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// Seconds it was granted for.
    pub ttl_s: i64,
    /// A checkpoint says, or is about to say, that less is left, and a new leader would start
    /// from there: the client may be answered only after a checkpoint of 0 was applied.
    pub clear_checkpoint: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Lease {
    pub(crate) ttl_s: i64,
    /// Seconds left by the last checkpoint, 0 for none: where a promotion starts from.
    pub(crate) remaining_s: i64,
    /// When a checkpoint that is not applied yet was last offered.
    pub(crate) offered_ms: Option<u64>,
    /// Renewed since this member leads: no promotion's extension is in `expires_ms`.
    pub(crate) renewed: bool,
    /// `None` while no clock runs: on followers, and until the next `now_ms` after a grant.
    pub(crate) expires_ms: Option<u64>,
    pub(crate) keys: BTreeSet<Bytes>,
}

/// When a lease is to be noted down.
pub(crate) enum Checkpoint {
    /// Now, with so many seconds; 0 for all.
    Due(i64),
    /// Not before this time, in milliseconds.
    At(u64),
    Never,
}

impl Lease {
    /// How long it runs when a new leader starts its clock.
    pub(crate) fn span_ms(&self) -> u64 {
        let span_s = if self.remaining_s > 0 { self.remaining_s } else { self.ttl_s };
        milliseconds(span_s)
    }

    /// Whether a checkpoint is due: one was offered and did not come, or the last says less than
    /// is left, or it is [`CHECKPOINT_INTERVAL_S`] behind.
    pub(crate) fn checkpoint(&self, now_ms: u64) -> Checkpoint {
        let Some(expires_ms) = self.expires_ms.filter(|at_ms| *at_ms > now_ms) else {
            return Checkpoint::Never;
        };
        let retry_ms = self.offered_ms.map(|at_ms| at_ms.saturating_add(CHECKPOINT_RETRY_MS));
        if let Some(retry_ms) = retry_ms.filter(|retry_ms| *retry_ms > now_ms) {
            return Checkpoint::At(retry_ms);
        }
        // Rounded up: nothing may run out early.
        let left_s = (expires_ms - now_ms).div_ceil(MS_PER_S);
        let left_s = i64::try_from(left_s).unwrap_or(i64::MAX);
        let known_s = if self.remaining_s > 0 { self.remaining_s } else { self.ttl_s };
        let too_little = self.renewed && self.remaining_s > 0 && left_s > known_s;
        // Due when so much is left.
        let due_s = known_s.saturating_sub(CHECKPOINT_INTERVAL_S);
        if too_little || left_s <= due_s {
            return Checkpoint::Due(if left_s < self.ttl_s { left_s } else { 0 });
        }
        if due_s <= 0 {
            return Checkpoint::Never;
        }
        Checkpoint::At(expires_ms.saturating_sub(milliseconds(due_s)))
    }
}

/// Of a span in seconds; below 0 it is none.
pub(crate) fn milliseconds(span_s: i64) -> u64 {
    u64::try_from(span_s).unwrap_or(0).saturating_mul(MS_PER_S)
}
