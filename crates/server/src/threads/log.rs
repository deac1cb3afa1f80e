//! The log thread: takes every job that is queued, writes once, syncs once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use ketch_node::{Event, LogJob, LogWorker};
use ketch_wal::Preparer;

use super::{Applying, NodeTask, Turns, fatal};
use crate::mailbox::{Receiver, Sender};
use crate::metrics::{Counters, observe};

/// The owner of the write-ahead log.
pub(crate) struct LogThread {
    pub(crate) worker: LogWorker,
    pub(crate) preparer: Preparer,
    pub(crate) jobs: Receiver<LogJob>,
    pub(crate) node: Sender<NodeTask>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) applying: Arc<Applying>,
    pub(crate) counters: Arc<Counters>,
    /// Wakes who prepares the next segment.
    pub(crate) prepare: Sender<()>,
}

impl LogThread {
    /// Runs until the sending side says so by an empty job number of `u64::MAX`.
    pub(crate) fn run(mut self) {
        let mut crowded = false;
        loop {
            let mut jobs = Vec::new();
            self.jobs.receive_or_rest(&mut jobs);
            if crowded {
                // Others are about to add to this group: where all cores are busy, let them. Each
                // sync writes a block more than it has to say. No wait where a core is free.
                std::thread::yield_now();
                self.jobs.receive(&mut jobs, Some(Instant::now()));
            }
            crowded = jobs.iter().map(|job| job.entries.len()).sum::<usize>() >= CROWD_ENTRIES;
            let stop = jobs.last().is_some_and(|job| job.job == STOP);
            jobs.retain(|job| job.job != STOP);
            if !jobs.is_empty() {
                self.write(jobs);
            }
            if stop {
                return;
            }
        }
    }

    fn write(&mut self, jobs: Vec<LogJob>) {
        let since = Instant::now();
        let events = match self.worker.run(jobs) {
            Ok(events) => events,
            Err(error) => fatal("failed to write the log", &error),
        };
        let took = since.elapsed();
        self.tell(events);
        observe("etcd_disk_wal_fsync_duration_seconds", took);
        let written = self.worker.stats().record_bytes;
        self.counters.wal_bytes.store(written, Ordering::Relaxed);
        if self.preparer.is_wanted() {
            // A full box: the preparer knows already.
            let _ = self.prepare.try_send(());
        }
    }

    /// Carries on with what is durable: here rather than on the node thread, and for little even
    /// here rather than on the apply thread, for waking takes longer than the work.
    fn tell(&self, events: Vec<Event>) {
        for event in events {
            self.node.send_quietly_above_limit(event.into());
        }
        self.turns.take_and_apply_later();
        self.applying.take_brief(self.jobs.is_empty());
    }
}

/// Entries in a group from which on it pays to let others run before the next.
const CROWD_ENTRIES: usize = 8;

/// The job number that ends the thread.
pub(crate) const STOP: u64 = u64::MAX;

/// Makes the next segment ready whenever the log has used one up, so that a cut never waits.
pub(crate) fn prepare(preparer: &Preparer, wake: &Receiver<()>) {
    let mut letters = vec![()];
    loop {
        if letters.is_empty() {
            // Woken without a letter: the log thread is gone.
            return;
        }
        letters.clear();
        if let Err(error) = preparer.prepare() {
            tracing::warn!(error = %error, "failed to prepare the next log segment");
        }
        wake.receive(&mut letters, None);
    }
}
