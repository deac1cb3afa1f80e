//! A client that says exactly what it is told and reports exactly what it hears.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ketch_api::ports::Origin;
use ketch_api::{ConnectionConfig, ConnectionError, Edge, EdgeConfig, Surface, serve_connection};
use prost::Message;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use crate::fake::Fake;

/// Bytes in flight between the two ends of a connection in memory.
const PIPE_BYTES: usize = 64 * 1024;

pub(crate) type Server = JoinHandle<Result<(), ConnectionError>>;

/// An edge over a new fake server, with five operations a transaction.
pub(crate) fn edge() -> (Arc<Fake>, Arc<Edge<Fake>>) {
    let fake = Fake::new();
    let config = EdgeConfig { max_txn_ops: 5, ..Default::default() };
    let edge = Edge::new(Arc::clone(&fake), config);
    (fake, edge)
}

/// One connection in memory, and the server's end of it.
pub(crate) fn connect(edge: &Arc<Edge<Fake>>, surface: Surface) -> (DuplexStream, Server) {
    let (client, server) = tokio::io::duplex(PIPE_BYTES);
    let (edge, config) = (Arc::clone(edge), ConnectionConfig::default());
    let task = tokio::spawn(async move {
        serve_connection(server, edge, surface, &config, Origin::default()).await
    });
    (client, task)
}

/// A real gRPC client over loopback.
pub(crate) async fn channel(edge: &Arc<Edge<Fake>>) -> Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let edge = Arc::clone(edge);
    tokio::spawn(async move {
        while let Ok((socket, remote)) = listener.accept().await {
            let edge = Arc::clone(&edge);
            let origin = Origin { remote: Some(remote), ..Origin::default() };
            tokio::spawn(async move {
                serve_connection(socket, edge, Surface::All, &ConnectionConfig::default(), origin)
                    .await
            });
        }
    });
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    endpoint.connect().await.expect("the server listens")
}

type Outgoing = BoxBody<Bytes, Infallible>;

/// A raw HTTP/2 client.
#[derive(Clone)]
pub(crate) struct Raw(SendRequest<Outgoing>);

/// What came back, whole.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) http: StatusCode,
    pub(crate) head: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Raw {
    pub(crate) async fn connect(edge: &Arc<Edge<Fake>>) -> Self {
        let (io, _server) = connect(edge, Surface::All);
        let builder = http2::Builder::new(TokioExecutor::new());
        let (sender, connection) =
            builder.handshake(TokioIo::new(io)).await.expect("the server speaks HTTP/2");
        tokio::spawn(connection);
        Self(sender)
    }

    /// Sends a request with these fields (`-` removes a usual one) and hands back the answer as
    /// it comes.
    pub(crate) async fn open(
        &mut self,
        verb: &str,
        path: &str,
        fields: &[(&str, &[u8])],
        body: Outgoing,
    ) -> http::Response<Incoming> {
        self.try_open(verb, path, fields, body).await.expect("an answer")
    }

    /// As `open`, where there may be no answer.
    pub(crate) async fn try_open(
        &mut self,
        verb: &str,
        path: &str,
        fields: &[(&str, &[u8])],
        body: Outgoing,
    ) -> hyper::Result<http::Response<Incoming>> {
        let mut request = Request::builder()
            .method(verb)
            .uri(format!("http://edge{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body)
            .expect("well formed");
        for (name, value) in fields {
            let name = http::HeaderName::try_from(*name).expect("a field name");
            if *value == b"-" {
                request.headers_mut().remove(name);
            } else {
                let value = http::HeaderValue::from_bytes(value).expect("a field value");
                request.headers_mut().insert(name, value);
            }
        }
        self.0.ready().await.expect("the connection stands");
        self.0.send_request(request).await
    }

    pub(crate) async fn ask(
        &mut self,
        verb: &str,
        path: &str,
        fields: &[(&str, &[u8])],
        body: impl Into<Bytes>,
    ) -> Heard {
        let response = self.open(verb, path, fields, Full::new(body.into()).boxed()).await;
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.expect("a whole answer");
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Heard { http: parts.status, head: parts.headers, body: collected.to_bytes(), trailers }
    }

    /// A gRPC call with one message.
    pub(crate) async fn call(&mut self, path: &str, message: &impl Message) -> Heard {
        self.ask("POST", path, &[], frame(0, &message.encode_to_vec())).await
    }
}

impl Heard {
    /// The status, wherever it stands, as `number text`.
    pub(crate) fn status(&self) -> String {
        let text = |name| {
            let value = self.head.get(name).or_else(|| self.trailers.get(name));
            value.map_or("", |value| value.to_str().expect("visible ASCII"))
        };
        format!("{} {}", text("grpc-status"), text("grpc-message")).trim().to_owned()
    }

    /// The messages of the body.
    pub(crate) fn messages(&self) -> Vec<Bytes> {
        let mut rest = self.body.clone();
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let header = rest.split_to(5);
            let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
            messages.push(rest.split_to(length as usize));
        }
        messages
    }
}

/// A message with the five bytes before it.
pub(crate) fn frame(flag: u8, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}
