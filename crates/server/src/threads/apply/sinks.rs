//! Where an applied entry goes: the hub, then the waiter, and the figures.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ketch_apply::{Answer, Applied};
use ketch_backend::Backend;
use ketch_base::RequestId;
use ketch_proto::etcdserverpb::ResponseOp;
use ketch_proto::etcdserverpb::response_op::Response;

use crate::mailbox::Sender;
use crate::member::Member;
use crate::metrics::{Counters, add, observe_plain};
use crate::progress::Progress;
use crate::threads::compactor::Wake;
use crate::threads::{BackendJob, Pressure, Standing, WatchJob};
use crate::waiters::{Outcome, Waiters};

/// Commits up to this size together may wait for the hub to wake for another reason.
const SMALL_BYTES: usize = 16 * 1024;

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

impl Sinks {
    /// Hands out what a job came to: events before answers, so that who has an answer finds the hub
    /// told of it; each receiver is woken once. Gives the answers of membership changes, which have
    /// to wait until the node has heard of them.
    pub(super) fn deliver(
        &self,
        standing: &Standing,
        mut done: Vec<Applied>,
    ) -> Vec<(RequestId, Outcome)> {
        done.iter().for_each(|applied| self.count(applied));
        let bytes = self.post(&mut done);
        let is_compaction = |done: &Applied| matches!(done.result, Ok(Answer::Compaction(_)));
        let is_compacted = done.iter().any(is_compaction);
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
        // Last: it may take the processor, and the answers need it for less time.
        self.wake_hub(bytes, is_compacted);
        changes
    }

    /// Posts commits to the hub, which is not woken yet; gives their size.
    fn post(&self, done: &mut [Applied]) -> usize {
        let mut bytes = 0;
        let commits = done.iter_mut().filter_map(|applied| applied.committed.take());
        let jobs = commits.map(|commit| {
            bytes += commit.events.iter().map(|event| event.row.len()).sum::<usize>();
            WatchJob::Committed(commit)
        });
        self.watch.send_all_quietly(jobs);
        bytes
    }

    /// Wakes the hub for commits of this size. Where nobody watches it need not hear of small ones
    /// one by one, but it must before a compaction, which waits for it.
    fn wake_hub(&self, bytes: usize, is_compacted: bool) {
        if is_compacted || bytes > SMALL_BYTES {
            self.watch.wake();
        } else {
            self.watch.wake_patient();
        }
        if is_compacted {
            let _ = self.compactor.try_send(Wake::Work);
        }
    }

    pub(super) fn note_end(&self, op: &'static str, is_ok: bool, since: Instant) -> Instant {
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
