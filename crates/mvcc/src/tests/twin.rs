//! Random histories: the store against the naive model, at every revision it must know.
//!
//! Transactions, ranges with every field, compactions that stand half done, plans held open
//! across them, hashes and restarts come in any order. A failure prints the shortest list of
//! steps that shows it.

use ketch_backend::Batch;
use ketch_base::KeyRange;
use ketch_proto::etcdserverpb::RangeRequest;
use ketch_proto::mvccpb::KeyValue;
use proptest::option::weighted;
use proptest::prelude::*;
use prost::Message;

use super::model::{Answer, Change, Model};
use super::{Fixture, drain_plan};
use crate::{CompactStep, Error, Pin, Plan};

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Change>),
    Abandon(Vec<Change>),
    Range(RangeRequest, usize),
    OpenPlan(RangeRequest),
    ClosePlans,
    Pin(u8),
    Compact(u8),
    CompactorSteps(u8),
    Hash(u8),
    Drain,
    Reopen,
}

fn key() -> impl Strategy<Value = bytes::Bytes> {
    (0..30_u8).prop_map(|n| {
        let tail = if n.is_multiple_of(4) { "/with/a/tail/that/is/long" } else { "" };
        format!("k{n:02}{tail}").into()
    })
}

fn range_end() -> impl Strategy<Value = bytes::Bytes> {
    prop_oneof![
        2 => Just(bytes::Bytes::new()),
        2 => Just(bytes::Bytes::from_static(b"\0")),
        3 => key(),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let put = (key(), "[a-c]{0,2}", prop_oneof![3 => Just(0), 1 => Just(7), 1 => Just(i64::MAX)]);
    prop_oneof![
        5 => put.prop_map(|(key, value, lease)| Change::Put { key, value: value.into(), lease }),
        1 => (key(), range_end()).prop_map(|(k, end)| Change::Delete(KeyRange::new(k, end))),
        2 => key().prop_map(|k| Change::Delete(KeyRange::Key(k))),
    ]
}

/// Revisions are given as a share of those known, a little beyond on both sides.
fn request() -> impl Strategy<Value = RangeRequest> {
    let bound = || weighted(0.2, 0..80_i64);
    let what = (key(), range_end(), -2..12_i64, weighted(0.6, -1..90_i64));
    let form = (0..3_i32, 0..5_i32, any::<bool>(), prop::bool::weighted(0.2));
    (what, form, (bound(), bound(), bound(), bound())).prop_map(|(what, form, bounds)| {
        RangeRequest {
            key: what.0,
            range_end: what.1,
            limit: what.2,
            revision: what.3.unwrap_or(0),
            sort_order: form.0,
            sort_target: form.1,
            keys_only: form.2,
            count_only: form.3,
            min_mod_revision: bounds.0.unwrap_or(0),
            max_mod_revision: bounds.1.unwrap_or(0),
            min_create_revision: bounds.2.unwrap_or(0),
            max_create_revision: bounds.3.unwrap_or(0),
            serializable: false,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let changes = || prop::collection::vec(change(), 0..6);
    prop_oneof![
        14 => changes().prop_map(Step::Write),
        1 => changes().prop_map(Step::Abandon),
        12 => (request(), 1..200_usize).prop_map(|(r, n)| Step::Range(r, n)),
        2 => request().prop_map(Step::OpenPlan),
        1 => Just(Step::ClosePlans),
        1 => any::<u8>().prop_map(Step::Pin),
        2 => any::<u8>().prop_map(Step::Compact),
        6 => (1..12_u8).prop_map(Step::CompactorSteps),
        5 => any::<u8>().prop_map(Step::Hash),
        1 => Just(Step::Drain),
        1 => Just(Step::Reopen),
    ]
}

struct Pair {
    store: Fixture,
    model: Model,
    plans: Vec<(Plan, Answer)>,
    pins: Vec<Pin>,
    /// Compactions asked for whose rows may still be there.
    unfinished: Vec<i64>,
}

impl Pair {
    fn run(&mut self, step: &Step) {
        match step {
            Step::Write(changes) => self.write(changes),
            Step::Abandon(changes) => drop(self.changed(changes)),
            Step::Range(request, bytes_max) => self.range(request, *bytes_max),
            Step::OpenPlan(request) => {
                if let Ok(plan) = self.store.reader().plan(request) {
                    let answer = self.model.range(request).expect("a plan was made");
                    self.plans.push((plan, answer));
                }
            }
            Step::ClosePlans => self.close_plans(),
            Step::Pin(share) => {
                let at = self.revision_at(*share).max(1);
                self.pins.extend(self.store.reader().pin(at));
            }
            Step::Compact(share) => self.compact(*share),
            Step::CompactorSteps(count) => (0..*count).for_each(|_| self.compactor_step()),
            Step::Hash(share) => self.hash(self.revision_at(*share)),
            Step::Drain => {
                self.store.open().drain.step().expect("drained");
            }
            Step::Reopen => self.reopen(),
        }
        assert_eq!(self.store.store().revision(), self.model.revision);
        assert_eq!(self.store.store().compact_revision(), self.model.compacted);
    }

    /// 0 at one end, the newest revision near the other, and one beyond it.
    fn revision_at(&self, share: u8) -> i64 {
        (self.model.revision + 1) * i64::from(share) / 255
    }

    fn changed(&mut self, changes: &[Change]) -> crate::WriteTxn<'_> {
        let mut txn = self.store.store().write();
        for change in changes {
            match change.clone() {
                Change::Put { key, value, lease } => {
                    txn.put(key, value, lease);
                }
                Change::Delete(range) => {
                    txn.delete_range(&range);
                }
            }
        }
        txn
    }

    fn write(&mut self, changes: &[Change]) {
        let before = self.model.seen(self.model.revision);
        self.model.commit(changes);
        let (revision, rows) = (self.model.revision, self.model.seen(self.model.revision));
        let txn = self.changed(changes);
        let all = RangeRequest { key: "\0".into(), range_end: "\0".into(), ..Default::default() };
        let inside = txn.range(&all).expect("own writes are readable");
        assert_eq!(inside.revision, revision);
        let expected: Vec<_> = rows.values().map(|(_, row)| row.encode_to_vec()).collect();
        assert_eq!(inside.rows, expected);
        let committed = txn.commit(Batch::new());
        assert_eq!(committed.revision, revision);
        self.check_events(&committed, &before);
    }

    /// What watchers would get: previous rows are those before the change.
    fn check_events(
        &mut self,
        committed: &crate::Committed,
        before: &std::collections::BTreeMap<bytes::Bytes, (ketch_base::RevisionKey, KeyValue)>,
    ) {
        let reader = self.store.reader();
        let mut seen = before.clone();
        for event in committed.events.iter() {
            let row = KeyValue::decode(event.row.clone()).expect("rows are key-value pairs");
            assert_eq!((&row.key, row.mod_revision), (&event.key, committed.revision));
            let previous = seen.remove(&event.key).map(|(key, _)| key);
            assert_eq!((event.previous, event.created), (previous, previous.is_none()));
            assert_eq!(reader.version_before(&event.key, event.revision), previous);
            if !event.tombstone {
                let key = ketch_base::RevisionKey { revision: event.revision, tombstone: false };
                assert_eq!(reader.row(event.revision).expect("just written"), event.row);
                seen.insert(event.key.clone(), (key, row));
            }
        }
    }

    fn range(&mut self, request: &RangeRequest, bytes_max: usize) {
        let expected = self.model.range(request);
        match (self.store.reader().plan(request), expected) {
            (Ok(plan), Ok(answer)) => {
                assert_eq!(plan.revision, self.model.revision);
                check_plan(plan, &answer, bytes_max);
            }
            (plan, expected) => assert_eq!(plan.err(), expected.err()),
        }
        let inside = self.store.store().write().range(request);
        match (inside, self.model.range(request)) {
            (Ok(inside), Ok(answer)) => {
                let rows: Vec<_> = answer.rows.iter().map(Message::encode_to_vec).collect();
                assert_eq!(
                    (inside.rows, inside.more, inside.count),
                    (rows.into_iter().map(Into::into).collect(), answer.more, answer.count)
                );
            }
            (Err(Error::Refused(code)), Err(expected)) => assert_eq!(code, expected),
            (inside, _) => panic!("{inside:?}"),
        }
    }

    fn close_plans(&mut self) {
        for (plan, answer) in self.plans.drain(..) {
            check_plan(plan, &answer, 100);
        }
        self.pins.clear();
    }

    fn compact(&mut self, share: u8) {
        let at = self.revision_at(share);
        let mut batch = Batch::new();
        let expected = if at <= self.model.compacted {
            Err(ketch_base::Code::Compacted)
        } else {
            self.model.check(at).map(|_| ())
        };
        assert_eq!(self.store.store().compact(at, &mut batch), expected);
        self.store.store().write().commit(batch);
        if expected.is_ok() {
            self.model.compact(at);
            self.unfinished.push(at);
        }
    }

    fn compactor_step(&mut self) {
        if let CompactStep::Done(at) = self.store.open().compactor.step().expect("compacted") {
            assert_eq!(at, self.unfinished.remove(0), "compactions end in order");
            assert_eq!(self.store.reader().finished_compaction(), at);
        }
    }

    /// The hash at a compaction is known from when it was computed on, somewhere between.
    fn hash(&mut self, asked: i64) {
        if self.unfinished.contains(&asked) {
            return;
        }
        match (self.store.reader().hash_kv(asked), self.model.hash(asked)) {
            (Ok(hash), Ok(expected)) => assert_eq!((hash.hash, hash.compact_revision), expected),
            (Err(Error::Refused(code)), Err(expected)) => assert_eq!(code, expected),
            (hash, expected) => panic!("{hash:?} instead of {expected:?} at {asked}"),
        }
    }

    fn reopen(&mut self) {
        self.close_plans();
        self.store.reopen();
        self.model.cached.clear();
        // Waiting compactions are one now, without a hash.
        self.unfinished.drain(..self.unfinished.len().saturating_sub(1));
        let leased = self.store.store().take_leased();
        assert_eq!(
            leased.into_iter().collect::<std::collections::BTreeSet<_>>(),
            self.model.leased()
        );
    }
}

fn check_plan(plan: Plan, answer: &Answer, bytes_max: usize) {
    assert_eq!((plan.count, plan.more), (answer.count, answer.more));
    assert_eq!(drain_plan(plan, bytes_max), answer.rows);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_its_twin(steps in prop::collection::vec(step(), 1..120)) {
        let mut pair = Pair {
            store: Fixture::new(),
            model: Model::new(),
            plans: Vec::new(),
            pins: Vec::new(),
            unfinished: Vec::new(),
        };
        for step in &steps {
            pair.run(step);
        }
        pair.close_plans();
        pair.store.settle();
        pair.reopen();
        pair.unfinished.clear();
        pair.hash(0);
    }
}
