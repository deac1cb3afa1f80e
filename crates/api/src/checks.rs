//! What can be refused from the request alone, in etcd's order.

mod footprint;
#[cfg(test)]
mod tests;

use ketch_base::Code;
use ketch_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use ketch_proto::etcdserverpb::request_op::Request as Op;
use ketch_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};

/// A key, and sort numbers that exist.
pub(crate) fn range(request: &RangeRequest) -> Result<(), Code> {
    if request.key.is_empty() {
        return Err(Code::EmptyKey);
    }
    let known = SortOrder::try_from(request.sort_order).is_ok()
        && SortTarget::try_from(request.sort_target).is_ok();
    if known { Ok(()) } else { Err(Code::InvalidSortOption) }
}

/// A range whose rows can be sent as they are found: key order, no filters.
pub(crate) fn range_stream(request: &RangeRequest) -> Result<(), Code> {
    range(request)?;
    let by_key = request.sort_target == SortTarget::Key as i32;
    let sorted = match SortOrder::try_from(request.sort_order) {
        Ok(SortOrder::None) => false,
        Ok(SortOrder::Ascend) => !by_key,
        _ => true,
    };
    if sorted {
        return Err(Code::RangeStreamSort);
    }
    let filters = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    if filters.iter().any(|filter| *filter != 0) {
        return Err(Code::RangeStreamFilters);
    }
    Ok(())
}

/// A key, and nothing given that is asked to be kept.
pub(crate) fn put(request: &PutRequest) -> Result<(), Code> {
    if request.key.is_empty() {
        return Err(Code::EmptyKey);
    }
    if request.ignore_value && !request.value.is_empty() {
        return Err(Code::ValueProvided);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(Code::LeaseProvided);
    }
    Ok(())
}

/// A key.
pub(crate) fn delete_range(request: &DeleteRangeRequest) -> Result<(), Code> {
    if request.key.is_empty() { Err(Code::EmptyKey) } else { Ok(()) }
}

/// Every part of a transaction, its size, and that no key is written twice.
///
/// `max_ops` bounds the longest of the three lists; what it leaves is what nested transactions
/// may use.
pub(crate) fn txn(request: &TxnRequest, max_ops: usize) -> Result<(), Code> {
    parts(request, max_ops)?;
    footprint::check(&request.success)?;
    footprint::check(&request.failure)
}

fn parts(request: &TxnRequest, max_ops: usize) -> Result<(), Code> {
    let longest = request.compare.len().max(request.success.len()).max(request.failure.len());
    let left = max_ops.checked_sub(longest).ok_or(Code::TooManyOps)?;
    if request.compare.iter().any(|compare: &Compare| compare.key.is_empty()) {
        return Err(Code::EmptyKey);
    }
    request.success.iter().chain(&request.failure).try_for_each(|op| part(op, left))
}

fn part(op: &RequestOp, max_ops: usize) -> Result<(), Code> {
    match &op.request {
        Some(Op::RequestRange(request)) => range(request),
        Some(Op::RequestPut(request)) => put(request),
        Some(Op::RequestDeleteRange(request)) => delete_range(request),
        Some(Op::RequestTxn(request)) => parts(request, max_ops),
        // etcd's words for an operation without content.
        None => Err(Code::KeyNotFound),
    }
}
