//! The five bytes before every message: read off a request body, written before a response.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;
use ketch_base::GrpcCode;
use prost::Message;

use super::encoding::Encoding;
use super::unfinished::{Total, Unfinished};
use crate::limits::MESSAGE_RESERVE_BYTES;
use crate::status::Status;

/// Length of the header: one flag byte and the message length, big endian.
pub(crate) const FRAME_HEADER_BYTES: usize = 5;

/// Reads messages off a request body.
pub(crate) struct Frames<B> {
    body: B,
    encoding: Encoding,
    max_message_bytes: usize,
    buffer: BytesMut,
    unfinished: Unfinished,
}

/// A request body as this module needs it.
pub(crate) trait Inbound: http_body::Body<Data = Bytes> + Send + Unpin + 'static {}

impl<B: http_body::Body<Data = Bytes> + Send + Unpin + 'static> Inbound for B {}

/// A frame header, checked.
struct Header {
    flag: u8,
    message_bytes: usize,
}

impl<B: Inbound> Frames<B> {
    pub(super) fn new(
        body: B,
        encoding: Encoding,
        max_message_bytes: usize,
        unfinished: &Total,
    ) -> Self {
        let unfinished = Unfinished::new(unfinished);
        Self { body, encoding, max_message_bytes, buffer: BytesMut::new(), unfinished }
    }

    /// The next message, or `None` where the client has no more. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(Some(message));
            }
            let chunk = match self.body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => chunk,
                    Err(_trailers) => continue,
                },
                Some(Err(_)) => return Err(Status::canceled()),
                None => return self.end(),
            };
            // The usual request: one message, one chunk. Copied, because the chunk is a slice
            // of the connection's read buffer and would keep all of it alive.
            if self.buffer.is_empty()
                && let Some(header) = self.header(&chunk)?
                && chunk.len() == FRAME_HEADER_BYTES + header.message_bytes
            {
                let message = Bytes::copy_from_slice(&chunk[FRAME_HEADER_BYTES..]);
                return self.open(&header, message).map(Some);
            }
            self.buffer.extend_from_slice(&chunk);
            self.unfinished.hold(self.buffer.len())?;
        }
    }

    fn buffered(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(header) = self.header(&self.buffer)? else { return Ok(None) };
        let whole = FRAME_HEADER_BYTES + header.message_bytes;
        if self.buffer.len() < whole {
            self.buffer.reserve((whole - self.buffer.len()).min(MESSAGE_RESERVE_BYTES));
            return Ok(None);
        }
        let frame = self.buffer.split_to(whole).freeze();
        self.unfinished.hold(self.buffer.len())?;
        self.open(&header, frame.slice(FRAME_HEADER_BYTES..)).map(Some)
    }

    fn open(&self, header: &Header, message: Bytes) -> Result<Bytes, Status> {
        self.encoding.open(header.flag, message, self.max_message_bytes)
    }

    /// Reads a frame header, if it is all there.
    fn header(&self, bytes: &[u8]) -> Result<Option<Header>, Status> {
        let [flag, a, b, c, d, ..] = *bytes else { return Ok(None) };
        let message_bytes = u32::from_be_bytes([a, b, c, d]) as usize;
        let max = self.max_message_bytes;
        if message_bytes > max {
            return Err(Status::new(
                GrpcCode::ResourceExhausted,
                format!("grpc: received message larger than max ({message_bytes} vs. {max})"),
            ));
        }
        if flag > 1 {
            return Err(Status::new(
                GrpcCode::Internal,
                format!("grpc: received unexpected payload format {flag}"),
            ));
        }
        Ok(Some(Header { flag, message_bytes }))
    }

    fn end(&self) -> Result<Option<Bytes>, Status> {
        match self.buffer.len() {
            0 => Ok(None),
            1..FRAME_HEADER_BYTES => Err(Status::new(GrpcCode::Unknown, "EOF")),
            _ => Err(Status::new(GrpcCode::Unknown, "unexpected EOF")),
        }
    }
}

/// A message with its frame header, in one buffer of exact size.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(FRAME_HEADER_BYTES + length);
    put_header(&mut frame, length);
    message.encode_raw(&mut frame);
    frame.freeze()
}

/// Writes a frame header.
///
/// # Panics
/// Never for what fits in memory here: responses are checked against [`fits`] where they can grow.
pub(crate) fn put_header(frame: &mut BytesMut, length: usize) {
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

/// Refuses a response that grpc-go would not send either.
pub(crate) fn fits(length: u64) -> Result<(), Status> {
    let max = crate::limits::MESSAGE_SEND_BYTES;
    if length <= max {
        return Ok(());
    }
    Err(Status::new(
        GrpcCode::ResourceExhausted,
        format!("grpc: trying to send message larger than max ({length} vs. {max})"),
    ))
}

/// Decodes a request; `context` is grpc-go's beginning of the sentence.
pub(crate) fn decode<M: Message + Default>(
    message: Bytes,
    context: &'static str,
) -> Result<M, Status> {
    M::decode(message).map_err(|error| {
        let what = if error.to_string().contains("UTF-8") {
            "string field contains invalid UTF-8"
        } else {
            "proto: cannot parse invalid wire-format data"
        };
        Status::new(GrpcCode::Internal, format!("{context}: {what}"))
    })
}
