//! Revisions that somebody is reading: their rows are not removed meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::shared::Shared;

/// How many readers there are at each revision.
#[derive(Default)]
pub(crate) struct Pins(Mutex<BTreeMap<i64, usize>>);

impl Pins {
    /// The lowest revision that is being read.
    pub(crate) fn lowest(&self) -> Option<i64> {
        self.0.lock().first_key_value().map(|(revision, _)| *revision)
    }

    pub(crate) fn add(&self, revision: i64) {
        *self.0.lock().entry(revision).or_default() += 1;
    }

    fn remove(&self, revision: i64) {
        let mut pins = self.0.lock();
        if let Some(readers) = pins.get_mut(&revision) {
            *readers -= 1;
            if *readers == 0 {
                pins.remove(&revision);
            }
        }
    }
}

/// Keeps everything visible at or after a revision readable while it lives, even when the store
/// is compacted past it. It holds back the removal of rows, not the compaction: new requests
/// below the compacted revision are refused at once.
pub struct Pin {
    pub(crate) shared: Arc<Shared>,
    revision: i64,
}

impl Pin {
    /// The caller checks afterwards that the revision is not compacted.
    pub(crate) fn new(shared: Arc<Shared>, revision: i64) -> Self {
        shared.pins.add(revision);
        Self { shared, revision }
    }

    /// The revision held.
    pub fn revision(&self) -> i64 {
        self.revision
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.shared.pins.remove(self.revision);
    }
}
