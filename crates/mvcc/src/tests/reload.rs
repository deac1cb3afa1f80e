//! Another database under a living store: nobody is told anything wrong.

use ketch_base::Code;
use ketch_proto::etcdserverpb::range_request::{SortOrder, SortTarget};

use super::*;
use crate::{Error, WriteTxn, bounds};

/// A member, and the leader it has lost sight of. Both have the same first revisions.
struct Pair {
    member: Fixture,
    leader: Fixture,
}

/// What is asked of the member around the switch.
const OLD_REVISION: i64 = 14;

impl Pair {
    /// The member stands at [`OLD_REVISION`], compacted at 4; the leader is ahead, compacted at
    /// `compacted`, with the rows gone or (`kept`) not yet.
    fn new(compacted: i64, kept: bool) -> Self {
        let mut pair = Self { member: Fixture::new(), leader: Fixture::new() };
        for fixture in [&mut pair.member, &mut pair.leader] {
            first(fixture);
        }
        let leader = &mut pair.leader;
        many(leader, |txn, key| _ = txn.delete_range(&KeyRange::Key(key)));
        for key in ["a", "c", "e"] {
            leader.put(key, "later");
        }
        leader.delete("b");
        if compacted > 4 {
            leader.compact(compacted);
        }
        if !kept {
            leader.settle();
        }
        pair
    }

    fn install(&mut self) {
        let from = self.leader.store().shared.backend.clone();
        let folder = self.member.folder.path().to_owned();
        snapshot::install(&from, &folder, &mut self.member.open().drain);
    }

    fn reload(&mut self) {
        self.member.store().reload().expect("a history");
    }
}

