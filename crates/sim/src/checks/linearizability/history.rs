//! What clients did and were told, with the times of one clock.

use std::collections::BTreeMap;

use ketch_proto::etcdserverpb::response_op::Response;
use ketch_proto::etcdserverpb::{RangeResponse, TxnResponse};
use ketch_proto::mvccpb::{Event, KeyValue};

use super::search::{Explained, Unexplained, search};
use crate::checks::answer::{is_local, revision};
use crate::checks::book::Change;
use crate::fact::{Call, Outcome};

/// One call and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// The caller's number for it.
    pub(super) id: u64,
    pub(super) called: u64,
    pub(super) returned: u64,
    pub(super) what: Call,
    /// [`Outcome::Unknown`] until it returns.
    pub(super) outcome: Outcome,
}

/// Calls, answers and observed changes of one store.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(super) operations: Vec<Operation>,
    open: BTreeMap<u64, usize>,
    pub(super) changes: Vec<Change>,
    pub(super) start: Option<(i64, Vec<KeyValue>)>,
}

impl History {
    /// Where the store stood before the first call, if it was not empty at revision 1.
    pub fn begin(&mut self, revision: i64, kvs: Vec<KeyValue>) {
        self.start = Some((revision, kvs));
    }

    /// A client calls. `call` is unique; `at` counts anything that grows, the same for all.
    pub fn called(&mut self, call: u64, at: u64, what: Call) {
        if is_local(&what) {
            return;
        }
        self.open.insert(call, self.operations.len());
        let (returned, outcome) = (u64::MAX, Outcome::Unknown);
        self.operations.push(Operation { id: call, called: at, returned, what, outcome });
    }

    /// A call ends. One that never does counts as [`Outcome::Unknown`].
    pub fn returned(&mut self, call: u64, at: u64, outcome: Outcome) {
        let Some(place) = self.open.remove(&call) else { return };
        let operation = &mut self.operations[place];
        if outcome != Outcome::Unknown {
            operation.returned = at;
        }
        operation.outcome = outcome;
    }

    /// A watch told of a change. Not needed, but each narrows the search and is itself checked.
    pub fn observed(&mut self, event: &Event) {
        self.changes.extend(Change::of(event));
    }

    /// How many calls are in it.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether nobody called.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Looks for an order that explains every answer.
    ///
    /// # Errors
    ///
    /// There is none, or none was found within the search's bound.
    pub fn check(&self) -> Result<Explained, Unexplained> {
        search(self)
    }
}

impl Operation {
    /// The revision that the answer names.
    pub(super) fn revision(&self) -> Option<i64> {
        revision(&self.outcome)
    }

    /// The revision whose state the answer shows: an older one if the call asked for it.
    pub(super) fn shows(&self) -> Option<i64> {
        match &self.what {
            Call::Range(request) if request.revision > 0 => Some(request.revision),
            _ => self.revision(),
        }
    }

    /// Whether it may have changed the store though nobody knows.
    pub(super) fn may_have_written(&self) -> bool {
        let writes = matches!(self.what, Call::Put(_) | Call::DeleteRange(_) | Call::Txn(_));
        writes && self.outcome == Outcome::Unknown
    }

    /// Every key-value pair in the answer, whole.
    pub(super) fn told(&self) -> Vec<KeyValue> {
        let mut told = Vec::new();
        match (&self.what, &self.outcome) {
            (_, Outcome::Put(answer)) => told.extend(answer.prev_kv.clone()),
            (_, Outcome::DeleteRange(answer)) => told.extend(answer.prev_kvs.clone()),
            (Call::Range(request), Outcome::Range(answer)) if !request.keys_only => {
                told.extend(answer.kvs.clone());
            }
            (_, Outcome::Txn(answer)) => told_by_txn(answer, &mut told),
            _ => {}
        }
        told
    }
}

/// Reads inside a transaction are left out: they may show keys only, and what it wrote itself.
fn told_by_txn(answer: &TxnResponse, told: &mut Vec<KeyValue>) {
    for op in &answer.responses {
        match &op.response {
            Some(Response::ResponsePut(put)) => told.extend(put.prev_kv.clone()),
            Some(Response::ResponseDeleteRange(delete)) => told.extend(delete.prev_kvs.clone()),
            Some(Response::ResponseTxn(txn)) => told_by_txn(txn, told),
            _ => {}
        }
    }
}

/// Keys that a read shows, whole or not, to say that they did not change since.
pub(super) fn shown(outcome: &Outcome) -> &[KeyValue] {
    match outcome {
        Outcome::Range(RangeResponse { kvs, .. }) => kvs,
        _ => &[],
    }
}
