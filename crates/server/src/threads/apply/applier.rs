//! The only writer of history.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use ketch_base::{Index, limits};
use ketch_env::Disk;
use ketch_lease::Lessor;
use ketch_node::{ApplyJob, ApplyWorker, install};
use ketch_raft_proto::raftpb::SnapshotMetadata;

use super::Sinks;
use crate::mailbox::Sender;
use crate::member::Clock;
use crate::threads::compactor::Wake;
use crate::threads::node::ApplyTask;
use crate::threads::{BackendJob, NodeTask, Standing, WatchJob, fatal};

/// The owner of the state machine.
pub(crate) struct Applier {
    pub(crate) worker: ApplyWorker,
    pub(crate) node: Sender<NodeTask>,
    pub(crate) sinks: Sinks,
    pub(crate) lessor: Lessor,
    pub(crate) clock: Clock,
    /// Leases are given this much more time when leadership comes.
    pub(crate) lease_extend: Duration,
    /// Where received snapshots wait.
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) snap_dir: PathBuf,
    pub(crate) standing: Standing,
}

/// Entries above which queued jobs are not put together any more: whoever waits for the first
/// should not wait for all.
const JOB_ENTRIES: usize = 256;

impl Applier {
    /// Does what it is told; whether that was to stop.
    pub(super) fn work(&mut self, tasks: &mut Vec<ApplyTask>) -> bool {
        let mut waiting = tasks.drain(..).peekable();
        while let Some(task) = waiting.next() {
            match task {
                ApplyTask::Entries(mut job) => {
                    // Jobs that queued up behind each other share their wake-ups.
                    while let Some(ApplyTask::Entries(next)) = waiting.next_if(|next| {
                        matches!(next, ApplyTask::Entries(_)) && job.entries.len() < JOB_ENTRIES
                    }) {
                        job.entries.extend(next.entries);
                    }
                    self.apply(job);
                }
                ApplyTask::Install(metadata) => self.install(&metadata),
                ApplyTask::Leading(true) => {
                    let extend = u64::try_from(self.lease_extend.as_millis()).unwrap_or(0);
                    self.lessor.promote(self.clock.now_ms(), extend);
                }
                ApplyTask::Leading(false) => self.lessor.demote(),
                ApplyTask::Stop => return true,
            }
        }
        false
    }

    /// Whether applying would wait for nobody.
    pub(super) fn has_room(&self) -> bool {
        let sinks = &self.sinks;
        sinks.backend.buffered_bytes() <= limits::BACKEND_BUFFER_BYTES / 2 && sinks.watch.has_room()
    }

    fn apply(&mut self, job: ApplyJob) {
        let sinks = &self.sinks;
        let backend = &sinks.backend;
        sinks.pressure.wait(|| backend.buffered_bytes());
        let mut since = Instant::now();
        let mut done = Vec::with_capacity(job.entries.len());
        let event = self.worker.run(job, &mut |applied| {
            since = sinks.note_end(applied.op, applied.result.is_ok(), since);
            done.push(applied);
        });
        let changes = sinks.deliver(&self.standing, done);
        match event {
            // With a leader there is nothing the node could do about it but take note.
            Ok(event) if changes.is_empty() && sinks.progress.leader() != 0 => {
                self.node.send_patiently_above_limit(event.into());
            }
            Ok(event) => self.node.send_above_limit(event.into()),
            Err(error) => fatal("failed to apply a committed entry", &error),
        }
        // Only now: the next change would be refused until the node has heard of this one.
        for (id, outcome) in changes {
            sinks.waiters.answer(id, outcome);
        }
        if backend.buffered_bytes() > limits::BACKEND_BUFFER_BYTES / 8 {
            // A full mailbox means a drain is asked for already.
            let _ = sinks.backend_jobs.try_send(BackendJob::Drain);
        }
    }
}

impl Applier {
    /// A received snapshot takes the place of the state.
    fn install(&mut self, metadata: &SnapshotMetadata) {
        let since = Instant::now();
        let index = metadata.index();
        metrics::gauge!("etcd_server_snapshot_apply_in_progress_total").set(1.0);
        tracing::info!(incoming_leader_snapshot_index = index, "applying snapshot");
        let (done, installed) = sync_channel(1);
        let from = self.snap_dir.join(install::prepared_name(Index(index)));
        self.sinks.backend_jobs.send_above_limit(BackendJob::Install { from, done });
        if installed.recv().is_err() {
            // The backend thread is gone: the process is ending.
            return;
        }
        let event = match self.worker.install(metadata) {
            Ok(event) => event,
            Err(error) => fatal("failed to take up a received snapshot", &error),
        };
        self.sinks.watch.send(WatchJob::Reloaded);
        let _ = self.sinks.compactor.try_send(Wake::Work);
        self.standing.changed();
        self.sinks.progress.set_committed(index);
        self.sinks.progress.set_applied(index);
        self.node.send_above_limit(event.into());
        if let Err(error) = self.sweep(index) {
            tracing::warn!(error = %error, "failed to remove older received snapshots");
        }
        metrics::gauge!("etcd_server_snapshot_apply_in_progress_total").set(0.0);
        tracing::info!(
            incoming_leader_snapshot_index = index, took = ?since.elapsed(), "applied snapshot"
        );
    }

    fn sweep(&self, index: u64) -> Result<(), install::InstallError> {
        install::sweep_through(self.disk.as_ref(), &self.snap_dir, Index(index))
    }
}