/// More keys than one hold of the index passes, in one revision.
fn many(fixture: &mut Fixture, change: impl Fn(&mut WriteTxn<'_>, Bytes)) {
    let mut txn = fixture.store().write();
    (0..3 * bounds::CHUNK_KEYS).for_each(|n| change(&mut txn, format!("b{n:03}").into()));
    txn.commit(Batch::new());
}

/// Revisions 2 to 14.
fn first(fixture: &mut Fixture) {
    for (key, value) in [("a", "1"), ("b", "1"), ("c", "1")] {
        fixture.put(key, value);
    }
    fixture.compact(4);
    fixture.settle();
    for (key, value) in [("a", "2"), ("d", "1"), ("e", "1"), ("f", "1"), ("b", "2")] {
        fixture.put(key, value);
    }
    fixture.delete("c");
    fixture.delete("f");
    fixture.put("c", "again");
    fixture.put("a", "3");
    many(fixture, |txn, key| _ = txn.put(key, "m".into(), 0));
}

/// Requests of every kind that reads rows in its own way.
fn requests() -> Vec<RangeRequest> {
    let all = everything();
    let sorted = |target: SortTarget, order: SortOrder| RangeRequest {
        sort_target: target as i32,
        sort_order: order as i32,
        ..all.clone()
    };
    vec![
        all.clone(),
        RangeRequest { keys_only: true, ..all.clone() },
        RangeRequest { count_only: true, ..all.clone() },
        RangeRequest { limit: 2, ..all.clone() },
        RangeRequest { limit: 9, ..all.clone() },
        sorted(SortTarget::Value, SortOrder::Descend),
        sorted(SortTarget::Mod, SortOrder::Descend),
        RangeRequest { keys_only: true, ..sorted(SortTarget::Key, SortOrder::Descend) },
        range("a", ""),
        range("c", ""),
        range("f", ""),
    ]
}

/// A range being answered.
struct Reading {
    at: i64,
    plan: Result<Plan, Code>,
    rows: Vec<u8>,
}

/// Count, more, rows.
type Answer = Result<(i64, bool, Vec<u8>), Code>;

impl Reading {
    /// Every request at every revision that the member can answer.
    fn all(reader: &Reader) -> Vec<Self> {
        let at_all = |request: RangeRequest| {
            (4..=OLD_REVISION).map(move |at| RangeRequest { revision: at, ..request.clone() })
        };
        let begin = |request: RangeRequest| {
            let plan = reader.plan(&request);
            Self { at: request.revision, plan, rows: Vec::new() }
        };
        requests().into_iter().flat_map(at_all).map(begin).collect()
    }

    /// Reads up to so many rows more.
    fn advance(&mut self, rows: usize) {
        for _ in 0..rows {
            let Ok(plan) = &mut self.plan else { return };
            match plan.next_chunk(1) {
                Ok(Some(chunk)) => self.rows.extend_from_slice(&chunk),
                Ok(None) => return,
                Err(Error::Refused(code)) => self.plan = Err(code),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn finish(mut self) -> Answer {
        self.advance(999);
        let plan = self.plan?;
        assert_eq!(self.rows.len() as u64, plan.kvs_bytes, "what was announced is there");
        Ok((plan.count, plan.more, self.rows))
    }
}

/// Right answers, and refusals where they are due.
fn judge(readings: Vec<Reading>, right: &[Answer], compacted: i64) -> [usize; 2] {
    let mut counts = [0, 0];
    assert_eq!(readings.len(), right.len());
    for (reading, right) in readings.into_iter().zip(right) {
        let at = reading.at;
        let answer = reading.finish();
        if answer == Err(Code::Compacted) {
            assert!(at < compacted);
            counts[1] += 1;
        } else {
            assert_eq!(answer, *right, "at {at}");
            counts[0] += 1;
        }
    }
    counts
}

#[test]
fn the_new_history_is_that_of_the_leader() {
    for (compacted, kept) in [(4, false), (9, false), (9, true), (16, false), (16, true)] {
        let mut pair = Pair::new(compacted, kept);
        let Pair { member, leader } = &mut pair;
        leader.put_leased("l", "x", 7);
        member.store().take_leased();
        pair.install();
        pair.reload();
        let Pair { member, leader } = &mut pair;
        let (ours, theirs) = (member.reader(), leader.reader());
        assert_eq!(ours.revision(), theirs.revision());
        assert_eq!(ours.compact_revision(), compacted);
        assert_eq!(ours.finished_compaction(), theirs.finished_compaction());
        assert_eq!(member.store().take_leased(), [(Bytes::from("l"), 7)]);
        assert_eq!(ours.stats().keys, theirs.stats().keys);
        assert_eq!(ours.hash_kv(0).expect("now"), theirs.hash_kv(0).expect("now"));
        leader.settle();
        member.settle();
        assert_eq!(ours.finished_compaction(), compacted);
        assert_eq!(ours.stats(), theirs.stats());
        let hash = ours.hash_kv(0).expect("now");
        assert_eq!(hash, theirs.hash_kv(0).expect("now"));
        drop((ours, theirs));
        member.put("a", "more");
        leader.put("a", "more");
        member.reopen();
        let hash_kv = |fixture: &mut Fixture| fixture.reader().hash_kv(0).expect("now");
        assert_eq!(hash_kv(member), hash_kv(leader));
        assert_ne!(hash_kv(member).hash, hash.hash);
    }
}

#[test]
fn a_range_across_the_switch_is_right_or_compacted() {
    for (compacted, revisions) in [(4, 0), (9, 5), (16, 11)] {
        for rows in [0, 1, 5, 12] {
            let mut pair = Pair::new(compacted, false);
            let reader = pair.member.reader();
            let right: Vec<Answer> =
                Reading::all(&reader).into_iter().map(Reading::finish).collect();
            assert!(right.iter().all(Result::is_ok));
            let [mut before, mut until] = [Reading::all(&reader), Reading::all(&reader)];
            let advance = |all: &mut Vec<Reading>| all.iter_mut().for_each(|r| r.advance(rows));
            advance(&mut before);
            advance(&mut until);
            pair.install();
            advance(&mut before);
            judge(until, &right, compacted);
            judge(Reading::all(&reader), &right, compacted);
            let mut between = Reading::all(&reader);
            advance(&mut between);
            pair.reload();
            judge(before, &right, compacted);
            judge(between, &right, compacted);
            let counts = judge(Reading::all(&reader), &right, compacted);
            let refused = revisions * requests().len();
            assert_eq!(counts, [right.len() - refused, refused]);
        }
    }
}

#[test]
fn single_states_and_rows_across_the_switch() {
    let mut pair = Pair::new(9, false);
    let reader = pair.member.reader();
    let row = |main: i64| match reader.row(ketch_base::Revision { main, sub: 0 }) {
        Ok(_) => "row".to_owned(),
        Err(error) => error.to_string(),
    };
    let state = |at| match reader.state_at(b"a", at) {
        Ok(state) => state.map_or("none".into(), |state| state.revision.main.to_string()),
        Err(code) => code.to_string(),
    };
    let compacted = Code::Compacted.text();
    let seen = |at: &[i64]| at.iter().map(|at| state(*at)).collect::<Vec<_>>().join(" ");
    assert_eq!((row(5), row(6), seen(&[5, 9, 13])), ("row".into(), "row".into(), "5 5 13".into()));
    pair.install();
    assert_eq!((row(5), row(3)), ("row".into(), compacted.into()));
    assert_eq!(seen(&[9, 13]), "5 13");
    pair.reload();
    assert_eq!(
        (row(5), row(3), row(99)),
        ("row".into(), compacted.into(), "row 99.0 is missing from the database".into())
    );
    assert_eq!(seen(&[9, 13, 16]), "5 13 16");
    assert_eq!(state(5), compacted);
    assert_eq!(reader.current(b"a").map(|state| state.revision.main), Some(16));
}

#[test]
fn a_pin_does_not_hold_a_reload_back() {
    let mut pair = Pair::new(16, true);
    let reader = pair.member.reader();
    let pin = reader.pin(5).expect("not compacted");
    pair.install();
    pair.reload();
    assert!(reader.pin(15).is_err() && reader.pin(16).is_ok());
    drop(pin);
    assert_eq!(pair.member.settle(), [16]);
}

#[test]
fn hashes_are_never_of_two_databases() {
    for compacted in [4, 9, 16] {
        for at in [0, 5, 9, 12, 13] {
            let mut pair = Pair::new(compacted, false);
            let reader = pair.member.reader();
            let before = reader.hash_kv(at).expect("now");
            pair.install();
            match reader.hash_kv(at) {
                Ok(hash) => assert_eq!(hash, before),
                Err(error) => {
                    assert_eq!(error.to_string(), Code::TimeoutWaitAppliedIndex.text());
                }
            }
            pair.reload();
            match reader.hash_kv(at) {
                Ok(hash) => {
                    // The leader may have kept its own from before its compaction.
                    let leaders = pair.leader.reader().hash_kv(at).expect("same");
                    let same = hash.compact_revision == leaders.compact_revision;
                    assert!(!same || hash == leaders);
                    assert_eq!(hash.compact_revision, compacted);
                }
                Err(error) => {
                    assert_eq!(error.to_string(), Code::Compacted.text());
                    assert!(at > 0 && at < compacted);
                }
            }
        }
    }
}

#[test]
fn a_compaction_under_way_is_dropped_at_any_step() {
    for steps in 0..20 {
        for (compacted, kept) in [(12, true), (12, false), (16, true), (16, false)] {
            let mut pair = Pair::new(if compacted == 12 { 12 } else { 12.max(compacted) }, kept);
            pair.member.compact(12);
            let step = |pair: &mut Pair| {
                pair.member.open().compactor.step().expect("no error");
            };
            (0..steps).for_each(|_| step(&mut pair));
            pair.install();
            (0..steps % 3).for_each(|_| step(&mut pair));
            pair.reload();
            pair.member.settle();
            pair.leader.settle();
            let (ours, theirs) = (pair.member.reader(), pair.leader.reader());
            assert_eq!(ours.finished_compaction(), compacted);
            assert_eq!(ours.stats(), theirs.stats());
            assert_eq!(rows(&ours), rows(&theirs), "after {steps} steps");
            assert_eq!(ours.hash_kv(0).expect("now"), theirs.hash_kv(0).expect("now"));
        }
    }
}

fn rows(reader: &Reader) -> Vec<ketch_base::RevisionKey> {
    let all = ketch_base::Revision { main: i64::MAX, sub: 0 };
    let rows = reader.backend().view().rows(ketch_base::Revision::default(), all);
    rows.map(|row| row.expect("readable").0).collect()
}
