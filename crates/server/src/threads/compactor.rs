//! The compactor thread: removes rows that no revision needs any more, a little at a time.

use std::time::{Duration, Instant};

use ketch_mvcc::{CompactStep, Compactor};
use tokio::sync::watch as latest;

use super::fatal;
use crate::mailbox::Receiver;

/// The owner of physical compaction.
pub(crate) struct CompactorThread {
    pub(crate) compactor: Compactor,
    /// Wake-ups: something was compacted logically. Closed by `Stop`.
    pub(crate) wake: Receiver<Wake>,
    /// Tells who waits for `physical`.
    pub(crate) finished: latest::Sender<i64>,
    /// Rest between two batches.
    pub(crate) sleep: Duration,
}

/// What the compactor thread is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// There may be work.
    Work,
    /// End.
    Stop,
}

/// How long rows that somebody still reads, or that are not on disk yet, are left alone.
const LOOK: Duration = Duration::from_millis(100);

impl CompactorThread {
    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let mut letters = vec![Wake::Work];
        let mut began = None;
        loop {
            if letters.drain(..).any(|letter| letter == Wake::Stop) {
                return;
            }
            let step = match self.compactor.step() {
                Ok(step) => step,
                Err(error) => fatal("failed to compact", &error),
            };
            match step {
                CompactStep::Idle => {
                    began = None;
                    self.wake.receive_for(&mut letters, LOOK);
                }
                CompactStep::More => {
                    began.get_or_insert_with(Instant::now);
                    self.wake.receive_for(&mut letters, self.sleep);
                }
                CompactStep::Done(revision) => {
                    let took = began.take().map_or(Duration::ZERO, |began| began.elapsed());
                    tracing::info!(
                        compact_revision = revision, took = ?took,
                        "finished scheduled compaction"
                    );
                    self.finished.send_replace(revision);
                }
            }
        }
    }
}
