//! Which entries take no longer to apply than it takes to wake another thread for them.

use ketch_proto::etcdserverpb::request_op::Request as Op;
use ketch_proto::etcdserverpb::{Compare, InternalRaftRequest, RequestOp};
use ketch_raft_proto::raftpb::{Entry, EntryType};
use prost::Message;

/// Longest brief entry.
const BYTES_MAX: usize = 8 * 1024;
/// Comparisons and operations of a brief transaction, those of each branch.
const OPS_MAX: usize = 4;

/// Whether the entry is small and surely touches but a few keys: a put, or a transaction that
/// compares, reads and writes single keys. No promise about anything but time; `false` is always
/// right.
pub fn is_brief(entry: &Entry) -> bool {
    let Some(data) = &entry.data else { return true };
    if entry.r#type() != EntryType::EntryNormal || data.len() > BYTES_MAX {
        return false;
    }
    let Ok(request) = InternalRaftRequest::decode(data.clone()) else { return false };
    if request.put.is_some() {
        return true;
    }
    request.txn.is_some_and(|txn| {
        txn.compare.len() <= OPS_MAX
            && txn.compare.iter().all(is_of_one_key)
            && is_brief_branch(&txn.success)
            && is_brief_branch(&txn.failure)
    })
}

fn is_of_one_key(compare: &Compare) -> bool {
    compare.range_end.is_empty()
}

fn is_brief_branch(ops: &[RequestOp]) -> bool {
    ops.len() <= OPS_MAX
        && ops.iter().all(|op| match &op.request {
            Some(Op::RequestPut(_)) => true,
            Some(Op::RequestRange(range)) => range.range_end.is_empty(),
            Some(Op::RequestDeleteRange(delete)) => delete.range_end.is_empty(),
            Some(Op::RequestTxn(_)) | None => false,
        })
}

#[cfg(test)]
mod tests {
    use ketch_proto::etcdserverpb as pb;

    use super::*;

    fn op(request: Op) -> RequestOp {
        RequestOp { request: Some(request) }
    }

    fn put(bytes: usize) -> pb::PutRequest {
        pb::PutRequest { key: "k".into(), value: vec![0; bytes].into(), ..Default::default() }
    }

    fn delete(range_end: &'static str) -> pb::DeleteRangeRequest {
        let (key, range_end) = ("k".into(), range_end.into());
        pb::DeleteRangeRequest { key, range_end, ..Default::default() }
    }

    fn txn(range_end: &'static str, success: Vec<RequestOp>) -> InternalRaftRequest {
        let compare = vec![Compare { range_end: range_end.into(), ..Default::default() }];
        let txn = pb::TxnRequest { compare, success, failure: Vec::new() };
        InternalRaftRequest { txn: Some(txn), ..Default::default() }
    }

    #[test]
    fn brief_is_what_touches_few_keys() {
        let small = || op(Op::RequestPut(put(1)));
        let cases = [
            (InternalRaftRequest { put: Some(put(1)), ..Default::default() }, true),
            (InternalRaftRequest { put: Some(put(BYTES_MAX)), ..Default::default() }, false),
            (InternalRaftRequest { delete_range: Some(delete("")), ..Default::default() }, false),
            (txn("", vec![small(), op(Op::RequestDeleteRange(delete("")))]), true),
            (txn("l", vec![small()]), false),
            (txn("", vec![op(Op::RequestDeleteRange(delete("l")))]), false),
            (txn("", vec![op(Op::RequestTxn(pb::TxnRequest::default()))]), false),
            (txn("", (0..=OPS_MAX).map(|_| small()).collect()), false),
        ];
        for (request, brief) in cases {
            let data = Some(request.encode_to_vec().into());
            assert_eq!(is_brief(&Entry { data, ..Default::default() }), brief, "{request:?}");
        }
        assert!(is_brief(&Entry::default()), "a leader's first entry");
        let change =
            Entry { r#type: Some(EntryType::EntryConfChange as i32), ..Default::default() };
        let change = Entry { data: Some("change".into()), ..change };
        assert!(!is_brief(&change));
    }
}
