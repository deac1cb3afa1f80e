//! Keys and values.

use ketch_proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest,
    PutResponse, RangeRequest, RangeResponse, RangeStreamResponse, TxnRequest, TxnResponse,
};
use tonic::Streaming;

use crate::call::Repeat;
use crate::{Client, Error};

/// The key-value calls. Errors are the server's refusal, the limit, or no server.
#[derive(Clone)]
pub struct Kv {
    pub(crate) client: Client,
}

impl Kv {
    /// Reads keys.
    pub async fn range(&self, request: RangeRequest) -> Result<RangeResponse, Error> {
        self.client.unary("/etcdserverpb.KV/Range", Repeat::Safe, request).await
    }

    /// Reads keys in bounded pieces, all of one revision.
    pub async fn range_stream(&self, request: RangeRequest) -> Result<RangeChunks, Error> {
        let stream = self.client.server_stream("/etcdserverpb.KV/RangeStream", request).await?;
        Ok(RangeChunks { stream })
    }

    /// Writes one key.
    pub async fn put(&self, request: PutRequest) -> Result<PutResponse, Error> {
        self.client.unary("/etcdserverpb.KV/Put", Repeat::Never, request).await
    }

    /// Deletes keys.
    pub async fn delete(&self, request: DeleteRangeRequest) -> Result<DeleteRangeResponse, Error> {
        self.client.unary("/etcdserverpb.KV/DeleteRange", Repeat::Never, request).await
    }

    /// Compares and acts, all or nothing. Repeated only if it cannot write.
    pub async fn txn(&self, request: TxnRequest) -> Result<TxnResponse, Error> {
        let repeat = if reads_only(&request) { Repeat::Safe } else { Repeat::Never };
        self.client.unary("/etcdserverpb.KV/Txn", repeat, request).await
    }

    /// Gives up the history up to a revision.
    pub async fn compact(&self, request: CompactionRequest) -> Result<CompactionResponse, Error> {
        self.client.unary("/etcdserverpb.KV/Compact", Repeat::Never, request).await
    }
}

fn reads_only(request: &TxnRequest) -> bool {
    use ketch_proto::etcdserverpb::request_op::Request;
    request.success.iter().chain(&request.failure).all(|op| match &op.request {
        Some(Request::RequestRange(_)) | None => true,
        Some(Request::RequestTxn(inner)) => reads_only(inner),
        Some(Request::RequestPut(_) | Request::RequestDeleteRange(_)) => false,
    })
}

/// The pieces of one [`Kv::range_stream`].
pub struct RangeChunks {
    stream: Streaming<RangeStreamResponse>,
}

impl RangeChunks {
    /// The next piece; `None` at the end. Header, count and `more` come in whichever piece the
    /// server puts them.
    pub async fn next(&mut self) -> Result<Option<RangeResponse>, Error> {
        loop {
            match self.stream.message().await? {
                Some(RangeStreamResponse { range_response: Some(piece) }) => {
                    return Ok(Some(piece));
                }
                Some(RangeStreamResponse { range_response: None }) => {}
                None => return Ok(None),
            }
        }
    }
}
