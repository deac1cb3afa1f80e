//! Automatic compaction: by time, or by count of revisions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ketch_base::Code;
use ketch_proto::etcdserverpb::{CompactionRequest, InternalRaftRequest};
use tokio::time::interval;

use crate::member::Member;

/// Looks per window of periodic compaction (etcd takes ten).
const LOOKS_PER_WINDOW: u32 = 10;
/// Longest time between two compactions by time.
const HOUR: Duration = Duration::from_secs(3600);
/// How often compaction by revision looks.
const REVISION_LOOK: Duration = Duration::from_secs(300);

/// Keeps a window of time: remembers the revision at each look, and compacts to the one that is
/// as old as the window.
pub(super) async fn by_time(member: Arc<Member>, window: Duration) {
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
pub(super) async fn by_count(member: Arc<Member>, keep: i64) {
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
