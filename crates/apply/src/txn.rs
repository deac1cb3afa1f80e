//! Transactions: decide, check, then act.
//!
//! Which branch each transaction takes, nested ones included, is decided on the state before the
//! first write, and so is everything that may be refused. Reads of a branch see its own writes.

use std::mem;

use ketch_backend::Batch;
use ketch_base::{Code, KeyRange};
use ketch_lease::Lessor;
use ketch_mvcc::Error;
use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::response_op::Response;
use ketch_proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, ResponseOp, TxnRequest, TxnResponse,
};

use crate::answer::Answer;
use crate::compare;
use crate::kv::{self, header};
use crate::look::Look;
use crate::machine::{Handled, Machine, Outcome};

/// A transaction with its branches chosen.
pub(crate) struct Decided<'a> {
    succeeded: bool,
    ops: Vec<Op<'a>>,
}

enum Op<'a> {
    Leaf(Leaf<'a>),
    Txn(Decided<'a>),
    /// An operation with nothing in it; the edge refuses these.
    Nothing,
}

/// An operation on keys.
#[derive(Clone, Copy)]
pub(crate) enum Leaf<'a> {
    Range(&'a RangeRequest),
    Put(&'a PutRequest),
    DeleteRange(&'a DeleteRangeRequest),
}

impl Machine {
    pub(crate) fn txn(&mut self, request: &TxnRequest, batch: &mut Batch) -> Handled {
        let compacted = self.store.compact_revision();
        let lessor = &self.lessor;
        let mut txn = self.store.write();
        let decided = decide(&txn, request)?;
        check(&txn, lessor, compacted, &decided)?;
        let responses = act(&decided, &mut |leaf| match leaf {
            Leaf::Range(range) => kv::range(&txn, range).map(Response::ResponseRange),
            Leaf::Put(put) => kv::put(&mut txn, lessor, put).map(Response::ResponsePut),
            Leaf::DeleteRange(delete) => {
                kv::delete_range(&mut txn, lessor, delete).map(Response::ResponseDeleteRange)
            }
        })?;
        let answer = response(&decided, responses, txn.revision());
        Ok(Outcome::committed(Answer::Txn(answer), txn.commit(mem::take(batch))))
    }
}

/// Chooses the branches, nested ones too, on what is seen now.
pub(crate) fn decide<'a>(look: &impl Look, request: &'a TxnRequest) -> Result<Decided<'a>, Error> {
    let succeeded = compare::all_hold(look, &request.compare)?;
    let branch = if succeeded { &request.success } else { &request.failure };
    let ops = branch.iter().map(|op| decide_op(look, op)).collect::<Result<_, _>>()?;
    Ok(Decided { succeeded, ops })
}

fn decide_op<'a>(look: &impl Look, op: &'a RequestOp) -> Result<Op<'a>, Error> {
    Ok(match &op.request {
        Some(Request::RequestRange(range)) => Op::Leaf(Leaf::Range(range)),
        Some(Request::RequestPut(put)) => Op::Leaf(Leaf::Put(put)),
        Some(Request::RequestDeleteRange(delete)) => Op::Leaf(Leaf::DeleteRange(delete)),
        Some(Request::RequestTxn(nested)) => Op::Txn(decide(look, nested)?),
        None => Op::Nothing,
    })
}

/// Finds everything that may be refused, in the order of the operations.
pub(crate) fn check(
    look: &impl Look,
    lessor: &Lessor,
    compacted: i64,
    decided: &Decided<'_>,
) -> Result<(), Error> {
    Check { look, lessor, compacted, deleted: Vec::new() }.ops(&decided.ops)
}

struct Check<'a, L> {
    look: &'a L,
    lessor: &'a Lessor,
    compacted: i64,
    /// What the operations so far would delete.
    deleted: Vec<KeyRange>,
}

impl<L: Look> Check<'_, L> {
    fn ops(&mut self, ops: &[Op<'_>]) -> Result<(), Error> {
        for op in ops {
            match op {
                Op::Leaf(leaf) => self.leaf(*leaf)?,
                Op::Txn(nested) => self.ops(&nested.ops)?,
                Op::Nothing => {}
            }
        }
        Ok(())
    }

    fn leaf(&mut self, leaf: Leaf<'_>) -> Result<(), Error> {
        match leaf {
            Leaf::Range(range) if range.revision > self.look.revision() => {
                Err(Code::FutureRev.into())
            }
            Leaf::Range(range) if (1..self.compacted).contains(&range.revision) => {
                Err(Code::Compacted.into())
            }
            Leaf::Range(_) => Ok(()),
            Leaf::Put(put) => {
                kv::check_put(self.look, self.lessor, put)?;
                // etcd panics here: its check looks at the state before the transaction only.
                let keeps = put.ignore_value || put.ignore_lease;
                let is_gone = || self.deleted.iter().any(|range| range.contains(&put.key));
                if keeps && is_gone() { Err(Code::KeyNotFound.into()) } else { Ok(()) }
            }
            Leaf::DeleteRange(delete) => {
                self.deleted.push(KeyRange::new(delete.key.clone(), delete.range_end.clone()));
                Ok(())
            }
        }
    }
}

/// Runs the chosen operations in order.
pub(crate) fn act<'a>(
    decided: &Decided<'a>,
    leaf: &mut impl FnMut(Leaf<'a>) -> Result<Response, Error>,
) -> Result<Vec<ResponseOp>, Error> {
    let mut responses = Vec::with_capacity(decided.ops.len());
    for op in &decided.ops {
        let answer = match op {
            Op::Leaf(what) => Some(leaf(*what)?),
            // The header of a nested answer is there and empty, as in etcd.
            Op::Txn(nested) => {
                let answers = act(nested, leaf)?;
                Some(Response::ResponseTxn(response(nested, answers, 0)))
            }
            Op::Nothing => None,
        };
        responses.push(ResponseOp { response: answer });
    }
    Ok(responses)
}

pub(crate) fn response(
    decided: &Decided<'_>,
    responses: Vec<ResponseOp>,
    revision: i64,
) -> TxnResponse {
    TxnResponse { header: header(revision), succeeded: decided.succeeded, responses }
}
