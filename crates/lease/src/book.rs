//! The state behind the lessor's lock: leases, their keys, their clocks.

use std::collections::BTreeMap;

use bytes::Bytes;
use ketch_base::planted::{self, Bug};
use ketch_base::{Code, LeaseId, limits};

use crate::expiry::Expiry;
use crate::lease::{
    CHECKPOINT_RETRY_MS, Checkpoint, Lease, MS_PER_S, Renewed, TimeToLive, milliseconds,
};

/// How long a lease found expired is left alone before it is named again: the revoke proposed
/// for it may have been lost (etcd).
const EXPIRED_RETRY_MS: u64 = 3_000;
/// Most leases that a promotion lets expire within one second; the rest is spread behind, so that
/// a new leader is not met by all revokes at once (three quarters of etcd's revoke rate).
const PROMOTED_EXPIRIES_PER_SECOND: usize = 750;

/// Invariant: a key is in `holders` exactly if it is in the `keys` of that lease.
/// Invariant: while `is_primary`, every lease is either running or in `fresh`.
#[derive(Debug, Default)]
pub(crate) struct Book {
    leases: BTreeMap<LeaseId, Lease>,
    holders: BTreeMap<Bytes, LeaseId>,
    expiry: Expiry,
    /// When to look next whether a lease is due for a checkpoint; short ones never are.
    checks: Expiry,
    /// Granted since the last `now_ms`.
    fresh: Vec<LeaseId>,
    is_primary: bool,
    /// Where the clocks of the last promotion start, its extension included.
    promoted_ms: u64,
}

impl Book {
    pub(crate) fn grant(&mut self, id: LeaseId, ttl_s: i64, ttl_min_s: i64) -> Result<i64, Code> {
        if id.0 == 0 {
            return Err(Code::LeaseNotFound);
        }
        if ttl_s > limits::LEASE_TTL_SECONDS_MAX {
            return Err(Code::LeaseTTLTooLarge);
        }
        if self.leases.contains_key(&id) {
            return Err(Code::LeaseExist);
        }
        let ttl_s = ttl_s.max(ttl_min_s);
        self.insert(id, ttl_s, 0);
        Ok(ttl_s)
    }

    /// Adds a lease that is known to be new or stored.
    pub(crate) fn insert(&mut self, id: LeaseId, ttl_s: i64, remaining_s: i64) {
        self.leases.insert(id, Lease { ttl_s, remaining_s, ..Lease::default() });
        if self.is_primary {
            self.fresh.push(id);
        }
    }

    pub(crate) fn revoke(&mut self, id: LeaseId) -> Result<Vec<Bytes>, Code> {
        let lease = self.leases.remove(&id).ok_or(Code::LeaseNotFound)?;
        self.expiry.remove(id);
        self.checks.remove(id);
        for key in &lease.keys {
            self.holders.remove(key);
        }
        Ok(lease.keys.into_iter().collect())
    }

    pub(crate) fn exists(&self, id: LeaseId) -> bool {
        self.leases.contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.leases.len()
    }

    pub(crate) fn lease_of(&self, key: &[u8]) -> Option<LeaseId> {
        self.holders.get(key).copied()
    }

    /// Ties a key to a lease, leaving the one it had. An unknown lease ties nothing.
    pub(crate) fn attach(&mut self, key: Bytes, id: LeaseId) {
        self.detach(&key);
        if let Some(lease) = self.leases.get_mut(&id) {
            lease.keys.insert(key.clone());
            self.holders.insert(key, id);
        }
    }

    pub(crate) fn detach(&mut self, key: &[u8]) {
        let held = self.holders.remove(key).and_then(|id| self.leases.get_mut(&id));
        if let Some(lease) = held {
            lease.keys.remove(key);
        }
    }

    pub(crate) fn promote(&mut self, now_ms: u64, extend_ms: u64) {
        self.is_primary = true;
        self.promoted_ms = now_ms.saturating_add(extend_ms);
        self.expiry.clear();
        self.checks.clear();
        self.fresh.clear();
        let mut order: Vec<(u64, LeaseId)> =
            self.leases.iter().map(|(id, lease)| (lease.span_ms(), *id)).collect();
        order.sort_unstable();
        let mut slots = Slots::default();
        for (span_ms, id) in order {
            let span_ms = if planted::is(Bug::LeaseNotExtended) { 0 } else { span_ms };
            let at_ms = self.promoted_ms.saturating_add(slots.place(span_ms));
            if let Some(lease) = self.leases.get_mut(&id) {
                lease.expires_ms = Some(at_ms);
                lease.offered_ms = None;
                lease.renewed = false;
                self.expiry.set(at_ms, id);
                self.checks.set(now_ms, id);
            }
        }
    }

    pub(crate) fn demote(&mut self) {
        self.is_primary = false;
        self.expiry.clear();
        self.checks.clear();
        self.fresh.clear();
        for lease in self.leases.values_mut() {
            lease.expires_ms = None;
            lease.offered_ms = None;
            lease.renewed = false;
        }
    }

    pub(crate) fn is_primary(&self) -> bool {
        self.is_primary
    }

    pub(crate) fn renew(&mut self, id: LeaseId, now_ms: u64) -> Result<Renewed, Code> {
        if !self.is_primary {
            return Err(Code::NotPrimary);
        }
        self.start_fresh(now_ms);
        let lease = self.leases.get_mut(&id).ok_or(Code::LeaseNotFound)?;
        if lease.expires_ms.is_none_or(|at_ms| at_ms <= now_ms) {
            return Err(Code::LeaseNotFound);
        }
        lease.expires_ms = Some(now_ms.saturating_add(milliseconds(lease.ttl_s)));
        lease.renewed = true;
        let clear_checkpoint = lease.remaining_s > 0 || lease.offered_ms.is_some();
        if clear_checkpoint {
            lease.offered_ms = Some(now_ms);
            self.checks.set(now_ms, id);
        }
        Ok(Renewed { ttl_s: lease.ttl_s, clear_checkpoint })
    }

