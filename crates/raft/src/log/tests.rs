//! The log tail: conflicts, watermarks under writes in flight, compaction.

use ketch_raft_proto::raftpb::Snapshot;

use super::*;

/// Entries from `first` on with the given terms.
fn entries(first: u64, terms: &[u64]) -> Vec<Entry> {
    let entry = |(offset, term): (usize, &u64)| Entry {
        term: Some(*term),
        index: Some(first + offset as u64),
        data: Some(vec![b'x'; 10].into()),
        ..Entry::default()
    };
    terms.iter().enumerate().map(entry).collect()
}

fn log(terms: &[u64]) -> Log {
    Log::new(EntryId::default(), entries(1, terms), 0, 0).expect("the terms ascend")
}

fn id(term: u64, index: u64) -> EntryId {
    EntryId { term, index }
}

#[test]
fn a_log_with_a_hole_is_refused() {
    let check = |before: EntryId, entries: Vec<Entry>, commit, applied, want: &str| {
        let error = Log::new(before, entries, commit, applied).map(|_| ()).expect_err(want);
        assert_eq!(error.to_string(), want);
    };
    check(id(0, 0), entries(2, &[1]), 0, 0, "log has a gap: entry 2 where 1 belongs");
    check(id(0, 0), entries(1, &[2, 1]), 0, 0, "entry 2 has term 1, less than the entry before it");
    check(id(0, 0), entries(1, &[1]), 2, 0, "commit 2 is outside of the log 0..=1");
    check(id(1, 4), entries(5, &[1]), 3, 3, "commit 3 is outside of the log 4..=5");
    check(id(1, 4), entries(5, &[1]), 5, 3, "applied 3 is outside of 4..=5");
}

#[test]
fn appending_keeps_what_agrees_and_drops_what_does_not() {
    // Own terms, (prev term, prev index), sent terms, resulting terms.
    let check = |own: &[u64], prev: EntryId, sent: &[u64], want: &[u64]| {
        let mut log = log(own);
        let last = log.append_after(prev, entries(prev.index + 1, sent));
        log.check();
        let terms: Vec<u64> = (1..=log.last()).filter_map(|index| log.term(index)).collect();
        assert_eq!((terms.as_slice(), last), (want, prev.index + sent.len() as u64));
    };
    check(&[1, 2, 2], id(2, 3), &[], &[1, 2, 2]);
    check(&[1, 2, 2], id(2, 3), &[3], &[1, 2, 2, 3]);
    check(&[1, 2, 2], id(1, 1), &[2], &[1, 2, 2]);
    check(&[1, 2, 2], id(1, 1), &[3], &[1, 3]);
    check(&[1, 2, 2], id(1, 1), &[2, 3, 3], &[1, 2, 3, 3]);
    check(&[1, 2, 2], id(0, 0), &[5], &[5]);
}

#[test]
fn a_cut_takes_the_proof_from_writes_under_way() {
    let mut log = log(&[]);
    for entry in entries(1, &[1, 1, 1]) {
        log.push(entry);
    }
    assert_eq!(log.begin_write(1).len(), 3);
    // Another leader overwrites 2 and 3, and a third brings the old ones back.
    log.append_after(id(1, 1), entries(2, &[2]));
    assert_eq!(log.begin_write(2).len(), 1);
    log.append_after(id(1, 1), entries(2, &[3, 3]));
    assert_eq!(log.begin_write(3).len(), 2);
    assert!(log.end_writes(1));
    assert_eq!(log.persisted(), 1, "only the entry nobody touched");
    assert!(!log.end_writes(2));
    assert!(log.end_writes(3));
    assert_eq!(log.persisted(), 3);
    log.check();
}

