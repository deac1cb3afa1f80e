//! Tickers: they look at the state and propose; they never write.

mod compaction;
pub(crate) mod corruption;
mod leases;
mod versions;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ketch_base::Code;
use ketch_node::LogJob;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{AutoCompaction, Config};
use crate::mailbox::Sender;
use crate::member::Member;
use crate::metrics::{add, upkeep};
use crate::threads::{ApplyTask, NodeTask, WatchJob};

/// How often late requests are ended.
const SWEEP: Duration = Duration::from_millis(500);
/// How often dead tokens are looked for (etcd).
const TOKENS_LOOK: Duration = Duration::from_secs(1);
/// How often freed memory is looked for.
const MEMORY_LOOK: Duration = Duration::from_secs(1);
/// So much is asked for then, and not touched: more than the allocator has in store for a thread.
const MEMORY_ASKED_BYTES: usize = 4 * 1024 * 1024;
/// How often histograms are kept small.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long a start waits for peers before it lets an election time-out run its full length (etcd).
const ADVANCE_PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks for them.
const ADVANCE_LOOK: Duration = Duration::from_millis(50);

/// Starts every ticker.
pub(crate) fn start_on(
    runtime: &tokio::runtime::Runtime,
    member: &Arc<Member>,
    config: &Config,
    log: Sender<LogJob>,
    apply: Sender<ApplyTask>,
) {
    runtime.spawn(leases::expire(Arc::clone(member)));
    if config.lease_checkpoint || config.lease_checkpoint_persist {
        runtime.spawn(leases::checkpoint(Arc::clone(member)));
    }
    runtime.spawn(sweep(Arc::clone(member)));
    runtime.spawn(forget_tokens(Arc::clone(member)));
    runtime.spawn(give_back(log, apply));
    runtime.spawn(progress_ticks(Arc::clone(member), config.progress_notify_interval));
    runtime.spawn(versions::negotiate(Arc::clone(member)));
    runtime.spawn(versions::end_downgrade(Arc::clone(member), config.downgrade_check_time));
    if config.election_tick_advance {
        let election_ticks = config.election_ms / config.heartbeat_ms;
        runtime.spawn(advance(Arc::clone(member), u32::try_from(election_ticks).unwrap_or(0)));
    }
    corruption::start_on(runtime, member, config);
    match config.auto_compaction {
        AutoCompaction::Off => {}
        AutoCompaction::Periodic(window) => {
            runtime.spawn(compaction::by_time(Arc::clone(member), window));
        }
        AutoCompaction::Revision(keep) => {
            runtime.spawn(compaction::by_count(Arc::clone(member), keep));
        }
    }
}

/// A member of many that is started again, and reaches others, need not wait a whole election
/// time-out for a leader: its silence began long ago.
async fn advance(member: Arc<Member>, election_ticks: u32) {
    if !member.progress.has_others() {
        return;
    }
    let end = Instant::now() + ADVANCE_PATIENCE;
    while Instant::now() < end {
        tokio::time::sleep(ADVANCE_LOOK).await;
        let links = member.link_status();
        if links.iter().filter(|link| link.active_since.is_some()).count() > 1 {
            // A leader's word may be on its way: two ticks are left for it.
            let ticks = election_ticks.saturating_sub(2);
            if member.progress.leader() == 0 {
                let _ = member.node.try_send(NodeTask::Advance(ticks));
            }
            return;
        }
    }
}

/// Forgets simple tokens that were not used for too long.
async fn forget_tokens(member: Arc<Member>) {
    let mut tick = interval(TOKENS_LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        member.auth.tokens().tick(member.clock.now_ms());
    }
}

/// The allocator gives freed memory back to the system after a second, but looks for it only when
/// it is asked for more: a member at rest would keep what its last work took. What threads keep
/// for themselves they give back before: see `rest`.
async fn give_back(log: Sender<LogJob>, apply: Sender<ApplyTask>) {
    let mut tick = interval(MEMORY_LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        log.let_rest();
        apply.let_rest();
        drop(std::hint::black_box(Vec::<u8>::with_capacity(MEMORY_ASKED_BYTES)));
    }
}

/// Ends requests and reads that wait too long.
async fn sweep(member: Arc<Member>) {
    let mut tick = interval(SWEEP);
    let mut rounds = 0_u32;
    let mut question = None;
    loop {
        tick.tick().await;
        rounds += 1;
        member.waiters.sweep();
        if rounds
            .is_multiple_of(u32::try_from(UPKEEP.as_millis() / SWEEP.as_millis()).unwrap_or(10))
        {
            upkeep();
            member.counters.peers.lock().publish(&member);
        }
        // A question that is the same one after a whole request time-out is late.
        let patience = member.waiters.patience();
        match (member.reads.under_way(), question) {
            (Some(token), Some((same, since))) if token == same => {
                if Instant::now().duration_since(since) > patience {
                    add(&member.counters.slow_read_indexes, 1);
                    member.reads.abandon(Code::Timeout);
                    question = None;
                }
            }
            (Some(token), _) => question = Some((token, Instant::now())),
            (None, _) => question = None,
        }
    }
}

async fn progress_ticks(member: Arc<Member>, every: Duration) {
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    loop {
        tick.tick().await;
        // A full mailbox has events to show instead.
        let _ = member.watch_jobs.try_send(WatchJob::ProgressTick);
    }
}
