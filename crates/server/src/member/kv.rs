//! Keys: proposals for writes, plans for reads.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use ketch_api::ports::{Kv, Kvs, Pass, RangeReply};
use ketch_apply::{Answer, quota};
use ketch_base::{Code, limits};
use ketch_proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse,
    InternalRaftRequest, PutRequest, PutResponse, RangeRequest, RequestHeader, TxnRequest,
    TxnResponse, request_op,
};
use prost::Message;

use super::ahead::Ahead;
use super::{Member, header_by};
use crate::metrics::add;

impl Kv for Member {
    async fn range(&self, pass: Pass, request: RangeRequest) -> Result<RangeReply, Code> {
        let since = Instant::now();
        if !request.serializable && !pass.is_linearized {
            self.linearize().await?;
        }
        let reply = self.plan(&request);
        let reply = reply.and_then(|reply| self.holds(&pass).map(|()| reply));
        self.counters.requests.note_since("Range", &reply, since);
        self.note_duration("range", since);
        reply
    }

    // Not an `async fn`: the task of a call would keep the request until the answer comes.
    fn put(
        &self,
        pass: Pass,
        request: PutRequest,
    ) -> impl Future<Output = Result<PutResponse, Code>> + Send {
        let since = Instant::now();
        let proposal = self.check_quota(quota::cost_put(&request)).map(|()| {
            let id = self.request_ids.next();
            (id, encode_put(header_by(&pass, id), &request))
        });
        async move {
            let (id, data) = proposal?;
            let answer = self.propose_encoded("Put", id, data).await?;
            self.note_duration("put", since);
            match answer {
                Answer::Put(mut response) => {
                    response.header = Some(self.complete(response.header));
                    Ok(response)
                }
                _ => Err(unexpected()),
            }
        }
    }

