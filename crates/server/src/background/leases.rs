//! What a leader does for leases: it proposes to revoke what has expired, and notes what is left
//! of the long ones.

use std::sync::Arc;
use std::time::Duration;

use ketch_base::{Code, limits};
use ketch_proto::etcdserverpb::{InternalRaftRequest, LeaseCheckpoint, LeaseRevokeRequest};
use tokio::time::{MissedTickBehavior, interval};

use crate::member::{Member, checkpoint_request};
use crate::metrics::add;

/// How often leases are looked at (etcd's pace).
const LOOK: Duration = Duration::from_millis(500);
/// Checkpoints of one proposal (etcd).
const CHECKPOINTS_MAX: usize = 1_000;

/// Proposes to revoke what has expired, on the leader.
pub(super) async fn expire(member: Arc<Member>) {
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if !member.progress.is_leader() {
            continue;
        }
        // Before the look: what was seen in one term must not be proposed in another.
        let term = member.progress.term();
        let expired = member.lessor.expired(member.clock.now_ms(), limits::LEASE_REVOKE_BATCH);
        if expired.is_empty() {
            continue;
        }
        // A process that slept may find everything expired and be no leader any more: others may
        // have renewed since. What stays expired is named again later.
        if member.progress.has_others() && member.linearize().await.is_err() {
            continue;
        }
        for id in expired {
            add(&member.counters.leases_expired, 1);
            let member = Arc::clone(&member);
            tokio::spawn(async move {
                let mut request = InternalRaftRequest {
                    lease_revoke: Some(LeaseRevokeRequest { id: id.0 }),
                    ..Default::default()
                };
                match member.propose_in_term(term, &mut request).await {
                    Ok(_) | Err(Code::LeaseNotFound | Code::Stopped | Code::NotLeader) => {}
                    Err(code) => tracing::warn!(
                        lease_id = %id, error = %code, "failed to revoke lease"
                    ),
                }
            });
        }
    }
}

/// Proposes what is left of leases that run long, so that the next leader begins there.
pub(super) async fn checkpoint(member: Arc<Member>) {
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if !member.progress.is_leader() {
            continue;
        }
        let term = member.progress.term();
        let due = member.lessor.checkpoints(member.clock.now_ms(), CHECKPOINTS_MAX);
        if due.is_empty() {
            continue;
        }
        let checkpoints = due
            .into_iter()
            .map(|(id, remaining_ttl)| LeaseCheckpoint { id: id.0, remaining_ttl })
            .collect();
        let mut request = checkpoint_request(checkpoints);
        if let Err(code) = member.propose_in_term(term, &mut request).await {
            tracing::debug!(error = %code, "failed to note what is left of leases");
        }
    }
}
