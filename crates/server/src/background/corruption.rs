//! Whether all members hold the same history: hashes are compared before a member serves, from
//! time to time, and after compactions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use ketch_base::{Code, MemberId};
use ketch_mvcc::HashKv;
use ketch_peer::HashAnswer;
use ketch_peer::ask::{self, AskError};
use ketch_proto::etcdserverpb::{
    AlarmRequest, AlarmType, InternalRaftRequest, alarm_request::AlarmAction,
};

use crate::config::Config;
use crate::member::Member;

/// Compactions whose hashes are remembered (etcd).
const COMPACTIONS_KEPT: usize = 10;
/// How long a member may take to answer while another one waits to serve.
const INITIAL_PATIENCE: Duration = Duration::from_secs(2);

/// Starts the checks that are on.
pub(super) fn start_on(runtime: &tokio::runtime::Runtime, member: &Arc<Member>, config: &Config) {
    if !config.corrupt_check_time.is_zero() {
        runtime.spawn(periodic(Arc::clone(member), config.corrupt_check_time));
    }
    if config.compact_hash_check {
        runtime.spawn(after_compactions(Arc::clone(member), config.compact_hash_check_time));
    }
}

/// Compares this member's newest hash with the others' before it serves clients.
///
/// # Errors
/// Another member has the same part of the history with another hash: this one must not serve.
pub(crate) async fn initial(member: &Member) -> Result<()> {
    tracing::info!(local_member_id = %member.id, "starting initial corruption check");
    let own = match member.hash_at(0).await {
        Ok(own) => own,
        Err(code) => bail!("error fetching hash ({code})"),
    };
    let mut mismatches = 0;
    for (id, answer) in ask_others(member, own.hash_revision, INITIAL_PATIENCE).await {
        match answer {
            Ok(other) if other.hash == own.hash => {}
            Ok(other) if other.compact_revision == own.compact_revision => {
                tracing::warn!(
                    remote_peer_id = %id, remote_peer_hash = other.hash, hash = own.hash,
                    "found different hash values from remote peer"
                );
                mismatches += 1;
            }
            Ok(other) => tracing::warn!(
                remote_peer_id = %id, remote_peer_compact_revision = other.compact_revision,
                compact_revision = own.compact_revision,
                "found different compact revision values from remote peer"
            ),
            Err(error) => tracing::warn!(
                remote_peer_id = %id, error = %error, "cannot fetch hash from remote peer"
            ),
        }
    }
    if mismatches > 0 {
        bail!("{} found data inconsistency with peers", member.id);
    }
    tracing::info!(
        local_member_id = %member.id, "initial corruption checking passed; no corruption"
    );
    Ok(())
}

/// The leader compares the newest hashes every so often.
async fn periodic(member: Arc<Member>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        if member.progress.is_leader()
            && let Err(code) = check_newest(&member).await
        {
            tracing::warn!(error = %code, "failed to check hash KV");
        }
    }
}

async fn check_newest(member: &Member) -> Result<(), Code> {
    let before = member.hash_at(0).await?;
    let others = ask_others(member, before.hash_revision, member.waiters.patience()).await;
    // Whatever the others had answered by then is now applied here as well.
    member.linearize().await?;
    let after = member.hash_at(0).await?;
    if let Some(corrupt) = first_corrupt(member.id, &before, &after, &others) {
        raise(member, corrupt).await;
    }
    let answered = others.iter().filter(|(_, answer)| answer.is_ok()).count();
    tracing::info!(number_of_peers_checked = answered, "finished peer corruption check");
    Ok(())
}

/// Who differs in a way that lag does not explain.
fn first_corrupt(
    own: MemberId,
    before: &HashKv,
    after: &HashKv,
    others: &[(MemberId, Result<HashAnswer, AskError>)],
) -> Option<MemberId> {
    let is_same_part = after.hash_revision == before.hash_revision
        && after.compact_revision == before.compact_revision;
    if is_same_part && after.hash != before.hash {
        return Some(own);
    }
    let answers = others.iter().filter_map(|(id, answer)| Some((*id, answer.as_ref().ok()?)));
    for (id, other) in answers {
        let is_ahead = other.header_revision > after.revision
            || other.compact_revision > after.compact_revision;
        let differs =
            other.compact_revision == before.compact_revision && other.hash != before.hash;
        if is_ahead || differs {
            tracing::warn!(
                remote_peer_id = %id, remote_peer_hash = other.hash, hash = before.hash,
                remote_peer_revision = other.header_revision,
                "hash or revision of a follower cannot be"
            );
            return Some(id);
        }
    }
    None
}

/// The leader compares the hashes that all members took at their last compactions.
async fn after_compactions(member: Arc<Member>, every: Duration) {
    let mut compacted = member.compacted.clone();
    let mut revisions = VecDeque::new();
    let mut checked = 0;
    let mut tick = tokio::time::interval(every);
    tick.tick().await;
    loop {
        tokio::select! {
            changed = compacted.changed() => {
                if changed.is_err() {
                    return;
                }
                revisions.push_back(*compacted.borrow_and_update());
                if revisions.len() > COMPACTIONS_KEPT {
                    revisions.pop_front();
                }
            }
            _ = tick.tick() => {
                if member.progress.is_leader() && member.progress.has_others() {
                    let unchecked = revisions.iter().rev().copied();
                    let unchecked: Vec<i64> = unchecked.take_while(|at| *at > checked).collect();
                    checked = check_compactions(&member, &unchecked).await.unwrap_or(checked);
                }
            }
        }
    }
}

