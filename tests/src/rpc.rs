//! gRPC without stubs: any method path, any bytes, so that a test controls the request exactly.
//!
//! Messages are encoded and decoded here, outside tonic's codec: a test can send garbage, and
//! can see the very bytes a server answered with.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use ketch_tls::Identity;
use prost::Message;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

/// How a call failed: the two things clients match on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The gRPC code.
    pub code: Code,
    /// The gRPC message.
    pub message: String,
}

impl Refusal {
    /// True when no server said this, but our own end of a connection that broke.
    pub fn is_transport(&self) -> bool {
        let texts = ["transport error", "tcp connect error", "not connected", "h2 protocol error"];
        texts.iter().any(|text| self.message.starts_with(text))
            || self.message.contains("error reading a body from connection")
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{:?}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self { code: status.code(), message: status.message().to_owned() }
    }
}

/// What a unary call gave.
pub type Answer<A> = Result<A, Refusal>;

/// One connection to one server.
#[derive(Debug, Clone)]
pub struct Rpc {
    channel: Channel,
    needs_leader: bool,
    fields: Vec<(&'static str, String)>,
}

/// The client's end of a stream in both directions; dropping it ends the stream.
#[derive(Debug)]
pub struct Duplex {
    requests: mpsc::UnboundedSender<Bytes>,
    answers: Streaming<Bytes>,
}

impl Rpc {
    /// Connects to `http://host:port`.
    ///
    /// # Errors
    /// When nothing accepts within five seconds.
    pub async fn connect(endpoint: &str) -> Result<Self> {
        let channel = channel(endpoint)?.connect().await.context("connecting to the member")?;
        Ok(Self { channel, needs_leader: false, fields: Vec::new() })
    }

    /// Connects with the first call, and again after each loss.
    ///
    /// # Errors
    /// When `endpoint` is no URL.
    pub fn lazy(endpoint: &str) -> Result<Self> {
        Ok(Self {
            channel: channel(endpoint)?.connect_lazy(),
            needs_leader: false,
            fields: Vec::new(),
        })
    }

    /// Connects with a certificate, or whatever else the identity holds.
    ///
    /// # Errors
    /// When nothing accepts, or not this identity.
    pub async fn secured(address: &str, identity: Arc<Identity>) -> Result<Self> {
        let to = address.to_owned();
        let connect = tower::service_fn(move |_| {
            let (to, connector) = (to.clone(), identity.connector());
            async move {
                let socket = TcpStream::connect(&to).await?;
                socket.set_nodelay(true)?;
                let stream = connector.connect(&to, socket, Duration::from_secs(5)).await;
                stream.map(TokioIo::new).map_err(std::io::Error::other)
            }
        });
        let endpoint = channel(&format!("http://{address}"))?;
        let channel = endpoint.connect_with_connector(connect).await?;
        Ok(Self { channel, needs_leader: false, fields: Vec::new() })
    }

    /// The same connection with `hasleader: true` in each call's metadata.
    #[must_use]
    pub fn needing_leader(&self) -> Self {
        Self { needs_leader: true, ..self.clone() }
    }

    /// The same connection with one more field in each call's metadata: `token` and the like.
    #[must_use]
    pub fn with_token(&self, field: &'static str, token: &str) -> Self {
        let mut fields = self.fields.clone();
        fields.push((field, token.to_owned()));
        Self { fields, ..self.clone() }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if self.needs_leader {
            request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        }
        for (field, text) in &self.fields {
            if let Ok(text) = text.parse() {
                request.metadata_mut().insert(*field, text);
            }
        }
        request
    }

    /// One unary call; `method` is `/package.Service/Method`.
    ///
    /// # Errors
    /// The server's refusal, or `Code::DataLoss` when the answer's bytes do not decode.
    pub async fn call<A: Message + Default>(&self, method: &str, ask: &impl Message) -> Answer<A> {
        let bytes = self.call_bytes(method, ask.encode_to_vec().into()).await?;
        decode(bytes)
    }

    /// One unary call with the given request bytes, giving the answer's bytes.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn call_bytes(&self, method: &str, ask: Bytes) -> Answer<Bytes> {
        let mut grpc = self.grpc().await?;
        let answer = grpc.unary(self.request(ask), path(method), Raw).await?;
        Ok(answer.into_inner())
    }

