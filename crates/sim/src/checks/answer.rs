//! What requests and answers say, for several checks: revisions, and who may answer alone.

use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::response_op::Response;
use ketch_proto::etcdserverpb::{RequestOp, ResponseHeader, TxnRequest, TxnResponse};

use crate::fact::{Call, Outcome};

/// The revision in an answer's header, where it has one.
pub(super) fn revision(outcome: &Outcome) -> Option<i64> {
    let header: &Option<ResponseHeader> = match outcome {
        Outcome::Put(answer) => &answer.header,
        Outcome::Range(answer) => &answer.header,
        Outcome::DeleteRange(answer) => &answer.header,
        Outcome::Txn(answer) => &answer.header,
        Outcome::LeaseRevoke { revision } => return Some(*revision),
        _ => return None,
    };
    header.as_ref().map(|header| header.revision)
}

/// Whether the member may answer from its own state, without asking a quorum.
pub(super) fn is_local(call: &Call) -> bool {
    match call {
        Call::Range(request) => request.serializable,
        Call::Txn(request) => is_local_txn(request),
        _ => false,
    }
}

fn is_local_txn(request: &TxnRequest) -> bool {
    let local = |op: &RequestOp| match &op.request {
        Some(Request::RequestRange(range)) => range.serializable,
        Some(Request::RequestTxn(txn)) => is_local_txn(txn),
        _ => false,
    };
    request.success.iter().chain(&request.failure).all(local)
}

/// Whether an answer says that the call made a revision. A revoked lease does not tell.
pub(super) fn wrote(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Put(_) => true,
        Outcome::DeleteRange(answer) => answer.deleted > 0,
        Outcome::Txn(answer) => txn_wrote(answer),
        _ => false,
    }
}

fn txn_wrote(answer: &TxnResponse) -> bool {
    answer.responses.iter().any(|op| match &op.response {
        Some(Response::ResponsePut(_)) => true,
        Some(Response::ResponseDeleteRange(deleted)) => deleted.deleted > 0,
        Some(Response::ResponseTxn(txn)) => txn_wrote(txn),
        _ => false,
    })
}
