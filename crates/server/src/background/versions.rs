//! The version the cluster speaks: the leader asks every member and takes the least; and it ends a
//! downgrade once all members have followed it.

use std::sync::Arc;
use std::time::Duration;

use ketch_base::Code;
use ketch_peer::{Versions, ask};
use ketch_proto::etcdserverpb::InternalRaftRequest;
use ketch_proto::membershippb::{ClusterVersionSetRequest, DowngradeInfoSetRequest};

use crate::config::ETCD_VERSION;
use crate::member::Member;

/// How often members are asked (etcd: the write time-out of peers less a second).
const INTERVAL: Duration = Duration::from_secs(4);
/// What a cluster speaks of which nobody can be asked (etcd).
const MINIMUM: Minor = Minor(3, 0);

/// A version as far as clusters speak one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Minor(u32, u32);

impl Minor {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        Some(Self(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    /// Whether a cluster may go back from here to `to`: one minor at a time.
    fn may_fall_to(self, to: Self) -> bool {
        self.0 == to.0 && self.1 == to.1 + 1
    }
}

impl std::fmt::Display for Minor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.0", self.0, self.1)
    }
}

/// Agrees on the version whenever this member leads.
pub(super) async fn negotiate(member: Arc<Member>) {
    let mut leadership = member.progress.leadership();
    loop {
        if leadership.borrow_and_update().is_self
            && let Err(error) = update(&member).await
        {
            tracing::warn!(error = %error, "failed to monitor cluster version");
        }
        // At once when leadership comes; an error is the end of the process.
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            changed = leadership.changed() => if changed.is_err() { return },
        }
    }
}

async fn update(member: &Member) -> Result<(), Code> {
    let servers = servers(member).await;
    let (current, target) = {
        let membership = member.shared.membership();
        let downgrade = membership.downgrade();
        let target = downgrade.enabled.then(|| Minor::parse(&downgrade.target_version)).flatten();
        (membership.cluster_version().and_then(Minor::parse), target)
    };
    let Some(next) = decide(current, servers, target) else { return Ok(()) };
    match current {
        None => tracing::info!(cluster_version = %next, "setting up initial cluster version"),
        Some(current) => {
            tracing::info!(from = %current, to = %next, "updating cluster version");
        }
    }
    let request = InternalRaftRequest {
        cluster_version_set: Some(ClusterVersionSetRequest { ver: next.to_string() }),
        ..Default::default()
    };
    member.propose(request).await.map(drop)
}

/// What the cluster shall speak from now on, if that changes. `least` is the least version among
/// the members, unknown unless all answered.
fn decide(current: Option<Minor>, least: Option<Minor>, target: Option<Minor>) -> Option<Minor> {
    let Some(current) = current else { return Some(least.unwrap_or(MINIMUM)) };
    let least = least?;
    if let Some(target) = target {
        return (target != current && current.may_fall_to(target)).then_some(target);
    }
    (current.0 == least.0 && current < least).then_some(least)
}

/// The least version of all members' programs; `None` if any does not answer.
async fn servers(member: &Member) -> Option<Minor> {
    let own = Minor::parse(ETCD_VERSION);
    let mut least = own;
    for (id, versions) in versions_of_others(member).await {
        let version = Minor::parse(&versions?.server)?;
        if own.is_some_and(|own| own < version) {
            tracing::warn!(
                remote_member_id = %id, remote_member_version = %version,
                "leader found higher-versioned member"
            );
        }
        least = least.min(Some(version));
    }
    least
}

async fn versions_of_others(member: &Member) -> Vec<(ketch_base::MemberId, Option<Versions>)> {
    let mut asked = tokio::task::JoinSet::new();
    for other in member.others() {
        let (patience, dialer) = (member.waiters.patience(), member.dialer());
        asked.spawn(async move {
            for url in &other.peer_urls {
                match ask::version(&dialer, url, patience).await {
                    Ok(versions) => return (other.id, Some(versions)),
                    Err(error) => tracing::warn!(
                        remote_member_id = %other.id, error = %error,
                        "failed to get version from remote member"
                    ),
                }
            }
            (other.id, None)
        });
    }
    asked.join_all().await
}

/// Ends a downgrade once every member speaks the version it went to.
pub(super) async fn end_downgrade(member: Arc<Member>, every: Duration) {
    if every.is_zero() {
        return;
    }
    loop {
        tokio::time::sleep(every).await;
        if !member.progress.is_leader() || !member.shared.membership().downgrade().enabled {
            continue;
        }
        let target = member.shared.membership().downgrade().target_version.clone();
        if !all_speak(&member, &target).await {
            continue;
        }
        tracing::info!(cluster_version = %target, "the cluster has been downgraded");
        let record = Some(DowngradeInfoSetRequest::default());
        let request = InternalRaftRequest { downgrade_info_set: record, ..Default::default() };
        if let Err(code) = member.propose(request).await {
            tracing::warn!(error = %code, "failed to cancel downgrade");
        }
    }
}

/// Whether all members are programs of the target's version, and the cluster speaks it.
async fn all_speak(member: &Member, target: &str) -> bool {
    let Some(target) = Minor::parse(target) else { return false };
    let cluster = member.shared.membership().cluster_version().and_then(Minor::parse);
    if cluster != Some(target) || Minor::parse(ETCD_VERSION) != Some(target) {
        return false;
    }
    let others = versions_of_others(member).await;
    others.iter().all(|(_, versions)| {
        versions.as_ref().and_then(|versions| Minor::parse(&versions.server)) == Some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions() {
        let check = |current: &str, least: &str, target: &str, expected: &str| {
            let decided = decide(Minor::parse(current), Minor::parse(least), Minor::parse(target));
            let text = decided.map(|version| version.to_string()).unwrap_or_default();
            assert_eq!(text, expected, "{current} {least} {target}");
        };
        check("", "3.7.1", "", "3.7.0");
        check("", "3.6.4", "", "3.6.0");
        check("", "", "", "3.0.0");
        check("3.6.0", "3.7.1", "", "3.7.0");
        check("3.7.0", "3.6.1", "", "");
        check("3.7.0", "3.7.1", "", "");
        check("3.6.0", "", "", "");
        check("3.7.0", "3.7.1", "3.6.0", "3.6.0");
        check("3.6.0", "3.7.1", "3.6.0", "");
        check("3.7.0", "3.7.1", "3.5.0", "");
        check("3.7.0", "", "3.6.0", "");
    }
}