    /// All messages of a server stream, up to its end.
    ///
    /// # Errors
    /// The server's refusal, at the start or in the middle.
    pub async fn collect<A: Message + Default>(
        &self,
        method: &str,
        ask: &impl Message,
    ) -> Answer<Vec<A>> {
        self.collect_bytes(method, ask.encode_to_vec().into()).await
    }

    /// As `collect`, with the given request bytes.
    ///
    /// # Errors
    /// As `collect`.
    pub async fn collect_bytes<A: Message + Default>(
        &self,
        method: &str,
        ask: Bytes,
    ) -> Answer<Vec<A>> {
        let mut grpc = self.grpc().await?;
        let request = self.request(ask);
        let mut answers = grpc.server_streaming(request, path(method), Raw).await?.into_inner();
        let mut all = Vec::new();
        while let Some(bytes) = answers.message().await? {
            all.push(decode(bytes)?);
        }
        Ok(all)
    }

    /// The first message of a server stream, which then is left.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn first_bytes(&self, method: &str, ask: Bytes) -> Answer<Option<Bytes>> {
        let mut grpc = self.grpc().await?;
        let answers = grpc.server_streaming(self.request(ask), path(method), Raw).await?;
        Ok(answers.into_inner().message().await?)
    }

    /// Opens a stream in both directions with its first request.
    ///
    /// # Errors
    /// The server's refusal of the stream.
    pub async fn duplex(&self, method: &str, first: &impl Message) -> Answer<Duplex> {
        self.duplex_bytes(method, first.encode_to_vec().into()).await
    }

    /// As `duplex`, with the given bytes.
    ///
    /// # Errors
    /// As `duplex`.
    pub async fn duplex_bytes(&self, method: &str, first: Bytes) -> Answer<Duplex> {
        self.duplex_all(method, [first]).await
    }

    /// As `duplex_bytes`, with several requests: for those that are not answered at once.
    ///
    /// # Errors
    /// As `duplex`.
    pub async fn duplex_all(
        &self,
        method: &str,
        first: impl IntoIterator<Item = Bytes>,
    ) -> Answer<Duplex> {
        let mut grpc = self.grpc().await?;
        let (requests, queue) = mpsc::unbounded_channel();
        // Before the call, for a Go server answers nothing, not even a head, to no request.
        for first in first {
            let _ = requests.send(first);
        }
        let request = self.request(UnboundedReceiverStream::new(queue));
        let answers = grpc.streaming(request, path(method), Raw).await?.into_inner();
        Ok(Duplex { requests, answers })
    }

    async fn grpc(&self) -> Answer<Grpc<Channel>> {
        let mut grpc = Grpc::new(self.channel.clone())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        grpc.ready().await.map_err(|why| Refusal {
            code: Code::Unavailable,
            message: format!("not connected: {why}"),
        })?;
        Ok(grpc)
    }
}

impl Duplex {
    /// Queues one more request.
    pub fn send(&self, ask: &impl Message) {
        // A stream the server has ended shows on the receiving side.
        let _ = self.requests.send(Bytes::from(ask.encode_to_vec()));
    }

    /// The next answer; `None` when the server ended the stream in good order.
    ///
    /// # Errors
    /// The status the server ended the stream with.
    pub async fn next<A: Message + Default>(&mut self) -> Answer<Option<A>> {
        self.next_bytes().await?.map(decode).transpose()
    }

    /// The next answer's bytes, as `next`.
    ///
    /// # Errors
    /// As `next`.
    pub async fn next_bytes(&mut self) -> Answer<Option<Bytes>> {
        Ok(self.answers.message().await?)
    }
}

fn channel(endpoint: &str) -> Result<Endpoint> {
    Ok(Endpoint::from_shared(endpoint.to_owned())?
        .connect_timeout(Duration::from_secs(5))
        .http2_max_header_list_size(1 << 20))
}

fn decode<A: Message + Default>(bytes: Bytes) -> Answer<A> {
    A::decode(bytes).map_err(|why| Refusal {
        code: Code::DataLoss,
        message: format!("answer does not decode: {why}"),
    })
}

fn path(method: &str) -> PathAndQuery {
    method.parse().expect("method paths are literals in the tests")
}

/// A codec that hands bytes through.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = from.remaining();
        Ok(Some(from.copy_to_bytes(length)))
    }
}