#[test]
fn where_logs_can_agree() {
    let log = log(&[1, 1, 3, 3, 5]);
    let check = |index, term, want| assert_eq!(log.last_not_above(index, term), want);
    check(5, 9, id(5, 5));
    check(5, 4, id(3, 4));
    check(5, 2, id(1, 2));
    check(5, 0, id(0, 0));
    check(9, 4, id(0, 9));
    let later = Log::new(id(3, 10), entries(11, &[4]), 10, 10).expect("sound");
    assert_eq!(later.last_not_above(10, 2), id(0, 9), "unknown below the tail");
}

#[test]
fn slices_are_cut_by_bytes_but_never_empty() {
    let log = log(&[1, 1, 1, 1]);
    let one = entry_bytes(&entries(1, &[1])[0]);
    let check = |from, to, max, want: usize| assert_eq!(log.slice(from, to, max).len(), want);
    check(1, 4, usize::MAX, 4);
    check(1, 4, one * 2, 2);
    check(1, 4, one * 2 + 1, 2);
    check(1, 4, 0, 1);
    check(3, 2, usize::MAX, 0);
    check(5, 9, usize::MAX, 0);
    check(4, 9, usize::MAX, 1);
}

#[test]
fn changes_are_found_in_their_place_only() {
    let mut log = log(&[1, 1]);
    log.push(Entry { r#type: Some(1), ..entries(3, &[1])[0].clone() });
    let check = |from, to, want| assert_eq!(log.has_change(from, to), want, "{from}..={to}");
    check(1, 3, true);
    check(3, 3, true);
    check(1, 2, false);
    check(4, 3, false);
    check(4, 9, false);
    assert_eq!(log.data_bytes(2, 3), 20);
    assert_eq!(log.data_bytes(4, 3), 0);
}

#[test]
fn compaction_stops_at_what_is_applied_and_durable() {
    let mut log = log(&[1, 1, 2, 2]);
    log.commit_to(3);
    assert_eq!(log.take_committed(true, usize::MAX).len(), 3);
    log.applied_to(2);
    log.compact(4);
    assert_eq!((log.before(), log.last()), (id(1, 2), 4));
    assert_eq!((log.term(1), log.term(2), log.term(3)), (None, Some(1), Some(2)));
    log.compact(1);
    assert_eq!(log.before(), id(1, 2), "never back");
    log.applied_to(3);
    log.compact(3);
    assert_eq!(log.before(), id(2, 3));
    log.check();
}

#[test]
fn the_tail_can_be_bounded_by_bytes() {
    let log = log(&[1, 1, 1, 1]);
    let one = entry_bytes(&entries(1, &[1])[0]);
    let check = |max, want| assert_eq!(log.first_within(max), want);
    check(4 * one, 1);
    check(2 * one, 3);
    check(2 * one - 1, 4);
    check(0, 5);
}

#[test]
fn unpersisted_entries_wait_unless_allowed() {
    let mut log = log(&[]);
    for entry in entries(1, &[1, 1]) {
        log.push(entry);
    }
    log.commit_to(2);
    assert!(log.take_committed(false, usize::MAX).is_empty());
    assert_eq!(log.take_committed(true, 0).len(), 1);
    log.begin_write(1);
    log.end_writes(1);
    assert_eq!(log.take_committed(false, usize::MAX).len(), 1);
}

#[test]
fn a_snapshot_replaces_all_and_is_installed_first() {
    let mut log = log(&[1, 1]);
    log.restore(Snapshot::default(), id(4, 9));
    log.check();
    assert_eq!((log.last_id(), log.committed(), log.persisted()), (id(4, 9), 9, 2));
    log.append_after(id(4, 9), entries(10, &[4]));
    log.commit_to(10);
    assert!(!log.has_committed(true), "the snapshot comes first");
    assert!(log.take_snapshot().is_some());
    assert!(!log.has_committed(true) && log.is_installing());
    log.applied_to(9);
    assert_eq!(log.take_committed(true, usize::MAX).len(), 1);
    assert_eq!(log.begin_write(1).len(), 1);
    log.end_writes(1);
    assert_eq!(log.persisted(), 10);
    log.check();
}
