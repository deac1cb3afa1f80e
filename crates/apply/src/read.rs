//! Transactions that only read, answered off the log on any thread.

use ketch_base::Code;
use ketch_mvcc::{Error, Reader};
use ketch_proto::etcdserverpb::response_op::Response;
use ketch_proto::etcdserverpb::{TxnRequest, TxnResponse};

use crate::kv;
use crate::look::At;
use crate::txn::{self, Leaf};

/// Answers a transaction without puts and deletes; everything in it sees one revision.
///
/// # Errors
/// `Compacted`, `FutureRev`, `InvalidSortOption`, or the storage failed. A transaction that writes
/// gets `UnknownMethod`: it has to go through the log.
pub fn txn(reader: &Reader, request: &TxnRequest) -> Result<TxnResponse, Error> {
    let revision = reader.revision();
    let _pin = reader.pin(revision)?;
    let look = At { reader, revision };
    let decided = txn::decide(&look, request)?;
    let responses = txn::act(&decided, &mut |leaf| match leaf {
        Leaf::Range(range) => kv::range(&look, range).map(Response::ResponseRange),
        Leaf::Put(_) | Leaf::DeleteRange(_) => Err(Code::UnknownMethod.into()),
    })?;
    Ok(txn::response(&decided, responses, revision))
}
