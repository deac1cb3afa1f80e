//! The conditions of a transaction.

use std::cmp::Ordering;

use bytes::{BufMut, Bytes, BytesMut};
use ketch_base::planted::{self, Bug};
use ketch_mvcc::{Error, KeyState};
use ketch_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use ketch_proto::etcdserverpb::{Compare, RangeRequest};
use ketch_proto::mvccpb::KeyValue;

use crate::look::{Look, pairs};

/// Keys of a range that are compared at a time.
const RANGE_CHUNK_KEYS: i64 = 256;

/// Whether every condition holds.
pub(crate) fn all_hold(look: &impl Look, compares: &[Compare]) -> Result<bool, Error> {
    for compare in compares {
        if !holds(look, compare)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds(look: &impl Look, compare: &Compare) -> Result<bool, Error> {
    if compare.range_end.is_empty() {
        return match look.current(&compare.key)? {
            None => Ok(absent(compare)),
            Some(state) if needs_row(compare) => Ok(pair_holds(compare, &look.pair(state)?)),
            Some(state) => Ok(state_holds(compare, state)),
        };
    }
    range_holds(look, compare)
}

/// Holds for a range if it holds for every key of it, in pieces of bounded size.
fn range_holds(look: &impl Look, compare: &Compare) -> Result<bool, Error> {
    let mut request = RangeRequest {
        key: compare.key.clone(),
        range_end: compare.range_end.clone(),
        limit: RANGE_CHUNK_KEYS,
        keys_only: !needs_row(compare),
        ..RangeRequest::default()
    };
    let mut is_empty = true;
    loop {
        let answer = look.range(&request)?;
        let found = pairs(answer.rows)?;
        is_empty &= found.is_empty();
        if !found.iter().all(|pair| pair_holds(compare, pair)) {
            return Ok(false);
        }
        match found.last() {
            Some(last) if answer.more => request.key = successor(&last.key),
            _ => return Ok(!is_empty || absent(compare)),
        }
    }
}

/// The next key in byte order.
fn successor(key: &Bytes) -> Bytes {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.put_slice(key);
    next.put_u8(0);
    next.freeze()
}

fn needs_row(compare: &Compare) -> bool {
    matches!(compare.target(), CompareTarget::Value | CompareTarget::Lease)
}

/// A key that is not there has revisions and version 0; its value cannot be compared.
fn absent(compare: &Compare) -> bool {
    compare.target != CompareTarget::Value as i32 && pair_holds(compare, &KeyValue::default())
}

fn state_holds(compare: &Compare, state: KeyState) -> bool {
    let pair = KeyValue {
        create_revision: state.create_revision,
        mod_revision: state.revision.main,
        version: state.version,
        ..KeyValue::default()
    };
    pair_holds(compare, &pair)
}

/// Numbers not in the enums are taken as etcd takes them: an unknown target is equal, an unknown
/// result holds. An operand of another target counts as zero.
fn pair_holds(compare: &Compare, pair: &KeyValue) -> bool {
    let operand = compare.target_union.as_ref();
    let number = |found: i64, wanted: Option<i64>| found.cmp(&wanted.unwrap_or(0));
    let order = match CompareTarget::try_from(compare.target) {
        Ok(CompareTarget::Version) => number(pair.version, operand.and_then(version)),
        Ok(CompareTarget::Create) => number(pair.create_revision, operand.and_then(create)),
        Ok(CompareTarget::Mod) if planted::is(Bug::LooseCompare) => Ordering::Equal,
        Ok(CompareTarget::Mod) => number(pair.mod_revision, operand.and_then(modified)),
        Ok(CompareTarget::Lease) => number(pair.lease, operand.and_then(lease)),
        Ok(CompareTarget::Value) => pair.value.as_ref().cmp(operand.map_or(b"", value)),
        Err(_) => Ordering::Equal,
    };
    match CompareResult::try_from(compare.result) {
        Ok(CompareResult::Equal) => order.is_eq(),
        Ok(CompareResult::NotEqual) => order.is_ne(),
        Ok(CompareResult::Greater) => order.is_gt(),
        Ok(CompareResult::Less) => order.is_lt(),
        Err(_) => true,
    }
}

fn version(operand: &TargetUnion) -> Option<i64> {
    if let TargetUnion::Version(number) = operand { Some(*number) } else { None }
}

fn create(operand: &TargetUnion) -> Option<i64> {
    if let TargetUnion::CreateRevision(number) = operand { Some(*number) } else { None }
}

fn modified(operand: &TargetUnion) -> Option<i64> {
    if let TargetUnion::ModRevision(number) = operand { Some(*number) } else { None }
}

fn lease(operand: &TargetUnion) -> Option<i64> {
    if let TargetUnion::Lease(number) = operand { Some(*number) } else { None }
}

fn value(operand: &TargetUnion) -> &[u8] {
    if let TargetUnion::Value(value) = operand { value } else { b"" }
}
