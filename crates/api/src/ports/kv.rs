//! Keys: read, write, compare, forget.

use std::future::Future;
use std::task::{Context, Poll};

use bytes::Bytes;
use ketch_base::Code;
use ketch_proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest,
    PutResponse, RangeRequest, ResponseHeader, TxnRequest, TxnResponse,
};

use super::Pass;

/// Keys: read, write, compare, forget.
pub trait Kv: Send + Sync + 'static {
    /// Plans a range at one revision. Linearizable unless `serializable` is set. The rows come
    /// later, through [`RangeReply::kvs`], at the pace of the client.
    ///
    /// # Errors
    /// `Compacted`, `FutureRev`, and what reading through a quorum can meet.
    fn range(
        &self,
        pass: Pass,
        request: RangeRequest,
    ) -> impl Future<Output = Result<RangeReply, Code>> + Send;

    /// Writes one key. Answers after it is durable and applied.
    ///
    /// # Errors
    /// `RequestTooLarge` for the encoded proposal, `LeaseNotFound`, `KeyNotFound`, `NoSpace`, ..
    fn put(
        &self,
        pass: Pass,
        request: PutRequest,
    ) -> impl Future<Output = Result<PutResponse, Code>> + Send;

    /// Removes the keys of a range.
    ///
    /// # Errors
    /// As `put`.
    fn delete_range(
        &self,
        pass: Pass,
        request: DeleteRangeRequest,
    ) -> impl Future<Output = Result<DeleteRangeResponse, Code>> + Send;

    /// Compares, then does one of two lists. A transaction that only reads does not go through
    /// the log.
    ///
    /// # Errors
    /// As `put` and `range`.
    fn txn(
        &self,
        pass: Pass,
        request: TxnRequest,
    ) -> impl Future<Output = Result<TxnResponse, Code>> + Send;

    /// Forgets history up to a revision; `physical` waits until the rows are gone.
    ///
    /// # Errors
    /// `Compacted`, `FutureRev`.
    fn compact(
        &self,
        pass: Pass,
        request: CompactionRequest,
    ) -> impl Future<Output = Result<CompactionResponse, Code>> + Send;
}

/// A planned range: its numbers now, its rows later.
#[derive(Debug)]
pub struct RangeReply {
    /// Identity, and the revision of the store when the range was planned.
    pub header: ResponseHeader,
    /// Keys in the range, whatever the limit.
    pub count: i64,
    /// Whether the limit cut the answer.
    pub more: bool,
    /// Exact length in bytes of all encoded `kvs` fields together; it stands in the frame header
    /// before the first row is read.
    pub kvs_bytes: u64,
    /// The encoded `kvs` fields.
    pub kvs: Kvs,
}

/// Encoded `kvs` fields of a `RangeResponse` (tag 0x12, length, row), ready to be spliced.
pub enum Kvs {
    /// All of them, at most one chunk (`RANGE_CHUNK_BYTES`); spares the box.
    Whole(Bytes),
    /// Produced as the client reads.
    Chunks(Box<dyn Chunks>),
}

/// Rows on demand.
pub trait Chunks: Send {
    /// The next whole fields: at least one, and no more than `bytes_max` unless a single one is
    /// larger. `None` at the end, when exactly `kvs_bytes` have been given.
    ///
    /// # Errors
    /// When the rows cannot be read; the stream is then reset, for the length was promised.
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        bytes_max: usize,
    ) -> Poll<Result<Option<Bytes>, Code>>;
}

impl std::fmt::Debug for Kvs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Chunks(_) => f.write_str("Chunks(..)"),
        }
    }
}
