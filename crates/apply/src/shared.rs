//! What other threads may see of the machine: snapshots, swapped whole.

use std::sync::Arc;

use parking_lot::RwLock;

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
        Arc::clone(&self.membership.read())
    }

    /// The alarms as of the last applied change.
    pub fn alarms(&self) -> Arc<Alarms> {
        Arc::clone(&self.alarms.read())
    }

    /// The limit on the database file.
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    pub(crate) fn edit_membership<T>(&self, edit: impl FnOnce(&mut Membership) -> T) -> T {
        let mut next = Membership::clone(&self.membership());
        let out = edit(&mut next);
        *self.membership.write() = Arc::new(next);
        out
    }

    pub(crate) fn edit_alarms<T>(&self, edit: impl FnOnce(&mut Alarms) -> T) -> T {
        let mut next = Alarms::clone(&self.alarms());
        let out = edit(&mut next);
        *self.alarms.write() = Arc::new(next);
        out
    }
}
