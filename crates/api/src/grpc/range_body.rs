//! The answer of a unary Range, written while its rows are read.
//!
//! The length stands in the frame header, so it is known before the first row; the rows follow a
//! piece at a time, each asked for when the connection has sent the ones before.

use std::fmt;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::Frame;
use ketch_base::GrpcCode;
use ketch_proto::etcdserverpb::{RangeResponse, ResponseHeader};
use prost::Message;

use super::frames::{FRAME_HEADER_BYTES, fits, put_header};
use super::record::Record;
use crate::body::BodyError;
use crate::limits::RANGE_PIECE_BYTES;
use crate::ports::{Chunks, Kvs, RangeReply};
use crate::status::{Status, ok_trailers};

/// Rows up to this size go out in one buffer with what is around them.
const JOIN_BYTES: usize = 16 * 1024;

/// A Range answer, ready to be sent.
#[derive(Debug)]
pub(crate) enum Answer {
    /// In one buffer, frame header included.
    Whole(Bytes),
    /// Piece by piece.
    Pieces(RangeBody),
}

/// A Range answer on its way.
pub(crate) struct RangeBody {
    before: Bytes,
    rows: Rows,
    left_bytes: u64,
    after: Bytes,
    finished: bool,
    record: Record,
}

enum Rows {
    Ready(Bytes),
    Chunks(Box<dyn Chunks>),
}

impl Answer {
    /// Frames a reply. The record ends now, or with the last row.
    pub(crate) fn new(reply: RangeReply, mut record: Record) -> Result<Self, (Status, Record)> {
        let (header, after) = surroundings(&reply);
        let length = header.len() as u64 + reply.kvs_bytes + after.len() as u64;
        if let Err(status) = fits(length) {
            return Err((status, record));
        }
        // It fits in 31 bits, as was just checked.
        let length_bytes = length as usize;
        record.meter.sent(1, length_bytes);
        let rows = match reply.kvs {
            Kvs::Whole(rows) if rows.len() <= JOIN_BYTES => {
                record.succeed();
                return Ok(Self::Whole(join(&header, &rows, &after)));
            }
            Kvs::Whole(rows) => Rows::Ready(rows),
            Kvs::Chunks(chunks) => Rows::Chunks(chunks),
        };
        let mut before = BytesMut::with_capacity(FRAME_HEADER_BYTES + header.len());
        put_header(&mut before, length_bytes);
        before.put_slice(&header);
        let left_bytes = reply.kvs_bytes;
        let before = before.freeze();
        Ok(Self::Pieces(RangeBody { before, rows, left_bytes, after, finished: false, record }))
    }
}

/// The fields of the message before and after its rows, encoded.
pub(crate) fn surroundings(reply: &RangeReply) -> (Bytes, Bytes) {
    let before = header_field(reply.header);
    let after = RangeResponse { count: reply.count, more: reply.more, ..Default::default() };
    (before, after.encode_to_vec().into())
}

fn header_field(header: ResponseHeader) -> Bytes {
    RangeResponse { header: Some(header), ..Default::default() }.encode_to_vec().into()
}

fn join(before: &[u8], rows: &[u8], after: &[u8]) -> Bytes {
    let length = before.len() + rows.len() + after.len();
    let mut frame = BytesMut::with_capacity(FRAME_HEADER_BYTES + length);
    put_header(&mut frame, length);
    frame.put_slice(before);
    frame.put_slice(rows);
    frame.put_slice(after);
    frame.freeze()
}

impl RangeBody {
    /// The next part: head, rows, tail, trailers.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        if !self.before.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.before)))));
        }
        if self.left_bytes > 0 {
            let piece = ready!(self.poll_piece(cx)).map(Frame::data);
            return Poll::Ready(Some(piece.inspect_err(|error| {
                self.finished = true;
                self.record.fail(&Status::new(GrpcCode::Internal, error.to_string()));
            })));
        }
        if !self.after.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.after)))));
        }
        self.finished = true;
        self.record.succeed();
        Poll::Ready(Some(Ok(Frame::trailers(ok_trailers()))))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        let piece = match &mut self.rows {
            Rows::Ready(rows) => Ok(std::mem::take(rows)),
            Rows::Chunks(chunks) => ready!(chunks.poll_next(cx, RANGE_PIECE_BYTES))
                .map_err(|code| BodyError::Range(code.text()))
                .map(Option::unwrap_or_default),
        };
        Poll::Ready(piece.and_then(|piece| self.count(piece)))
    }

    /// Checks a piece against what was promised.
    fn count(&mut self, piece: Bytes) -> Result<Bytes, BodyError> {
        let left = self.left_bytes.checked_sub(piece.len() as u64);
        self.left_bytes = left.ok_or(BodyError::Range("more rows than promised"))?;
        if piece.is_empty() {
            return Err(BodyError::Range("fewer rows than promised"));
        }
        Ok(piece)
    }
}

impl fmt::Debug for RangeBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeBody").field("left_bytes", &self.left_bytes).finish_non_exhaustive()
    }
}
