//! The credit of one stream: the lane gives it, the watch thread uses it, and neither wakes the
//! other unless it has something for it.

use std::sync::atomic::{AtomicU8, Ordering};

/// The stream has not taken its last batch yet.
const NONE: u8 = 0;
/// The stream waits for a batch.
const GIVEN: u8 = 1;
/// As [`NONE`], and a batch waits for the stream.
const MISSED: u8 = 2;

/// Whether a stream may be sent one more batch.
#[derive(Debug, Default)]
pub(crate) struct Credit(AtomicU8);

impl Credit {
    /// The stream took everything. True if there is more for it already, which the watch thread
    /// must then be told.
    pub(crate) fn give(&self) -> bool {
        self.0.swap(GIVEN, Ordering::AcqRel) == MISSED
    }

    /// Uses the credit, if it was given. If not, who gives it next will tell.
    pub(crate) fn take(&self) -> bool {
        let used = |state| Some(if state == GIVEN { NONE } else { MISSED });
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, used) == Ok(GIVEN)
    }

    /// There is more than the batch that the last credit was used for: who gives the next one will
    /// tell. To be called before that batch leaves.
    pub(crate) fn miss(&self) {
        self.0.store(MISSED, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_and_nobody_else() {
        let credit = Credit::default();
        assert!(!credit.give(), "nothing is there");
        assert!(credit.take());
        assert!(!credit.take(), "one credit, one batch");
        assert!(credit.give(), "something came meanwhile");
        assert!(credit.take());
        credit.miss();
        assert!(credit.give(), "something was left");
        assert!(credit.take());
        assert!(!credit.give());
    }
}
