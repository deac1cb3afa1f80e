//! Tickers: they look at the state and propose; they never write.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ketch_base::{Code, limits};
use ketch_proto::etcdserverpb::{CompactionRequest, InternalRaftRequest, LeaseRevokeRequest};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{AutoCompaction, Config};
use crate::member::Member;
use crate::metrics::{add, upkeep};
use crate::threads::WatchJob;

/// How often expired leases are looked for (etcd's pace).
const LEASE_LOOK: Duration = Duration::from_millis(500);
/// How often late requests are ended.
const SWEEP: Duration = Duration::from_millis(500);
/// How often histograms are kept small.
const UPKEEP: Duration = Duration::from_secs(5);
/// Looks per window of periodic compaction (etcd takes ten).
const LOOKS_PER_WINDOW: u32 = 10;
/// Longest time between two compactions by time.
const HOUR: Duration = Duration::from_secs(3600);
/// How often compaction by revision looks.
const REVISION_LOOK: Duration = Duration::from_secs(300);

/// Starts every ticker.
pub(crate) fn start_on(runtime: &tokio::runtime::Runtime, member: &Member, config: &Config) {
    runtime.spawn(leases(member.clone()));
    runtime.spawn(sweep(member.clone()));
    runtime.spawn(progress_ticks(member.clone(), config.progress_notify_interval));
    match config.auto_compaction {
        AutoCompaction::Off => {}
        AutoCompaction::Periodic(window) => {
            runtime.spawn(compact_by_time(member.clone(), window));
        }
        AutoCompaction::Revision(keep) => {
            runtime.spawn(compact_by_count(member.clone(), keep));
        }
    }
}

/// Proposes to revoke what has expired, on the leader.
async fn leases(member: Member) {
    let mut tick = interval(LEASE_LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if !member.progress.is_leader() {
            continue;
        }
        for id in member.lessor.expired(member.clock.now_ms(), limits::LEASE_REVOKE_BATCH) {
            add(&member.counters.leases_expired, 1);
            let member = member.clone();
            tokio::spawn(async move {
                let request = InternalRaftRequest {
                    lease_revoke: Some(LeaseRevokeRequest { id: id.0 }),
                    ..Default::default()
                };
                match member.propose(request).await {
                    Ok(_) | Err(Code::LeaseNotFound | Code::Stopped) => {}
                    // It stays expired and is found again.
                    Err(code) => tracing::warn!(
                        lease_id = %id, error = %code, "failed to revoke lease"
                    ),
                }
            });
        }
    }
}

/// Ends requests and reads that wait too long.
async fn sweep(member: Member) {
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
        }
        // A question that is the same one after a whole request time-out is late.
        let patience = Duration::from_secs(5) + member.options.election * 2;
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

async fn progress_ticks(member: Member, every: Duration) {
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    loop {
        tick.tick().await;
        // A full mailbox has events to show instead.
        let _ = member.watch_jobs.try_send(WatchJob::ProgressTick);
    }
}

/// Keeps a window of time: remembers the revision at each look, and compacts to the one that is
/// as old as the window.
async fn compact_by_time(member: Member, window: Duration) {
    let every = window.min(HOUR) / LOOKS_PER_WINDOW;
    let mut seen: VecDeque<(Instant, i64)> = VecDeque::new();
    let mut last = 0;
    let mut compacted_at = Instant::now();
    let mut tick = interval(every);
    loop {
        tick.tick().await;
        let now = Instant::now();
        seen.push_back((now, member.reader.revision()));
        let mut target = None;
        while let Some((at, revision)) = seen.front().copied() {
            if now.duration_since(at) < window {
                break;
            }
            target = Some(revision);
            seen.pop_front();
        }
        let due = now.duration_since(compacted_at) >= window.min(HOUR);
        let Some(revision) = target.filter(|revision| due && *revision > last) else { continue };
        if compact(&member, revision).await {
            (last, compacted_at) = (revision, now);
        }
    }
}

/// Keeps so many revisions.
async fn compact_by_count(member: Member, keep: i64) {
    let mut last = 0;
    let mut tick = interval(REVISION_LOOK);
    loop {
        tick.tick().await;
        let revision = member.reader.revision() - keep;
        if revision > last && compact(&member, revision).await {
            last = revision;
        }
    }
}

async fn compact(member: &Member, revision: i64) -> bool {
    if !member.progress.is_leader() {
        return false;
    }
    let request = InternalRaftRequest {
        compaction: Some(CompactionRequest { revision, physical: false }),
        ..Default::default()
    };
    match member.propose(request).await {
        Ok(_) | Err(Code::Compacted) => {
            tracing::info!(revision, "completed auto compaction");
            true
        }
        Err(code) => {
            tracing::warn!(revision, error = %code, "failed auto compaction");
            false
        }
    }
}