    async fn delete_range(
        &self,
        pass: Pass,
        request: DeleteRangeRequest,
    ) -> Result<DeleteRangeResponse, Code> {
        let request = InternalRaftRequest { delete_range: Some(request), ..Default::default() };
        match self.propose_by(&pass, request).await? {
            Answer::DeleteRange(mut response) => {
                response.header = Some(self.complete(response.header));
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    async fn txn(&self, pass: Pass, request: TxnRequest) -> Result<TxnResponse, Code> {
        // Boxed: the edge has one task for all calls, which is as large as the largest of them.
        Box::pin(self.transact(pass, request)).await
    }

    async fn compact(
        &self,
        pass: Pass,
        request: CompactionRequest,
    ) -> Result<CompactionResponse, Code> {
        let (revision, physical) = (request.revision, request.physical);
        let request = InternalRaftRequest { compaction: Some(request), ..Default::default() };
        let Answer::Compaction(mut response) = self.propose_by(&pass, request).await? else {
            return Err(unexpected());
        };
        if physical {
            let mut gone = self.compacted.clone();
            gone.wait_for(|done| *done >= revision).await.map_err(|_| Code::Stopped)?;
        }
        response.header = Some(self.complete(response.header));
        Ok(response)
    }
}

impl Member {
    async fn transact(&self, pass: Pass, request: TxnRequest) -> Result<TxnResponse, Code> {
        let since = Instant::now();
        if reads_only(&request) {
            if !serializable(&request) && !pass.is_linearized {
                self.linearize().await?;
            }
            let mut response =
                ketch_apply::read::txn(&self.reader, &request).map_err(read_failed)?;
            self.holds(&pass)?;
            response.header = Some(self.complete(response.header));
            return Ok(response);
        }
        self.check_quota(quota::cost_txn(&request))?;
        let request = InternalRaftRequest { txn: Some(request), ..Default::default() };
        let answer = self.propose_by(&pass, request).await?;
        self.note_duration("txn", since);
        match answer {
            Answer::Txn(mut response) => {
                response.header = Some(self.complete(response.header));
                Ok(response)
            }
            _ => Err(unexpected()),
        }
    }

    /// Plans a range on this member's own state.
    pub(crate) fn plan(&self, request: &RangeRequest) -> Result<RangeReply, Code> {
        let since = Instant::now();
        let plan = self.reader.plan(request);
        self.counters.ranges_took.note_since("", &plan, since);
        add(&self.counters.ranges, 1);
        let mut plan = plan?;
        let (count, more, kvs_bytes) = (plan.count, plan.more, plan.kvs_bytes);
        let header = self.header_at(plan.revision);
        let kvs = if kvs_bytes == 0 {
            Kvs::Whole(Bytes::new())
        } else if usize::try_from(kvs_bytes).is_ok_and(|bytes| bytes <= limits::RANGE_CHUNK_BYTES) {
            let bytes = plan.next_chunk(limits::RANGE_CHUNK_BYTES).map_err(storage_failed)?;
            Kvs::Whole(bytes.unwrap_or_default())
        } else {
            let read = move |bytes_max| plan.next_chunk(bytes_max).map_err(storage_failed);
            Kvs::Chunks(Box::new(Ahead::new(read, &self.readers)))
        };
        Ok(RangeReply { header, count, more, kvs_bytes, kvs })
    }
}

/// A refusal of the store goes on as it is; anything else is a damaged database.
pub(super) fn read_failed(error: ketch_mvcc::Error) -> Code {
    match error {
        ketch_mvcc::Error::Refused(code) => code,
        other => storage_failed(other),
    }
}

/// A row that cannot be read is a damaged database; the details go to the log, once.
pub(super) fn storage_failed(error: impl std::fmt::Display) -> Code {
    tracing::error!(error = %error, "failed to read from the backend");
    Code::Corrupt
}

/// Apply gave an answer of another kind: the entry was not what was proposed.
pub(super) fn unexpected() -> Code {
    tracing::error!("apply answered with another kind of response");
    Code::Stopped
}

/// Encodes the proposal of a put in one pass: the general envelope has thirty fields to look at.
fn encode_put(header: RequestHeader, put: &PutRequest) -> Bytes {
    const PUT_TAG: u64 = (4 << 3) | 2;
    const HEADER_TAG: u64 = (100 << 3) | 2;
    let (put_bytes, header_bytes) = (put.encoded_len(), header.encoded_len());
    let mut out = BytesMut::with_capacity(put_bytes + header_bytes + 16);
    prost::encoding::encode_varint(PUT_TAG, &mut out);
    prost::encoding::encode_varint(put_bytes as u64, &mut out);
    put.encode_raw(&mut out);
    prost::encoding::encode_varint(HEADER_TAG, &mut out);
    prost::encoding::encode_varint(header_bytes as u64, &mut out);
    header.encode_raw(&mut out);
    out.freeze()
}

/// Whether a transaction writes nothing on either branch, nested ones included.
pub(super) fn reads_only(request: &TxnRequest) -> bool {
    request.success.iter().chain(&request.failure).all(|op| match &op.request {
        Some(request_op::Request::RequestRange(_)) => true,
        Some(request_op::Request::RequestTxn(nested)) => reads_only(nested),
        _ => false,
    })
}

/// Whether every range of it asked for this member's own state; a compare alone needs a quorum.
pub(super) fn serializable(request: &TxnRequest) -> bool {
    request.success.iter().chain(&request.failure).all(|op| {
        matches!(&op.request, Some(request_op::Request::RequestRange(range)) if range.serializable)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_to_encode_a_put_gives_the_same_envelope() {
        let put = PutRequest { key: "k".into(), value: "v".into(), lease: 7, ..Default::default() };
        let header = RequestHeader { id: 99, username: "u".to_owned(), auth_revision: 3 };
        let whole = InternalRaftRequest {
            header: Some(header.clone()),
            put: Some(put.clone()),
            ..Default::default()
        };
        let short = encode_put(header, &put);
        assert_eq!(InternalRaftRequest::decode(short).unwrap(), whole);
    }
}
