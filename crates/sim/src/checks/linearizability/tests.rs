//! Histories, good and bad, as a table: `c` calls, `r` returns.

use ketch_proto::etcdserverpb as pb;
use ketch_proto::mvccpb::KeyValue;
use pb::compare::{CompareResult, CompareTarget, TargetUnion};
use pb::request_op::Request;
use pb::response_op::Response;

use super::History;
use crate::checks::made::{delete, delete_ok, get, header, kv, put, put_event, put_ok, range_ok};
use crate::fact::{Call, Outcome};

enum Step {
    Call(u64, Call),
    Return(u64, Outcome),
}

fn c(call: u64, what: Call) -> Step {
    Step::Call(call, what)
}

fn r(call: u64, outcome: Outcome) -> Step {
    Step::Return(call, outcome)
}

fn history(steps: Vec<Step>) -> History {
    let mut history = History::default();
    for (at, step) in steps.into_iter().enumerate() {
        match step {
            Step::Call(call, what) => history.called(call, at as u64, what),
            Step::Return(call, outcome) => history.returned(call, at as u64, outcome),
        }
    }
    history
}

fn good(steps: Vec<Step>) -> (u64, u64) {
    let explained = history(steps).check().expect("explained");
    (explained.answers, explained.unanswered)
}

fn bad(expected: &str, steps: Vec<Step>) {
    let why = history(steps).check().expect_err(expected).to_string();
    assert!(why.contains(expected), "{why}");
}

/// The second version of a key.
fn second(key: &str, value: &str, created: i64, changed: i64) -> KeyValue {
    KeyValue { create_revision: created, version: 2, ..kv(key, value, changed) }
}

/// "If the key does not exist, put it, else read it."
fn create(key: &str, value: &str) -> Call {
    let Call::Put(op) = put(key, value) else { unreachable!("a put") };
    let Call::Range(read) = get(key) else { unreachable!("a range") };
    let compare = pb::Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key: key.to_owned().into(),
        range_end: Default::default(),
        target_union: Some(TargetUnion::CreateRevision(0)),
    };
    Call::Txn(pb::TxnRequest {
        compare: vec![compare],
        success: vec![pb::RequestOp { request: Some(Request::RequestPut(op)) }],
        failure: vec![pb::RequestOp { request: Some(Request::RequestRange(read)) }],
    })
}

fn created(revision: i64) -> Outcome {
    let response = Some(Response::ResponsePut(pb::PutResponse::default()));
    let responses = vec![pb::ResponseOp { response }];
    Outcome::Txn(pb::TxnResponse { header: header(revision), succeeded: true, responses })
}

fn there_was(revision: i64, kvs: &[KeyValue]) -> Outcome {
    let Outcome::Range(answer) = range_ok(revision, kvs) else { unreachable!("a range") };
    let response = Some(Response::ResponseRange(answer));
    let responses = vec![pb::ResponseOp { response }];
    Outcome::Txn(pb::TxnResponse { header: header(revision), succeeded: false, responses })
}

#[test]
fn answered_calls_in_order() {
    let steps = vec![
        c(1, put("a", "x")),
        c(2, get("a")),
        r(1, put_ok(2)),
        r(2, range_ok(1, &[])),
        c(3, put("a", "y")),
        r(3, put_ok(3)),
        c(4, get("a")),
        r(4, range_ok(3, &[second("a", "y", 2, 3)])),
        c(5, delete("a", "z")),
        r(5, delete_ok(4, 1)),
        c(6, delete("a", "z")),
        r(6, delete_ok(4, 0)),
        c(7, create("a", "z")),
        r(7, created(5)),
        c(8, create("a", "q")),
        r(8, there_was(5, &[kv("a", "z", 5)])),
    ];
    assert_eq!(good(steps), (8, 0));
}

#[test]
fn calls_without_an_answer_happened_once_or_not_at_all() {
    let start = || {
        vec![
            c(1, put("a", "x")),
            r(1, Outcome::Unknown),
            c(2, put("a", "y")),
            r(2, Outcome::Unknown),
        ]
    };
    let then = |more: Vec<Step>| start().into_iter().chain(more).collect::<Vec<_>>();
    assert_eq!(good(then(vec![])), (0, 0));
    assert_eq!(good(then(vec![c(3, get("a")), r(3, range_ok(2, &[kv("a", "y", 2)]))])), (1, 1));
    // The first try, x before y, does not explain the read.
    let crossed = range_ok(3, &[second("a", "x", 2, 3)]);
    assert_eq!(good(then(vec![c(3, get("a")), r(3, crossed)])), (1, 2));
    // One may land after a later answer.
    let late = vec![
        c(3, get("a")),
        r(3, range_ok(1, &[])),
        c(4, get("a")),
        r(4, range_ok(2, &[kv("a", "x", 2)])),
    ];
    assert_eq!(good(then(late)), (2, 1));
    bad("nothing explains revision 4", then(vec![c(3, put("b", "z")), r(3, put_ok(5))]));
    bad("nothing explains", then(vec![c(3, get("a")), r(3, range_ok(2, &[kv("a", "z", 2)]))]));
}

