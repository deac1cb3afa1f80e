//! The compactor thread: removes rows that no revision needs any more, a little at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ketch_mvcc::{CompactStep, Compactor};
use tokio::sync::watch as latest;

use super::fatal;
use crate::mailbox::Receiver;
use crate::metrics::{Counters, observe_ms};

/// The owner of physical compaction.
pub(crate) struct CompactorThread {
    pub(crate) compactor: Compactor,
    /// Wake-ups: something was compacted logically. Closed by `Stop`.
    pub(crate) wake: Receiver<Wake>,
    /// Tells who waits for `physical`.
    pub(crate) finished: latest::Sender<i64>,
    /// Rest between two batches.
    pub(crate) sleep: Duration,
    pub(crate) counters: Arc<Counters>,
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
            let since = Instant::now();
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
                    began.get_or_insert(since);
                    observe_ms(PAUSE, since.elapsed());
                    self.wake.receive_for(&mut letters, self.sleep);
                }
                CompactStep::Done(revision) => {
                    let took = began.take().map_or(Duration::ZERO, |began| began.elapsed());
                    tracing::info!(
                        compact_revision = revision, took = ?took,
                        "finished scheduled compaction"
                    );
                    self.note_end(took);
                    self.finished.send_replace(revision);
                }
            }
        }
    }

    fn note_end(&self, took: Duration) {
        observe_ms(TOTAL, took);
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        self.counters.last_compaction_s.store(now_s, Ordering::Relaxed);
        self.counters.compacted_rows.store(self.compactor.removed_rows(), Ordering::Relaxed);
    }
}

const PAUSE: &str = "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds";
const TOTAL: &str = "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds";
