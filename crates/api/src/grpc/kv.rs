//! `etcdserverpb.KV`.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::Response;
use ketch_base::{Code, GrpcCode};
use ketch_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use ketch_proto::etcdserverpb::{DeleteRangeRequest, PutRequest, RangeRequest, TxnRequest};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::call::{Call, Outlet, checked, head, judged, refusal, unary, within};
use super::frames::{Inbound, fits, put_header};
use super::range_body::{Answer, surroundings};
use crate::body::Body;
use crate::checks;
use crate::edge::Edge;
use crate::limits::RANGE_PIECE_BYTES;
use crate::method::Method;
use crate::ports::{Chunks, Kvs, Ports, RangeReply};
use crate::status::Status;

#[expect(clippy::manual_async_fn, reason = "an async fn keeps its parameters twice")]
pub(super) fn range<P: Ports, B: Inbound>(
    edge: &Edge<P>,
    mut call: Call<B>,
) -> impl Future<Output = Response<Body>> + Send {
    async move {
        let timeout = call.metadata.timeout;
        let reply = match call.request::<RangeRequest, P>(edge).await {
            Ok(request) if !request.serializable && edge.ports.is_learner() => {
                call.look(edge);
                Err(Code::NotSupportedForLearner.into())
            }
            Ok(request) => match checks::range(&request) {
                Ok(()) => {
                    let Call { metadata, record, .. } = &mut call;
                    let credentials = &metadata.credentials;
                    let answer = pin!(async move {
                        let pass = judged(edge, credentials, record, &request);
                        edge.ports.range(pass.await?, request).await
                    });
                    within(timeout, answer).await
                }
                Err(code) => {
                    call.look(edge);
                    Err(code.into())
                }
            },
            Err(status) => Err(status),
        };
        match reply {
            Ok(reply) => answer(reply, call),
            Err(status) => call.refuse(&status),
        }
    }
}

/// With all rows at once, or piece by piece.
fn answer<B>(reply: RangeReply, call: Call<B>) -> Response<Body> {
    match Answer::new(reply, call.record) {
        Ok(Answer::Whole(frame)) => head(Body::message(frame), call.content_type),
        Ok(Answer::Pieces(body)) => head(Body::range(body), call.content_type),
        Err((status, mut record)) => {
            record.fail(&status);
            refusal(&status, call.content_type)
        }
    }
}

pub(super) fn put<P: Ports, B: Inbound>(
    edge: &Edge<P>,
    call: Call<B>,
) -> impl Future<Output = Response<Body>> + Send {
    checked(edge, call, checks::put, |pass, request: PutRequest| edge.ports.put(pass, request))
}

pub(super) fn txn<P: Ports, B: Inbound>(
    edge: &Edge<P>,
    call: Call<B>,
) -> impl Future<Output = Response<Body>> + Send {
    let check = |request: &TxnRequest| checks::txn(request, edge.config.max_txn_ops);
    checked(edge, call, check, |pass, request| edge.ports.txn(pass, request))
}

/// The methods that are not hot.
pub(super) async fn serve<P: Ports, B: Inbound>(edge: &Edge<P>, call: Call<B>) -> Response<Body> {
    match call.record.meter.method {
        Method::RangeStream => range_stream(edge, call).await,
        Method::DeleteRange => {
            let check = |request: &DeleteRangeRequest| checks::delete_range(request);
            checked(edge, call, check, |pass, request| edge.ports.delete_range(pass, request)).await
        }
        _ => unary(edge, call, |pass, request| edge.ports.compact(pass, request)).await,
    }
}

async fn range_stream<P: Ports, B: Inbound>(edge: &Edge<P>, mut call: Call<B>) -> Response<Body> {
    match plan(edge, &mut call).await {
        Ok(reply) => call.drive(|_messages, outlet| send_rows(reply, outlet)),
        Err(status) => call.refuse(&status),
    }
}

async fn plan<P: Ports, B: Inbound>(
    edge: &Edge<P>,
    call: &mut Call<B>,
) -> Result<RangeReply, Status> {
    let mut request: RangeRequest = call.stream_request(edge).await?;
    checks::range_stream(&request).inspect_err(|_| call.look(edge))?;
    let timeout = call.metadata.timeout;
    let pass = within(timeout, pin!(call.pass(edge, &request))).await?;
    // A target without an order means nothing here, where unary ranges sort by it.
    request.sort_order = SortOrder::None as i32;
    request.sort_target = SortTarget::Key as i32;
    within(timeout, pin!(edge.ports.range(pass, request))).await
}

/// One message per piece; header, count and `more` stand in the last one only.
async fn send_rows(reply: RangeReply, outlet: Outlet) -> Result<(), Status> {
    let (before, after) = surroundings(&reply);
    let mut left_bytes = reply.kvs_bytes;
    let mut chunks: Box<dyn Chunks> = match reply.kvs {
        Kvs::Whole(rows) => Box::new(Once(rows)),
        Kvs::Chunks(chunks) => chunks,
    };
    let short = || Status::new(GrpcCode::Internal, "range cut short");
    while left_bytes > 0 {
        let rows =
            poll_fn(|cx| chunks.poll_next(cx, RANGE_PIECE_BYTES)).await?.ok_or_else(short)?;
        left_bytes = left_bytes.checked_sub(rows.len() as u64).ok_or_else(short)?;
        if left_bytes == 0 {
            return send_piece(&outlet, &before, rows, &after).await;
        }
        send_piece(&outlet, b"", rows, b"").await?;
    }
    send_piece(&outlet, &before, Bytes::new(), &after).await
}

/// Sends `RangeStreamResponse { range_response: before ++ rows ++ after }` without copying rows.
async fn send_piece(
    outlet: &Outlet,
    before: &[u8],
    rows: Bytes,
    after: &[u8],
) -> Result<(), Status> {
    let inner = before.len() + rows.len() + after.len();
    let length = 1 + encoded_len_varint(inner as u64) + inner;
    fits(length as u64)?;
    outlet.meter.sent(1, length);
    let mut start = BytesMut::with_capacity(16 + before.len());
    put_header(&mut start, length);
    encode_key(1, WireType::LengthDelimited, &mut start);
    encode_varint(inner as u64, &mut start);
    start.extend_from_slice(before);
    outlet.sink.send(start.freeze()).await;
    for part in [rows, Bytes::copy_from_slice(after)] {
        if !part.is_empty() {
            outlet.sink.send(part).await;
        }
    }
    Ok(())
}

struct Once(Bytes);

impl Chunks for Once {
    fn poll_next(&mut self, _: &mut Context<'_>, _: usize) -> Poll<Result<Option<Bytes>, Code>> {
        let rows = std::mem::take(&mut self.0);
        Poll::Ready(Ok((!rows.is_empty()).then_some(rows)))
    }
}