/// Newest first, until one was checked with all members or an alarm was raised: its revision.
async fn check_compactions(member: &Member, revisions: &[i64]) -> Option<i64> {
    for revision in revisions {
        let Ok(own) = member.hash_at(*revision).await else { continue };
        let others = ask_others(member, *revision, member.waiters.patience()).await;
        match judge(member.id, &own, &others) {
            Verdict::Unknown => {}
            Verdict::Equal => return Some(*revision),
            Verdict::Corrupt(members) => {
                tracing::error!(revision, corrupted_members = ?members, "detected hash mismatch");
                for id in members {
                    raise(member, id).await;
                }
                return Some(*revision);
            }
        }
    }
    None
}

/// What the hashes of one compaction say.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Not all could be compared, and those that could are equal.
    Unknown,
    /// All members are equal.
    Equal,
    /// These differ from the majority; member 0 if there is none.
    Corrupt(Vec<MemberId>),
}

fn judge(
    own_id: MemberId,
    own: &HashKv,
    others: &[(MemberId, Result<HashAnswer, AskError>)],
) -> Verdict {
    let mut by_hash = BTreeMap::from([(own.hash, vec![own_id])]);
    let mut compared = 0;
    for (id, answer) in others {
        match answer {
            Ok(other) if other.compact_revision == own.compact_revision => {
                by_hash.entry(other.hash).or_default().push(*id);
                compared += 1;
            }
            _ => tracing::debug!(remote_peer_id = %id, "skipped peer's hash"),
        }
    }
    if by_hash.len() == 1 {
        return if compared == others.len() { Verdict::Equal } else { Verdict::Unknown };
    }
    let quorum = others.len().div_ceil(2) + 1;
    let majority = by_hash.iter().find(|(_, members)| members.len() >= quorum);
    let Some(majority) = majority.map(|(hash, _)| *hash) else {
        return Verdict::Corrupt(vec![MemberId(0)]);
    };
    by_hash.remove(&majority);
    Verdict::Corrupt(by_hash.into_values().flatten().collect())
}

async fn ask_others(
    member: &Member,
    revision: i64,
    patience: Duration,
) -> Vec<(MemberId, Result<HashAnswer, AskError>)> {
    let mut asked = tokio::task::JoinSet::new();
    for other in member.others() {
        let (cluster, dialer) = (member.cluster, member.dialer());
        asked.spawn(async move {
            let mut outcome = Err(AskError::NoUrl);
            for url in &other.peer_urls {
                outcome = ask::hash_kv(&dialer, url, cluster, revision, patience).await;
                if outcome.is_ok() {
                    break;
                }
            }
            (other.id, outcome)
        });
    }
    asked.join_all().await
}

async fn raise(member: &Member, corrupt: MemberId) {
    let request = InternalRaftRequest {
        alarm: Some(AlarmRequest {
            member_id: corrupt.0,
            action: AlarmAction::Activate.into(),
            alarm: AlarmType::Corrupt.into(),
        }),
        ..Default::default()
    };
    if let Err(code) = member.propose(request).await {
        tracing::warn!(error = %code, "failed to raise the alarm of a corrupt member");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(hash: u32, compact_revision: i64) -> Result<HashAnswer, AskError> {
        Ok(HashAnswer { hash, compact_revision, ..HashAnswer::default() })
    }

    #[test]
    fn the_majority_is_right() {
        let check = |others: Vec<Result<HashAnswer, AskError>>, expected: Verdict| {
            let own = HashKv { hash: 7, compact_revision: 5, hash_revision: 9, revision: 12 };
            let others: Vec<_> =
                others.into_iter().enumerate().map(|(n, a)| (MemberId(n as u64 + 2), a)).collect();
            assert_eq!(judge(MemberId(1), &own, &others), expected);
        };
        let corrupt = |ids: &[u64]| Verdict::Corrupt(ids.iter().map(|id| MemberId(*id)).collect());
        check(vec![answer(7, 5), answer(7, 5)], Verdict::Equal);
        check(vec![answer(7, 5), Err(AskError::NoUrl)], Verdict::Unknown);
        check(vec![answer(7, 5), answer(8, 4)], Verdict::Unknown);
        check(vec![answer(7, 5), answer(8, 5)], corrupt(&[3]));
        check(vec![answer(8, 5), answer(8, 5)], corrupt(&[1]));
        check(vec![answer(8, 5)], corrupt(&[0]));
        check(vec![answer(8, 5), answer(9, 5)], corrupt(&[0]));
        check(vec![answer(8, 5), Err(AskError::NoUrl)], corrupt(&[0]));
    }
}
