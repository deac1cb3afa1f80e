//! Joining a cluster that runs: the list must be that cluster, this member included.

use std::fmt::Write;
use std::time::Duration;

use ketch_base::MemberId;
use ketch_node::recover::Begin;
use ketch_proto::etcdserverpb;

use super::same_urls::same_urls;
use super::verify::List;
use super::{Beginning, BootstrapError, Outside, Running, sorted_urls};
use crate::config::Config;

/// How long each member is waited for.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// Releases whose clusters can be joined, as major and minor.
const VERSIONS: std::ops::RangeInclusive<(u64, u64)> = (3, 0)..=(3, 7);

pub(super) fn join(
    config: &Config,
    list: List<'_>,
    outside: &impl Outside,
) -> Result<Beginning, BootstrapError> {
    let others = list.members.iter().filter(|(name, _)| name != list.name);
    let urls = sorted_urls(others.map(|(_, urls)| urls.clone()));
    let running = outside.cluster(&urls, ASK_TIMEOUT).map_err(BootstrapError::NoAnswer)?;
    let unequal = |why| BootstrapError::Unequal { cluster: written(&running), why };
    let local = own_id(list, &running, outside).map_err(unequal)?;
    if !is_compatible(local, &running, request_timeout(config), outside) {
        return Err(BootstrapError::Incompatible);
    }
    let learners = running.members.iter().filter(|member| member.is_learner).count();
    if learners > config.learners_max {
        return Err(BootstrapError::TooManyLearners);
    }
    let others = running.members.iter().filter(|member| member.id != local.0);
    Ok(Beginning {
        begin: Begin::Join { member: local, cluster: running.cluster },
        others: others.map(|member| (MemberId(member.id), member.peer_ur_ls.clone())).collect(),
    })
}

/// Finds each member of the cluster in the list by its URLs; returns this member's id there.
fn own_id(list: List<'_>, running: &Running, outside: &impl Outside) -> Result<MemberId, String> {
    if list.members.len() != running.members.len() {
        return Err("member count is unequal".to_owned());
    }
    let mut local = None;
    for member in &running.members {
        let mut why = String::new();
        let found = list.members.iter().find(|(_, urls)| {
            let same = same_urls(outside, &member.peer_ur_ls, urls);
            same.map_err(|difference| why = difference).is_ok()
        });
        let Some((name, _)) = found else {
            return Err(format!(
                "PeerURLs: no match found for existing member ({:x}, [{}]), last resolver error \
                 ({why})",
                member.id,
                member.peer_ur_ls.join(" ")
            ));
        };
        if name == list.name {
            local = Some(MemberId(member.id));
        }
    }
    // All lists are of one length and no URL occurs twice, so each entry was found once.
    local.ok_or_else(|| "member count is unequal".to_owned())
}

/// Whether some other member answers, and all that do are of a release this one can join.
fn is_compatible(
    local: MemberId,
    running: &Running,
    timeout: Duration,
    outside: &impl Outside,
) -> bool {
    let mut is_any = false;
    for member in running.members.iter().filter(|member| member.id != local.0) {
        let Some(version) = outside.cluster_version(&member.peer_ur_ls, timeout) else { continue };
        let Some(release) = major_minor(&version) else {
            tracing::warn!(version, "failed to parse cluster version of remote member");
            continue;
        };
        if !VERSIONS.contains(&release) {
            tracing::warn!(
                remote_member_id = %MemberId(member.id), version,
                "cluster version of remote member is not compatible"
            );
            return false;
        }
        is_any = true;
    }
    is_any
}

fn major_minor(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

fn request_timeout(config: &Config) -> Duration {
    Duration::from_secs(5) + Duration::from_millis(2 * config.election_ms)
}

/// The cluster as etcd prints it.
fn written(running: &Running) -> String {
    let mut members: Vec<&etcdserverpb::Member> = running.members.iter().collect();
    members.sort_by_key(|member| member.id);
    let mut text = format!("{{ClusterID:{} Members:[", running.cluster);
    for (place, member) in members.iter().enumerate() {
        let space = if place == 0 { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{space}&{{ID:{:x} RaftAttributes:{{PeerURLs:[{}] IsLearner:{}}} \
             Attributes:{{Name:{} ClientURLs:[{}]}}}}",
            member.id,
            member.peer_ur_ls.join(" "),
            member.is_learner,
            member.name,
            member.client_ur_ls.join(" ")
        );
    }
    text + "] RemovedMemberIDs:[]}"
}