#[test]
fn a_call_cannot_explain_what_was_seen_before_it() {
    let seen = range_ok(2, &[kv("a", "x", 2)]);
    bad("nobody called", vec![c(1, get("a")), r(1, seen), c(2, put("a", "x"))]);
}

#[test]
fn the_end_of_a_lease_makes_a_revision() {
    let lease = Call::Put(pb::PutRequest {
        key: "a".into(),
        value: "x".into(),
        lease: 7,
        ..Default::default()
    });
    let revoke = Call::LeaseRevoke(pb::LeaseRevokeRequest { id: 7 });
    let revoked = |revision| Outcome::LeaseRevoke { revision };
    let put_it = || vec![c(1, lease.clone()), r(1, put_ok(2))];
    let then = |more: Vec<Step>| put_it().into_iter().chain(more).collect::<Vec<_>>();
    assert_eq!(good(then(vec![c(2, get("a")), r(2, range_ok(3, &[]))])), (2, 1));
    assert_eq!(good(then(vec![c(2, revoke.clone()), r(2, revoked(3))])), (2, 1));
    bad("has keys after its end", then(vec![c(2, revoke.clone()), r(2, revoked(2))]));
}

#[test]
fn fires() {
    let start = || vec![c(1, put("a", "x")), r(1, put_ok(2))];
    let cases = [
        ("had seen a later", vec![c(2, get("a")), r(2, range_ok(1, &[]))]),
        ("both told", vec![c(2, put("a", "y")), r(2, put_ok(2))]),
        ("there is None", vec![c(3, get("b")), r(3, range_ok(2, &[kv("b", "x", 2)]))]),
        ("told was", vec![c(3, get("a")), r(3, range_ok(2, &[kv("a", "y", 2)]))]),
        ("read []", vec![c(2, get("a")), r(2, range_ok(2, &[]))]),
        ("nobody called", vec![c(2, get("a")), r(2, range_ok(3, &[kv("a", "x", 2)]))]),
        ("1 keys deleted", vec![c(2, delete("b", "z")), r(2, delete_ok(3, 1))]),
        ("its comparisons say false", vec![c(2, create("a", "y")), r(2, created(3))]),
        ("its comparisons say true", vec![c(2, create("b", "y")), r(2, there_was(2, &[]))]),
        ("0 keys deleted", vec![c(2, delete("a", "z")), r(2, delete_ok(2, 0))]),
        // Refused means that it had no effect.
        (
            "nobody called",
            vec![
                c(2, put("a", "z")),
                r(2, Outcome::Refused(ketch_base::Code::NoSpace)),
                c(3, get("a")),
                r(3, range_ok(3, &[second("a", "z", 2, 3)])),
            ],
        ),
    ];
    for (expected, more) in cases {
        bad(expected, start().into_iter().chain(more).collect());
    }
}

#[test]
fn a_watch_bears_witness() {
    let steps = || vec![c(1, put("a", "x")), r(1, put_ok(2))];
    let mut right = history(steps());
    right.observed(&put_event(kv("a", "x", 2)));
    assert!(right.check().is_ok());
    let mut wrong = history(steps());
    wrong.observed(&put_event(kv("a", "y", 2)));
    assert!(wrong.check().is_err());
}

/// Many calls without an answer, of which half happened, in another order than called: reads
/// in between leave few choices, and dead ends are short.
#[test]
fn many_unknown_calls_are_no_burden() {
    let all = pb::RangeRequest { key: "k".into(), range_end: "l".into(), ..Default::default() };
    let mut steps = Vec::new();
    let mut model = super::state::State::holding(&[]);
    let mut revision = 1;
    for round in 0..50 {
        let calls = (4 * round..4 * round + 4).collect::<Vec<u64>>();
        let op = |call: u64| put(&format!("k{}", call % 10), &format!("v{call}"));
        steps.extend(calls.iter().map(|call| c(*call, op(*call))));
        for call in [calls[3], calls[1]] {
            let Call::Put(op) = op(call) else { continue };
            revision += 1;
            model.put(&op, revision).expect("a plain put");
        }
        let mut answer = model.range(&all);
        answer.header = header(revision);
        steps.push(c(900 + round, Call::Range(all.clone())));
        steps.push(r(900 + round, Outcome::Range(answer)));
    }
    assert_eq!(good(steps), (50, 100));
}

#[test]
fn an_older_revision_reads_as_it_was() {
    let old = |revision| {
        Call::Range(pb::RangeRequest { key: "a".into(), revision, ..Default::default() })
    };
    let start = || vec![c(1, put("a", "x")), r(1, put_ok(2)), c(2, put("a", "y")), r(2, put_ok(3))];
    let then = |more: Vec<Step>| start().into_iter().chain(more).collect::<Vec<_>>();
    assert_eq!(good(then(vec![c(3, old(2)), r(3, range_ok(3, &[kv("a", "x", 2)]))])), (3, 0));
    bad("read", then(vec![c(3, old(2)), r(3, range_ok(3, &[second("a", "y", 2, 3)]))]));
}
