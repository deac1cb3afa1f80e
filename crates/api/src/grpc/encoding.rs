//! Compressed request messages. etcd reads gzip, so do we; answers go out as they are, which
//! every client must accept.

use std::io::Read;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use ketch_base::GrpcCode;

use crate::status::Status;

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// How the client's flagged messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Not at all: a flag is a fault.
    Identity,
    /// By gzip.
    Gzip,
}

impl Encoding {
    /// Reads `grpc-encoding`.
    pub(super) fn read(fields: &HeaderMap) -> Result<Self, Status> {
        match fields.get(ENCODING).map(http::HeaderValue::as_bytes) {
            None | Some(b"" | b"identity") => Ok(Self::Identity),
            Some(b"gzip") => Ok(Self::Gzip),
            Some(other) => Err(Status::new(
                GrpcCode::Unimplemented,
                format!(
                    "grpc: Decompressor is not installed for grpc-encoding \"{}\"",
                    String::from_utf8_lossy(other)
                ),
            )),
        }
    }

    /// The message behind a frame with this flag.
    pub(super) fn open(
        self,
        flag: u8,
        message: Bytes,
        max_message_bytes: usize,
    ) -> Result<Bytes, Status> {
        match (flag, self) {
            (0, _) => Ok(message),
            (_, Self::Gzip) => inflated(&message, max_message_bytes),
            (_, Self::Identity) => Err(Status::new(
                GrpcCode::Internal,
                "grpc: compressed flag set with identity or empty encoding",
            )),
        }
    }
}

fn inflated(message: &[u8], max_message_bytes: usize) -> Result<Bytes, Status> {
    let mut whole = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(message).take(max_message_bytes as u64 + 1);
    reader.read_to_end(&mut whole).map_err(|error| {
        let text = match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "unexpected EOF",
            std::io::ErrorKind::InvalidInput => "gzip: invalid header",
            _ => "gzip: invalid data",
        };
        Status::new(GrpcCode::Internal, format!("grpc: failed to decompress the message: {text}"))
    })?;
    if whole.len() > max_message_bytes {
        return Err(Status::new(
            GrpcCode::ResourceExhausted,
            format!(
                "grpc: received message after decompression larger than max {max_message_bytes}"
            ),
        ));
    }
    Ok(whole.into())
}
