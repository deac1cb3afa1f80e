//! The one response body: a text, a gRPC message, a range written as it is read, or a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::grpc::{RangeBody, StreamBody};

/// What a response is made of.
#[derive(Debug)]
pub struct Body(Inner);

#[derive(Debug)]
enum Inner {
    Empty,
    Text(Bytes),
    Message(Bytes),
    Trailers(HeaderMap),
    Range(Box<RangeBody>),
    Stream(Box<StreamBody>),
    Foreign(tonic::body::Body),
}

/// Why a body broke off; the connection resets the stream.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The rows of a range could not be read to the promised end.
    #[error("range cut short: {0}")]
    Range(&'static str),
    /// A service not written here failed.
    #[error("stream failed")]
    Foreign(#[source] tonic::Status),
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// Plain HTTP: the length is told.
    pub(crate) fn text(bytes: impl Into<Bytes>) -> Self {
        Self(Inner::Text(bytes.into()))
    }

    /// One gRPC message, frame header included, and the trailers of success.
    pub(crate) fn message(framed: Bytes) -> Self {
        Self(Inner::Message(framed))
    }

    pub(crate) fn range(body: RangeBody) -> Self {
        Self(Inner::Range(Box::new(body)))
    }

    pub(crate) fn stream(body: StreamBody) -> Self {
        Self(Inner::Stream(Box::new(body)))
    }

    pub(crate) fn foreign(body: tonic::body::Body) -> Self {
        Self(Inner::Foreign(body))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Text(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Inner::Empty;
                Poll::Ready((!bytes.is_empty()).then_some(Ok(Frame::data(bytes))))
            }
            Inner::Message(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Inner::Trailers(crate::status::ok_trailers());
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Trailers(fields) => {
                let fields = std::mem::take(fields);
                self.0 = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::trailers(fields))))
            }
            Inner::Range(body) => body.poll(cx),
            Inner::Stream(body) => body.poll(cx).map(|frame| frame.map(Ok)),
            Inner::Foreign(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|f| f.map_err(BodyError::Foreign))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Text(bytes) => bytes.is_empty(),
            Inner::Foreign(body) => body.is_end_stream(),
            _ => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Text(bytes) => SizeHint::with_exact(bytes.len() as u64),
            // gRPC answers carry no content-length.
            _ => SizeHint::default(),
        }
    }
}
