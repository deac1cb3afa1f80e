//! Transactions as Kubernetes makes them, and large ones.

use std::time::Instant;

use ketch_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use ketch_proto::etcdserverpb::request_op::Request as Inner;
use ketch_proto::etcdserverpb::{Compare, PutRequest, RangeRequest, RequestOp, TxnRequest};
use prost::Message;

use super::{Random, Request, Values, Work, block, key};
use crate::connection::Answer;
use crate::wire;

/// "Create if it is not there, else give it": keys that are new.
pub(crate) struct Creates {
    block: Vec<u8>,
    values: Values,
    made: u64,
}

impl Creates {
    /// Keys numbered from `first`.
    pub(crate) fn starting(value_bytes: usize, first: u64) -> Self {
        let values = Values::new(value_bytes, 31);
        Self { block: block("KV/Txn", None), values, made: first }
    }

    /// Values begin with the time since `epoch`.
    pub(super) fn stamp(&mut self, epoch: Instant) {
        self.values.epoch = Some(epoch);
    }

    /// The number of the next key.
    pub(crate) fn made(&self) -> u64 {
        self.made
    }
}

impl Work for Creates {
    fn blocks(&self) -> &[Vec<u8>] {
        std::slice::from_ref(&self.block)
    }

    fn next(&mut self, request: &mut Request) {
        let key = key(self.made);
        self.made += 1;
        encode(request, &guarded(&key, 0, self.values.next()));
    }

    fn check(&mut self, answer: &Answer<'_>) -> bool {
        wire::succeeded(answer.message)
    }
}

/// "Write if it is still as I saw it, else give it": some writers saw an old state.
pub(crate) struct Updates {
    block: Vec<u8>,
    values: Values,
    random: Random,
    /// Mod revision of every key as last told; 0 while a call is under way.
    seen: Vec<i64>,
    /// Calls that must fail.
    pub(crate) stale: u64,
    pub(crate) made: u64,
}

/// The tag's bit of a call that must fail.
const STALE: u64 = 1 << 63;

impl Updates {
    /// `seen` are the mod revisions of the keys.
    pub(crate) fn new(value_bytes: usize, seen: Vec<i64>) -> Self {
        let (values, random) = (Values::new(value_bytes, 38), Random::new(37));
        Self { block: block("KV/Txn", None), values, random, seen, stale: 0, made: 0 }
    }

    /// Values begin with the time since `epoch`.
    pub(super) fn stamp(&mut self, epoch: Instant) {
        self.values.epoch = Some(epoch);
    }
}

impl Work for Updates {
    fn blocks(&self) -> &[Vec<u8>] {
        std::slice::from_ref(&self.block)
    }

    fn next(&mut self, request: &mut Request) {
        let keys = self.seen.len();
        let drawn = self.random.below(keys as u64) as usize;
        // Two calls on one key at a time could not be told apart; where every key has one, the
        // next must fail.
        let free = (drawn..drawn + keys).map(|at| at % keys).find(|at| self.seen[*at] != 0);
        let stale = free.is_none() || self.random.below(20) == 0;
        let number = free.unwrap_or(drawn);
        let revision = if stale { 1 } else { self.seen[number] };
        self.made += 1;
        self.stale += u64::from(stale);
        request.tag = number as u64 | if stale { STALE } else { 0 };
        if !stale {
            self.seen[number] = 0;
        }
        encode(request, &guarded(&key(number as u64), revision, self.values.next()));
    }

    fn check(&mut self, answer: &Answer<'_>) -> bool {
        let succeeded = wire::succeeded(answer.message);
        if answer.tag & STALE == 0 {
            let revision = wire::header_revision(answer.message);
            self.seen[answer.tag as usize] = revision;
            return succeeded && revision > 1;
        }
        !succeeded
    }
}

/// Many puts in one transaction, flat or in the branch of an inner one.
pub(crate) struct Big {
    block: Vec<u8>,
    operations: usize,
    nested: bool,
    values: Values,
    made: u64,
}

impl Big {
    pub(crate) fn new(operations: usize, nested: bool, value_bytes: usize) -> Self {
        let values = Values::new(value_bytes, 41);
        Self { block: block("KV/Txn", None), operations, nested, values, made: 0 }
    }
}

impl Work for Big {
    fn blocks(&self) -> &[Vec<u8>] {
        std::slice::from_ref(&self.block)
    }

    fn next(&mut self, request: &mut Request) {
        let mut puts = Vec::with_capacity(self.operations);
        for _ in 0..self.operations {
            puts.push(put(&key(self.made), self.values.next()));
            self.made += 1;
        }
        let mut txn = TxnRequest { success: puts, ..Default::default() };
        if self.nested {
            let inner = RequestOp { request: Some(Inner::RequestTxn(txn)) };
            txn = TxnRequest { success: vec![inner], ..Default::default() };
        }
        encode(request, &txn);
    }

    fn check(&mut self, answer: &Answer<'_>) -> bool {
        // At least two bytes an operation: its tag and its length.
        wire::succeeded(answer.message) && answer.bytes as usize > 2 * self.operations
    }
}

/// Puts if the key's mod revision is this, else reads.
fn guarded(key: &[u8], mod_revision: i64, value: Vec<u8>) -> TxnRequest {
    let compare = Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Mod.into(),
        key: key.to_vec().into(),
        target_union: Some(TargetUnion::ModRevision(mod_revision)),
        ..Default::default()
    };
    let read = RangeRequest { key: key.to_vec().into(), ..Default::default() };
    TxnRequest {
        compare: vec![compare],
        success: vec![put(key, value)],
        failure: vec![RequestOp { request: Some(Inner::RequestRange(read)) }],
    }
}

fn put(key: &[u8], value: Vec<u8>) -> RequestOp {
    let put = PutRequest { key: key.to_vec().into(), value: value.into(), ..Default::default() };
    RequestOp { request: Some(Inner::RequestPut(put)) }
}

fn encode(request: &mut Request, txn: &TxnRequest) {
    request.message.clear();
    // A Vec grows.
    let _ = txn.encode(&mut request.message);
}
