//! The checks prove themselves: every planted bug is found, by a check that is meant to find it,
//! within a bounded number of seeds; and the same seeds are clean without one.
//!
//! Run with optimisation and the feature, else it takes long or is not there at all:
//! `cargo test --release -p ketch-sim --features planted --test planted`.
#![cfg(feature = "planted")]

use std::collections::BTreeMap;
use std::sync::Once;

use ketch_base::planted::Bug;
use ketch_sim::{Options, run, run_planted};

/// Seeds within which a bug must be found.
const SEEDS: u64 = 400;
/// Seeds that must be clean.
const CLEAN_SEEDS: u64 = 150;

/// A panic is a finding like any other, and told with the rest.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let here = std::thread::current();
            // Only of the tests themselves: members die by the hundred here.
            if info.location().is_some_and(|at| at.file().ends_with("planted.rs")) {
                eprintln!("in {}:", here.name().unwrap_or("a test"));
                told(info);
            }
        }));
    });
}

/// Runs seeds until one of `checks` finds the bug: a violation's text begins with one of them.
/// Other ways to notice that something is wrong (a member that will not start) do not count.
fn is_found(bug: Bug, checks: &[&str]) {
    hush();
    let mut others: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 1..=SEEDS {
        let Some(violation) = run_planted(seed, bug, Options::default()).violation else {
            continue;
        };
        let text = violation.to_string();
        if checks.iter().any(|check| text.starts_with(check)) {
            println!("{bug:?}: seed {seed}: {text}");
            return;
        }
        *others.entry(violation.check).or_default() += 1;
    }
    panic!("{bug:?} is not found in {SEEDS} seeds by {checks:?}; found otherwise: {others:?}");
}

macro_rules! found {
    ($($test:ident: $bug:ident => $($check:literal)|+;)*) => {
        $(#[test]
        fn $test() {
            is_found(Bug::$bug, &[$($check),+]);
        })*

        #[test]
        fn every_bug_has_its_test() {
            let mut tested = [$(Bug::$bug),*];
            tested.sort_unstable();
            assert_eq!(tested, Bug::ALL);
        }
    };
}

found! {
    unsynced_reply: UnsyncedReply => "leader completeness" | "durability";
    early_ack: EarlyAck => "leader completeness";
    own_unsynced: OwnUnsynced => "leader completeness";
    vote_twice: VoteTwice => "election safety";
    forgotten_vote: ForgottenVote => "election safety";
    blind_vote: BlindVote => "leader completeness";
    paused_for_ever: PausedForEver => "liveness" | "world: the cluster does not come to rest";
    unchecked_append: UncheckedAppend => "log matching";
    cut_tail: CutTail => "leader completeness";
    snapshot_without_members: SnapshotWithoutMembers => "election safety";
    snapshot_without_leases: SnapshotWithoutLeases => "state machine safety";
    snapshot_without_deletions: SnapshotWithoutDeletions => "state machine safety" | "equal state";
    lost_conf_change: LostConfChange => "leader completeness" | "election safety";
    applied_again: AppliedAgain => "state machine safety";
    proposed_again: ProposedAgain => "linearizability";
    unconfirmed_read: UnconfirmedRead => "revision monotonic" | "linearizability";
    fresh_leader_read: FreshLeaderRead => "revision monotonic" | "linearizability";
    early_read: EarlyRead => "revision monotonic" | "linearizability";
    loose_compare: LooseCompare => "linearizability";
    compacted_live: CompactedLive => "linearizability";
    keys_untied: KeysUntied => "state machine safety";
    lease_not_extended: LeaseNotExtended => "lease";
    watch_gap: WatchGap => "watch";
    watch_repeat: WatchRepeat => "watch";
    watch_split: WatchSplit => "watch";
    early_progress: EarlyProgress => "watch";
    unjudged_apply: UnjudgedApply => "permissions";
    stale_rights: StaleRights => "permissions";
    old_auth_revision: OldAuthRevision => "permissions";
    nested_unjudged: NestedUnjudged => "permissions";
    token_on_one: TokenOnOne => "equal rights";
    token_dies_early: TokenDiesEarly => "tokens";
    password_keeps_tokens: PasswordKeepsTokens => "permissions";
    unstored_revoke: UnstoredRevoke => "equal rights";
    snapshot_without_rights: SnapshotWithoutRights => "equal rights";
    judged_lease_begins: JudgedLeaseBegins => "lease";
}

#[test]
fn without_a_bug_nothing_is_found_and_every_check_looked() {
    hush();
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 1..=CLEAN_SEEDS {
        let report = run(seed, Options::default());
        assert_eq!(report.violation, None, "seed {seed}: {}", report.nature);
        for (check, count) in report.seen {
            *seen.entry(check).or_default() += count;
        }
    }
    assert!(!seen.is_empty());
    for (check, count) in seen {
        assert!(count > 0, "{check} saw nothing");
    }
}
