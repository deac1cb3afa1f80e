//! Why the process ends, told to the main thread by whoever finds out.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Reasons that may wait; the first one counts.
const REASONS: usize = 4;

/// Why the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The operator's signal, by number.
    Signal(i32),
    /// The cluster removed this member for good.
    Removed,
}

/// Asks the process to end; clones ask the same.
#[derive(Clone, Debug)]
pub(crate) struct Exit(SyncSender<Ending>);

/// An asker, and where the main thread listens.
pub(crate) fn exit() -> (Exit, Receiver<Ending>) {
    let (sender, receiver) = sync_channel(REASONS);
    (Exit(sender), receiver)
}

impl Exit {
    /// Asks; never waits.
    pub(crate) fn ask(&self, ending: Ending) {
        // A full box: the end has been asked for.
        let _ = self.0.try_send(ending);
    }
}