    pub(crate) fn time_to_live(
        &mut self,
        id: LeaseId,
        now_ms: u64,
        keys: bool,
    ) -> Option<TimeToLive> {
        self.start_fresh(now_ms);
        let lease = self.leases.get(&id)?;
        let ttl_s = lease.expires_ms.map_or(lease.ttl_s, |at_ms| seconds_left(at_ms, now_ms));
        let keys = if keys { lease.keys.iter().cloned().collect() } else { Vec::new() };
        Some(TimeToLive { ttl_s, granted_ttl_s: lease.ttl_s, keys })
    }

    pub(crate) fn keys(&self, id: LeaseId) -> Vec<Bytes> {
        self.leases.get(&id).map_or_else(Vec::new, |lease| lease.keys.iter().cloned().collect())
    }

    /// Soonest to expire first; without clocks, by id.
    pub(crate) fn list(&self) -> Vec<LeaseId> {
        let mut order: Vec<_> =
            self.leases.iter().map(|(id, l)| (l.expires_ms.unwrap_or(u64::MAX), *id)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, id)| id).collect()
    }

    pub(crate) fn expired(&mut self, now_ms: u64, max: usize) -> Vec<LeaseId> {
        self.start_fresh(now_ms);
        let mut out = Vec::new();
        while out.len() < max {
            let Some(id) = self.expiry.pop(now_ms) else { break };
            match self.leases.get(&id).and_then(|lease| lease.expires_ms) {
                Some(at_ms) if at_ms > now_ms => self.expiry.set(at_ms, id),
                Some(_) => {
                    self.expiry.set(now_ms.saturating_add(EXPIRED_RETRY_MS), id);
                    out.push(id);
                }
                None => {}
            }
        }
        out
    }

    /// Takes over what a checkpoint says is left; `None` if there is no such lease.
    pub(crate) fn checkpoint(&mut self, id: LeaseId, remaining_s: i64) -> Option<i64> {
        let lease = self.leases.get_mut(&id)?;
        lease.remaining_s = remaining_s;
        lease.offered_ms = None;
        if let Some(at_ms) = lease.expires_ms {
            self.checks.set(0, id);
            // The leader before may have answered a renewal with it that is applied only now.
            let afresh_ms = self.promoted_ms.saturating_add(lease.span_ms());
            lease.expires_ms = Some(at_ms.max(afresh_ms));
        }
        Some(lease.ttl_s)
    }

    /// Leases whose last checkpoint is old or wrong, with what is to be said.
    pub(crate) fn checkpoints(&mut self, now_ms: u64, max: usize) -> Vec<(LeaseId, i64)> {
        self.start_fresh(now_ms);
        let mut found = Vec::new();
        while found.len() < max {
            let Some(id) = self.checks.pop(now_ms) else { break };
            let Some(lease) = self.leases.get_mut(&id) else { continue };
            match lease.checkpoint(now_ms) {
                Checkpoint::Due(left_s) => {
                    lease.offered_ms = Some(now_ms);
                    self.checks.set(now_ms.saturating_add(CHECKPOINT_RETRY_MS), id);
                    found.push((id, left_s));
                }
                Checkpoint::At(at_ms) => self.checks.set(at_ms, id),
                Checkpoint::Never => {}
            }
        }
        found
    }

    /// Gives way to another book, which leads as this one did; returns what it was, to be dropped
    /// unlocked.
    pub(crate) fn replace(&mut self, mut new: Self) -> Self {
        (new.is_primary, new.promoted_ms) = (self.is_primary, self.promoted_ms);
        if new.is_primary {
            new.fresh = new.leases.keys().copied().collect();
        }
        std::mem::replace(self, new)
    }

    /// Starts the clocks of leases granted since the last call that knew the time.
    fn start_fresh(&mut self, now_ms: u64) {
        for id in self.fresh.drain(..) {
            let Some(lease) = self.leases.get_mut(&id) else { continue };
            // A lease revoked and granted again between two ticks stands here twice.
            if lease.expires_ms.is_none() {
                let at_ms = now_ms.saturating_add(lease.span_ms());
                lease.expires_ms = Some(at_ms);
                self.expiry.set(at_ms, id);
                self.checks.set(now_ms, id);
            }
        }
    }
}

/// Whole seconds until `at_ms`. A lease just started never shows its full time, as in etcd, whose
/// clock has moved by then.
fn seconds_left(at_ms: u64, now_ms: u64) -> i64 {
    let whole = |span_ms: u64| i64::try_from(span_ms / MS_PER_S).unwrap_or(i64::MAX);
    if at_ms > now_ms { whole(at_ms - now_ms - 1) } else { -whole(now_ms - at_ms) }
}

/// Spreads expiries that would fall together: spans come in ascending order and leave with at most
/// [`PROMOTED_EXPIRIES_PER_SECOND`] in any second.
#[derive(Default)]
struct Slots {
    second: u64,
    used: usize,
}

impl Slots {
    fn place(&mut self, span_ms: u64) -> u64 {
        let wanted = span_ms / MS_PER_S;
        if wanted > self.second {
            *self = Self { second: wanted, used: 0 };
        } else if self.used >= PROMOTED_EXPIRIES_PER_SECOND {
            *self = Self { second: self.second + 1, used: 0 };
        }
        self.used += 1;
        span_ms.saturating_add((self.second - wanted) * MS_PER_S)
    }
}
