//! Runs a call on the model and compares the answer, where there was one.

use std::cmp::Ordering;

use ketch_base::KeyRange;
use ketch_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::response_op::Response;
use ketch_proto::etcdserverpb::{Compare, DeleteRangeRequest, DeleteRangeResponse};
use ketch_proto::etcdserverpb::{PutRequest, PutResponse, RangeRequest, RangeResponse};
use ketch_proto::etcdserverpb::{ResponseOp, TxnRequest, TxnResponse};
use ketch_proto::mvccpb::KeyValue;

use super::state::State;
use crate::fact::{Call, Outcome};

/// Runs `call` on the state as revision `at` and compares `outcome` with what comes out. On an
/// error the state may be half changed; the caller goes back to its mark.
pub(super) fn run(
    state: &mut State,
    call: &Call,
    outcome: &Outcome,
    at: i64,
) -> Result<(), String> {
    match (call, outcome) {
        (Call::Put(request), Outcome::Put(answer)) => put(state, request, Some(answer), at),
        (Call::Put(request), _) => put(state, request, None, at),
        (Call::DeleteRange(request), Outcome::DeleteRange(answer)) => {
            delete(state, request, Some(answer))
        }
        (Call::DeleteRange(request), _) => delete(state, request, None),
        (Call::Txn(request), Outcome::Txn(answer)) => txn(state, request, Some(answer), at),
        (Call::Txn(request), _) => txn(state, request, None, at),
        (Call::Range(request), Outcome::Range(answer)) => range(state, request, answer),
        (Call::LeaseRevoke(request), Outcome::LeaseRevoke { .. }) => {
            match state.leases().contains(&request.id) {
                true => Err(format!("lease {:x} has keys after its end", request.id)),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn put(
    state: &mut State,
    request: &PutRequest,
    answer: Option<&PutResponse>,
    at: i64,
) -> Result<(), String> {
    let before = state.put(request, at)?;
    let expected = before.filter(|_| request.prev_kv);
    match answer {
        Some(answer) if answer.prev_kv != expected => {
            Err(format!("put over {:?}, there was {expected:?}", answer.prev_kv))
        }
        _ => Ok(()),
    }
}

fn delete(
    state: &mut State,
    request: &DeleteRangeRequest,
    answer: Option<&DeleteRangeResponse>,
) -> Result<(), String> {
    let range = KeyRange::new(request.key.clone(), request.range_end.clone());
    let gone = state.delete(&range);
    let Some(answer) = answer else { return Ok(()) };
    if answer.deleted != gone.len() as i64 {
        return Err(format!("{} keys deleted, there were {}", answer.deleted, gone.len()));
    }
    let expected = if request.prev_kv { gone } else { Vec::new() };
    match answer.prev_kvs == expected {
        true => Ok(()),
        false => Err(format!("deleted {:?}, there was {expected:?}", answer.prev_kvs)),
    }
}

fn range(state: &State, request: &RangeRequest, answer: &RangeResponse) -> Result<(), String> {
    let expected = state.range(request);
    let same = answer.kvs == expected.kvs
        && answer.count == expected.count
        && answer.more == expected.more;
    match same {
        true => Ok(()),
        false => Err(format!(
            "read {:?} (count {}), there was {:?} (count {})",
            answer.kvs, answer.count, expected.kvs, expected.count
        )),
    }
}

fn txn(
    state: &mut State,
    request: &TxnRequest,
    answer: Option<&TxnResponse>,
    at: i64,
) -> Result<(), String> {
    let mut path = Vec::new();
    choose(state, request, &mut path);
    branch(state, request, answer, at, &mut path.into_iter())
}

/// All comparisons are made before the first write, those of nested transactions too.
fn choose(state: &State, request: &TxnRequest, path: &mut Vec<bool>) {
    let succeeded = request.compare.iter().all(|compare| holds(state, compare));
    path.push(succeeded);
    let ops = if succeeded { &request.success } else { &request.failure };
    for op in ops {
        if let Some(Request::RequestTxn(nested)) = &op.request {
            choose(state, nested, path);
        }
    }
}

fn branch(
    state: &mut State,
    request: &TxnRequest,
    answer: Option<&TxnResponse>,
    at: i64,
    path: &mut impl Iterator<Item = bool>,
) -> Result<(), String> {
    let succeeded = path.next().unwrap_or_default();
    let ops = if succeeded { &request.success } else { &request.failure };
    if let Some(answer) = answer {
        if answer.succeeded != succeeded {
            return Err(format!(
                "txn answered {}, its comparisons say {succeeded}",
                answer.succeeded
            ));
        }
        if answer.responses.len() != ops.len() {
            return Err(format!("{} operations, {} answers", ops.len(), answer.responses.len()));
        }
    }
    for (place, op) in ops.iter().enumerate() {
        let told: Option<&ResponseOp> = answer.map(|answer| &answer.responses[place]);
        let told = told.and_then(|op| op.response.as_ref());
        match (&op.request, told) {
            (Some(Request::RequestPut(op)), Some(Response::ResponsePut(told))) => {
                put(state, op, Some(told), at)?;
            }
            (Some(Request::RequestPut(op)), None) => put(state, op, None, at)?,
            (Some(Request::RequestDeleteRange(op)), Some(Response::ResponseDeleteRange(told))) => {
                delete(state, op, Some(told))?;
            }
            (Some(Request::RequestDeleteRange(op)), None) => delete(state, op, None)?,
            (Some(Request::RequestTxn(op)), Some(Response::ResponseTxn(told))) => {
                branch(state, op, Some(told), at, path)?;
            }
            (Some(Request::RequestTxn(op)), None) => branch(state, op, None, at, path)?,
            // A read of an older revision inside a transaction is not compared: the model holds
            // one state at a time.
            (Some(Request::RequestRange(op)), Some(Response::ResponseRange(told))) => {
                if op.revision <= 0 || op.revision >= at {
                    range(state, op, told)?;
                }
            }
            (_, None) => {}
            (op, told) => return Err(format!("asked for {op:?}, answered {told:?}")),
        }
    }
    Ok(())
}

fn holds(state: &State, compare: &Compare) -> bool {
    let range = KeyRange::new(compare.key.clone(), compare.range_end.clone());
    let kvs: Vec<&KeyValue> = state.within(&range).collect();
    match kvs.is_empty() {
        // Nothing there compares as a key whose numbers are all zero; a value that is not there
        // equals and differs from nothing.
        true => {
            compare.target() != CompareTarget::Value && one_holds(&KeyValue::default(), compare)
        }
        false => kvs.into_iter().all(|kv| one_holds(kv, compare)),
    }
}

fn one_holds(kv: &KeyValue, compare: &Compare) -> bool {
    let number = match (&compare.target_union, compare.target()) {
        (Some(TargetUnion::Value(wanted)), _) => return by(kv.value.cmp(wanted), compare),
        (None, CompareTarget::Value) => return by(kv.value.as_ref().cmp(&[]), compare),
        (Some(TargetUnion::Version(wanted)), _) => kv.version.cmp(wanted),
        (Some(TargetUnion::CreateRevision(wanted)), _) => kv.create_revision.cmp(wanted),
        (Some(TargetUnion::ModRevision(wanted)), _) => kv.mod_revision.cmp(wanted),
        (Some(TargetUnion::Lease(wanted)), _) => kv.lease.cmp(wanted),
        (None, CompareTarget::Version) => kv.version.cmp(&0),
        (None, CompareTarget::Create) => kv.create_revision.cmp(&0),
        (None, CompareTarget::Mod) => kv.mod_revision.cmp(&0),
        (None, CompareTarget::Lease) => kv.lease.cmp(&0),
    };
    by(number, compare)
}

fn by(order: Ordering, compare: &Compare) -> bool {
    match compare.result() {
        CompareResult::Equal => order == Ordering::Equal,
        CompareResult::NotEqual => order != Ordering::Equal,
        CompareResult::Greater => order == Ordering::Greater,
        CompareResult::Less => order == Ordering::Less,
    }
}
