//! What other threads may see of the machine: snapshots, swapped whole.

use std::sync::{Arc, PoisonError, RwLock};

use crate::alarms::Alarms;
use crate::membership::Membership;
use crate::quota::Quota;

/// Snapshots for every thread; a reader holds its own while the machine moves on.
///
/// Invariant: each lock is held only to clone or swap one pointer.
#[derive(Debug)]
pub struct Shared {
    membership: RwLock<Arc<Membership>>,
    alarms: RwLock<Arc<Alarms>>,
    quota: Quota,
}

impl Shared {
    pub(crate) fn new(membership: Membership, alarms: Alarms, quota: Quota) -> Self {
        Self {
            membership: RwLock::new(Arc::new(membership)),
            alarms: RwLock::new(Arc::new(alarms)),
            quota,
        }
    }

    /// The membership as of the last applied change.
    pub fn membership(&self) -> Arc<Membership> {
        get(&self.membership)
    }

    /// The alarms as of the last applied change.
    pub fn alarms(&self) -> Arc<Alarms> {
        get(&self.alarms)
    }

    /// The limit on the database file.
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    pub(crate) fn edit_membership<T>(&self, edit: impl FnOnce(&mut Membership) -> T) -> T {
        replace(&self.membership, edit)
    }

    pub(crate) fn edit_alarms<T>(&self, edit: impl FnOnce(&mut Alarms) -> T) -> T {
        replace(&self.alarms, edit)
    }
}

fn get<S>(slot: &RwLock<Arc<S>>) -> Arc<S> {
    Arc::clone(&slot.read().unwrap_or_else(PoisonError::into_inner))
}

/// Only the machine, on its one thread, replaces.
fn replace<S: Clone, T>(slot: &RwLock<Arc<S>>, edit: impl FnOnce(&mut S) -> T) -> T {
    let mut next = S::clone(&get(slot));
    let out = edit(&mut next);
    *slot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    out
}
