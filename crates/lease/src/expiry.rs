//! Which lease to look at next: one alarm per lease, moved lazily.

use std::collections::{BTreeMap, BTreeSet};

use ketch_base::LeaseId;

/// Alarms by time.
///
/// Invariant: every lease that runs has exactly one alarm, at or before its true expiry, so a
/// renewal costs nothing here: the alarm finds the new expiry when it goes off and moves there.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    alarms: BTreeSet<(u64, LeaseId)>,
    set_for: BTreeMap<LeaseId, u64>,
}

impl Expiry {
    /// Sets or moves the alarm of a lease.
    pub(crate) fn set(&mut self, at_ms: u64, id: LeaseId) {
        self.remove(id);
        self.alarms.insert((at_ms, id));
        self.set_for.insert(id, at_ms);
    }

    pub(crate) fn remove(&mut self, id: LeaseId) {
        if let Some(at_ms) = self.set_for.remove(&id) {
            self.alarms.remove(&(at_ms, id));
        }
    }

    /// Takes the next alarm due at `now_ms`.
    pub(crate) fn pop(&mut self, now_ms: u64) -> Option<LeaseId> {
        let (at_ms, id) = *self.alarms.first()?;
        if at_ms > now_ms {
            return None;
        }
        self.remove(id);
        Some(id)
    }

    pub(crate) fn clear(&mut self) {
        self.alarms.clear();
        self.set_for.clear();
    }
}
