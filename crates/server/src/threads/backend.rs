//! The backend thread: moves the write buffer to disk, and reclaims space in small steps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ketch_backend::{Drain, Progress};
use ketch_base::{Code, limits};
use ketch_node::Event;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::{BackendJob, NodeTask, fatal};
use crate::mailbox::{Receiver, Sender};
use crate::metrics::{Counters, observe};

/// Lets the apply thread wait while too much is buffered.
#[derive(Default)]
pub(crate) struct Pressure {
    lock: Mutex<()>,
    relieved: Condvar,
}

impl Pressure {
    /// Waits until the buffer is below its limit. The log goes on; only applying waits.
    pub(crate) fn wait(&self, buffered_bytes: impl Fn() -> usize) {
        if buffered_bytes() <= limits::BACKEND_BUFFER_BYTES {
            return;
        }
        let mut guard = self.lock.lock();
        while buffered_bytes() > limits::BACKEND_BUFFER_BYTES {
            self.relieved.wait_for(&mut guard, Duration::from_millis(100));
        }
    }
}

/// The owner of the only writer of the working storage.
pub(crate) struct BackendThread {
    pub(crate) drain: Drain,
    pub(crate) jobs: Receiver<BackendJob>,
    pub(crate) node: Sender<NodeTask>,
    pub(crate) pressure: Arc<Pressure>,
    pub(crate) interval: Duration,
    pub(crate) counters: Arc<Counters>,
}

impl BackendThread {
    /// Runs until told to stop; then everything is on disk.
    pub(crate) fn run(mut self) {
        let mut jobs = Vec::new();
        let mut reclaims: Vec<oneshot::Sender<Result<(), Code>>> = Vec::new();
        let mut reclaim_began = Instant::now();
        let mut next = Instant::now() + self.interval;
        loop {
            let deadline = if reclaims.is_empty() { next } else { Instant::now() };
            self.jobs.receive(&mut jobs, Some(deadline));
            let mut due = Instant::now() >= next;
            let mut stop = false;
            for job in jobs.drain(..) {
                match job {
                    BackendJob::Drain => due = true,
                    BackendJob::Reclaim(done) => {
                        if reclaims.is_empty() {
                            reclaim_began = Instant::now();
                        }
                        reclaims.push(done);
                    }
                    BackendJob::Install { from, done } => {
                        if let Err(error) = self.drain.install(&from) {
                            fatal("failed to install a received snapshot", &error);
                        }
                        self.pressure.relieved.notify_all();
                        let _ = done.send(());
                    }
                    BackendJob::Stop => stop = true,
                }
            }
            if due || stop {
                self.drain(stop);
                next = Instant::now() + self.interval;
            }
            if stop {
                return;
            }
            if !reclaims.is_empty() {
                self.reclaim_step(&mut reclaims, reclaim_began);
            }
            let inflight = u64::from(!reclaims.is_empty());
            self.counters.defrag_inflight.store(inflight, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Moves what waits, but leaves less than a full step that came meanwhile to the next time,
    /// unless `all` is wanted.
    fn drain(&mut self, all: bool) {
        loop {
            let since = Instant::now();
            let step = match self.drain.step() {
                Ok(step) => step,
                Err(error) => fatal("failed to commit to the backend", &error),
            };
            self.pressure.relieved.notify_all();
            if step.rows > 0 {
                observe("etcd_disk_backend_commit_duration_seconds", since.elapsed());
            }
            self.node.send_above_limit(Event::Durable { index: step.durable_index }.into());
            let goes_on = step.full || (all && step.more);
            if !goes_on {
                return;
            }
        }
    }

    fn reclaim_step(
        &mut self,
        waiting: &mut Vec<oneshot::Sender<Result<(), Code>>>,
        began: Instant,
    ) {
        let outcome = match self.drain.reclaim(limits::BACKEND_RECLAIM_STEP_BYTES) {
            Ok(Progress::More) => return,
            Ok(Progress::Done { before_bytes, after_bytes }) => {
                tracing::info!(
                    current_db_size_bytes = after_bytes,
                    current_db_size_bytes_diff = after_bytes - before_bytes,
                    took = ?began.elapsed(),
                    "finished defragmenting directory"
                );
                observe("etcd_disk_backend_defrag_duration_seconds", began.elapsed());
                Ok(())
            }
            Err(error) => {
                tracing::error!(error = %error, "failed to defragment");
                Err(Code::NoSpace)
            }
        };
        for done in waiting.drain(..) {
            let _ = done.send(outcome);
        }
    }
}
