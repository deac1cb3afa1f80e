//! One HTTP/1.1 connection to another member, and requests on it.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{HOST, HeaderMap};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use ketch_tls::explain;
use tokio::time::timeout;

use crate::net::{Dialer, Target};

/// A body we send.
pub(crate) type Outbound = UnsyncBoxBody<Bytes, io::Error>;

/// A body without bytes.
pub(crate) fn empty() -> Outbound {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is all there.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Outbound {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An open connection. Dropping it closes the socket once the request under way is over.
pub(crate) struct Client {
    sender: SendRequest<Outbound>,
    host: HeaderValue,
}

impl Client {
    /// Dials the member at `url`; `stall` bounds every single write.
    pub(crate) async fn connect(
        dialer: &Dialer,
        url: &str,
        dial_within: Duration,
        stall: Duration,
    ) -> io::Result<Self> {
        let target = Target::of(url)?;
        let socket = dialer.dial(&target, dial_within, stall).await?;
        let host = HeaderValue::from_str(&target.authority).map_err(io::Error::other)?;
        let (sender, connection) = Builder::new()
            .title_case_headers(true)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(broken)?;
        // Its errors come out of the request as well.
        tokio::spawn(connection);
        Ok(Self { sender, host })
    }

    /// Whether the other end has not closed it yet.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends one request and waits for the head of its answer.
    pub(crate) async fn request(
        &mut self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Outbound,
    ) -> io::Result<Response<Incoming>> {
        self.sender.ready().await.map_err(broken)?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(io::Error::other)?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(HOST, self.host.clone());
        self.sender.send_request(request).await.map_err(broken)
    }
}

/// What broke a connection, in one line: the reason lies below what hyper says of it. A server that
/// does not want our certificate may say so only when the first answer is awaited.
fn broken(error: hyper::Error) -> io::Error {
    if error.is_parse() {
        return io::Error::other(format!("malformed HTTP response ({error}); a TLS port, perhaps"));
    }
    let mut below: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = below {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return io::Error::new(cause.kind(), explain(cause));
        }
        below = cause.source();
    }
    io::Error::other(error)
}

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("body is longer than {0} bytes")]
    TooLong(usize),
    #[error("body did not come: {0}")]
    Broken(#[from] io::Error),
}

/// Reads a whole body of at most `limit` bytes; each piece has to come within `patience`.
pub(crate) async fn read_all(
    mut body: Incoming,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, BodyError> {
    let mut all = BytesMut::new();
    while let Some(chunk) = next_chunk(&mut body, patience).await? {
        if all.len() + chunk.len() > limit {
            return Err(BodyError::TooLong(limit));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// The next bytes of a body; `None` at its end.
pub(crate) async fn next_chunk(
    body: &mut Incoming,
    patience: Duration,
) -> io::Result<Option<Bytes>> {
    loop {
        let frame = timeout(patience, body.frame())
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(broken(error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
