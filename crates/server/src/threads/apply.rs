//! The apply thread: the only writer of history. Tells the hub, then the waiter.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use ketch_apply::{Answer, Applied};
use ketch_backend::Backend;
use ketch_base::{Index, RequestId, limits};
use ketch_env::Disk;
use ketch_lease::Lessor;
use ketch_node::{ApplyJob, ApplyWorker, install};
use ketch_proto::etcdserverpb::ResponseOp;
use ketch_proto::etcdserverpb::response_op::Response;
use ketch_raft_proto::raftpb::SnapshotMetadata;

use super::node::ApplyTask;
use super::{BackendJob, NodeTask, Pressure, Standing, WatchJob, fatal};
use crate::mailbox::{Receiver, Sender};
use crate::member::{Clock, Member};
use crate::metrics::{Counters, add, observe_plain};
use crate::progress::Progress;
use crate::threads::compactor::Wake;
use crate::waiters::{Outcome, Waiters};

/// The owner of the state machine.
pub(crate) struct ApplyThread {
    pub(crate) worker: ApplyWorker,
    pub(crate) tasks: Receiver<ApplyTask>,
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

/// Where the effects of an entry go.
pub(crate) struct Sinks {
    pub(crate) member: Arc<Member>,
    pub(crate) watch: Sender<WatchJob>,
    pub(crate) backend_jobs: Sender<BackendJob>,
    pub(crate) compactor: Sender<Wake>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) backend: Backend,
    pub(crate) pressure: Arc<Pressure>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) warning: Duration,
}

/// Entries above which queued jobs are not put together any more: whoever waits for the first
/// should not wait for all.
const JOB_ENTRIES: usize = 256;

impl ApplyThread {
    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let mut tasks = Vec::new();
        loop {
            self.tasks.receive(&mut tasks, None);
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
                    ApplyTask::Stop => return,
                }
            }
        }
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

impl ApplyThread {
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

impl Sinks {
    /// Hands out what a job came to: events first, then answers, each receiver woken once. Gives
    /// the answers of membership changes, which have to wait until the node has heard of them.
    fn deliver(&self, standing: &Standing, mut done: Vec<Applied>) -> Vec<(RequestId, Outcome)> {
        done.iter().for_each(|applied| self.count(applied));
        let commits = done.iter_mut().filter_map(|applied| applied.committed.take());
        self.watch.send_all(commits.map(WatchJob::Committed));
        if done.iter().any(|applied| matches!(applied.result, Ok(Answer::Compaction(_)))) {
            let _ = self.compactor.try_send(Wake::Work);
        }
        if done.iter().any(|applied| applied.over_quota) {
            self.member.raise_no_space();
        }
        if done.iter().any(|applied| applied.change.is_some()) {
            standing.changed();
        }
        if let Some(last) = done.last() {
            self.progress.set_applied(last.index.0);
        }
        let mut changes = Vec::new();
        let answers = done.into_iter().filter_map(|applied| {
            let answer = (applied.request?, applied.result);
            if applied.change.is_none() {
                return Some(answer);
            }
            changes.push(answer);
            None
        });
        self.waiters.answer_all(answers);
        changes
    }

    fn note_end(&self, op: &'static str, is_ok: bool, since: Instant) -> Instant {
        let now = Instant::now();
        let took = now - since;
        self.counters.applies.note(op, is_ok, took);
        if took > self.warning && !self.warning.is_zero() {
            self.counters.slow_applies.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                took = ?took, expected_duration = ?self.warning, "apply request took too long"
            );
        }
        now
    }

    fn count(&self, applied: &Applied) {
        let counters = &self.counters;
        if let Some(committed) = &applied.committed {
            let puts = committed.events.iter().filter(|event| !event.tombstone);
            add(&counters.put_bytes, puts.map(|event| event.row.len() as u64).sum());
        }
        match &applied.result {
            Ok(Answer::Put(_)) => add(&counters.puts, 1),
            Ok(Answer::DeleteRange(_)) => add(&counters.deletes, 1),
            Ok(Answer::Txn(response)) => {
                let mut ops = Ops::default();
                ops.add(&response.responses);
                add(&counters.puts, ops.puts);
                add(&counters.deletes, ops.deletes);
                add(&counters.ranges, ops.ranges);
                add(&counters.txns, u64::from(ops.puts + ops.deletes + ops.ranges > 1));
            }
            Ok(Answer::LeaseGrant(response)) => {
                add(&counters.leases_granted, 1);
                observe_plain("etcd_debugging_lease_ttl_total", response.ttl as f64);
            }
            Ok(Answer::LeaseRevoke(_)) => add(&counters.leases_revoked, 1),
            _ => {}
        }
    }
}

/// Operations of one transaction, nested ones included.
#[derive(Default)]
struct Ops {
    puts: u64,
    deletes: u64,
    ranges: u64,
}

impl Ops {
    fn add(&mut self, responses: &[ResponseOp]) {
        for op in responses {
            match &op.response {
                Some(Response::ResponsePut(_)) => self.puts += 1,
                Some(Response::ResponseDeleteRange(_)) => self.deletes += 1,
                Some(Response::ResponseRange(_)) => self.ranges += 1,
                Some(Response::ResponseTxn(nested)) => self.add(&nested.responses),
                None => {}
            }
        }
    }
}
