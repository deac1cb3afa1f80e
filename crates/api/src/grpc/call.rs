//! One call under way: its request messages, its metadata, its account, and ways to end it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::time::Duration;

use http::{HeaderValue, Response};
use ketch_base::{Code, GrpcCode};
use prost::Message;

use super::frames::{FRAME_HEADER_BYTES, Frames, Inbound, decode, fits, framed};
use super::gate::{self, Content};
use super::load::Share;
use super::metadata::Metadata;
use super::record::{Meter, Record};
use super::stream::{Sink, StreamBody};
use super::told::Told;
use crate::body::Body;
use crate::edge::Edge;
use crate::ports::{About, Credentials, Pass, Ports};
use crate::status::Status;

const UNARY_CONTEXT: &str = "grpc: error unmarshalling request";
const STREAM_CONTEXT: &str = "grpc: failed to unmarshal the received message";

/// One call under way.
pub(crate) struct Call<B> {
    pub(crate) frames: Frames<B>,
    pub(crate) metadata: Metadata,
    pub(crate) record: Record,
    /// Echoed, with the subtype the client gave.
    pub(crate) content_type: HeaderValue,
    /// Held until the call is answered, but not while it waits for its client.
    pub(super) share: Option<Share>,
}

impl<B: Inbound> Call<B> {
    /// The request of a unary call, after which the metadata is looked at: etcd's order.
    pub(super) async fn request<Q, P>(&mut self, edge: &Edge<P>) -> Result<Q, Status>
    where
        Q: Message + Default + Told,
        P: Ports,
    {
        let (request, bytes) = self.only(UNARY_CONTEXT).await?;
        let share = self.share.take().or_else(|| edge.load.take(self.record.meter.method));
        self.share = share.map(|share| share.of(bytes));
        self.admit(edge)?;
        Ok(request)
    }

    /// The request of a call with a stream of responses; here the metadata comes first.
    pub(super) async fn stream_request<Q, P>(&mut self, edge: &Edge<P>) -> Result<Q, Status>
    where
        Q: Message + Default + Told,
        P: Ports,
    {
        self.admit(edge)?;
        let (request, _) = self.only(STREAM_CONTEXT).await?;
        Ok(request)
    }

    /// What etcd checks before a handler runs.
    pub(crate) fn admit<P: Ports>(&mut self, edge: &Edge<P>) -> Result<(), Status> {
        let admitted = self.metadata.admit(self.record.meter.method, &*edge.ports);
        admitted.inspect_err(|_| self.look(edge))
    }

    /// Puts the request before the gate.
    pub(super) fn pass<'a, P: Ports, Q: Content>(
        &'a mut self,
        edge: &'a Edge<P>,
        request: &'a Q,
    ) -> impl Future<Output = Result<Pass, Code>> + Send + use<'a, P, Q, B> {
        let Self { metadata, record, .. } = self;
        judged(edge, &metadata.credentials, record, request)
    }

    /// Finds out who calls, for the audit log: for what does not come before the gate.
    pub(crate) fn look<P: Ports>(&mut self, edge: &Edge<P>) {
        if let Some(trail) = &mut self.record.trail {
            trail.look(&*edge.ports, &self.metadata.credentials);
        }
    }

    /// The one message, and its size.
    async fn only<Q: Message + Default + Told>(
        &mut self,
        context: &'static str,
    ) -> Result<(Q, usize), Status> {
        let message = self.frames.next();
        let mut message = pin!(message);
        let share = &mut self.share;
        let message = poll_fn(|cx| {
            let message = message.as_mut().poll(cx);
            if message.is_pending() {
                // Who waits for its client could wait for ever.
                *share = None;
            }
            message
        });
        let message = message.await?;
        let message = message.ok_or_else(|| Status::new(GrpcCode::Unknown, "EOF"))?;
        let bytes = message.len();
        self.record.meter.received(bytes);
        let request: Q = decode(message, context)?;
        if let Some(trail) = &mut self.record.trail {
            trail.asked(request.about());
        }
        Ok((request, bytes))
    }

    /// Ends the call with a message, or with a refusal.
    pub(crate) fn finish<R: Message>(mut self, outcome: Result<R, Status>) -> Response<Body> {
        let sendable = |message: R| fits(message.encoded_len() as u64).map(|()| framed(&message));
        match outcome.and_then(sendable) {
            Ok(frame) => {
                self.record.meter.sent(1, frame.len() - FRAME_HEADER_BYTES);
                self.record.succeed();
                head(Body::message(frame), self.content_type)
            }
            Err(status) => self.refuse(&status),
        }
    }

    /// Ends the call before any message: the status stands in the head.
    pub(crate) fn refuse(mut self, status: &Status) -> Response<Body> {
        self.record.fail(status);
        refusal(status, self.content_type)
    }

    /// Begins an answer of many messages, written by `driver` into the sink it is given.
    pub(crate) fn drive<F, D>(self, driver: F) -> Response<Body>
    where
        F: FnOnce(Messages<B>, Outlet) -> D,
        D: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let (sink, slot) = Sink::new();
        let meter = self.record.meter.clone();
        let outlet = Outlet { sink, meter: meter.clone() };
        let driver = driver(Messages { frames: self.frames, meter }, outlet);
        let body = StreamBody::new(Box::pin(driver), slot, self.record);
        head(Body::stream(body), self.content_type)
    }
}

/// A response that is only a status.
pub(crate) fn refusal(status: &Status, content_type: HeaderValue) -> Response<Body> {
    let mut response = head(Body::empty(), content_type);
    status.write(response.headers_mut());
    response
}

/// A response with this body.
pub(crate) fn head(body: Body, content_type: HeaderValue) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}

/// The client's messages of a stream.
pub(crate) struct Messages<B> {
    frames: Frames<B>,
    meter: Meter,
}

impl<B: Inbound> Messages<B> {
    /// The next message; `None` when the client has no more. Cancel safe.
    pub(crate) async fn next<Q: Message + Default>(&mut self) -> Result<Option<Q>, Status> {
        match self.frames.next().await? {
            Some(message) => {
                self.meter.received(message.len());
                decode(message, STREAM_CONTEXT).map(Some)
            }
            None => Ok(None),
        }
    }
}

/// Our messages of a stream, counted.
pub(crate) struct Outlet {
    pub(crate) sink: Sink,
    pub(crate) meter: Meter,
}

impl Outlet {
    /// Sends one message; waits until the connection took the one before.
    pub(crate) async fn send(&self, message: &impl Message) {
        let frame = framed(message);
        self.meter.sent(1, frame.len() - FRAME_HEADER_BYTES);
        self.sink.send(frame).await;
    }
}

/// Serves a unary call: one request, the gate, one port call, one response; within the client's
/// deadline.
pub(crate) fn unary<P, B, Q, R, E, F, D>(
    edge: &Edge<P>,
    call: Call<B>,
    serve: F,
) -> impl Future<Output = Response<Body>> + Send
where
    P: Ports,
    B: Inbound,
    Q: Message + Default + Content,
    R: Message,
    Status: From<E>,
    F: FnOnce(Pass, Q) -> D + Send,
    D: Future<Output = Result<R, E>> + Send,
{
    checked(edge, call, |_| Ok(()), serve)
}

/// As [`unary`]; what can be refused from the request alone is refused before the gate (etcd).
pub(crate) fn checked<P, B, Q, R, E, F, D>(
    edge: &Edge<P>,
    call: Call<B>,
    check: impl FnOnce(&Q) -> Result<(), Code> + Send,
    serve: F,
) -> impl Future<Output = Response<Body>> + Send
where
    P: Ports,
    B: Inbound,
    Q: Message + Default + Content,
    R: Message,
    Status: From<E>,
    F: FnOnce(Pass, Q) -> D + Send,
    D: Future<Output = Result<R, E>> + Send,
{
    learning(edge, call, check, serve, |_, _| {})
}

/// As [`checked`]; `learn` takes from the answer what the request left to the server to choose.
///
/// Not an `async fn`, as all on the way of the hot calls: that would keep each parameter twice, and
/// a call is copied several times until it is a task.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its parameters twice")]
pub(crate) fn learning<P, B, Q, R, E, F, D>(
    edge: &Edge<P>,
    mut call: Call<B>,
    check: impl FnOnce(&Q) -> Result<(), Code> + Send,
    serve: F,
    learn: impl FnOnce(&R, &mut About) + Send,
) -> impl Future<Output = Response<Body>> + Send
where
    P: Ports,
    B: Inbound,
    Q: Message + Default + Content,
    R: Message,
    Status: From<E>,
    F: FnOnce(Pass, Q) -> D + Send,
    D: Future<Output = Result<R, E>> + Send,
{
    async move {
        let timeout = call.metadata.timeout;
        let outcome = match call.request::<Q, P>(edge).await {
            Ok(request) => match check(&request) {
                Ok(()) => {
                    let Call { metadata, record, .. } = &mut call;
                    let credentials = &metadata.credentials;
                    let answer = pin!(async move {
                        let pass = judged(edge, credentials, record, &request).await;
                        let pass = pass.map_err(<Status as From<Code>>::from)?;
                        serve(pass, request).await.map_err(<Status as From<E>>::from)
                    });
                    within::<_, Status>(timeout, answer).await
                }
                Err(code) => {
                    call.look(edge);
                    Err(code.into())
                }
            },
            Err(status) => Err(status),
        };
        if let (Ok(response), Some(trail)) = (&outcome, &mut call.record.trail) {
            trail.learned(|about| learn(response, about));
        }
        call.finish(outcome)
    }
}

/// Puts a request before the gate, and takes note of what came out.
pub(crate) async fn judged<P: Ports, Q: Content>(
    edge: &Edge<P>,
    credentials: &Credentials,
    record: &mut Record,
    request: &Q,
) -> Result<Pass, Code> {
    let ports = &*edge.ports;
    let verdict = gate::pass(ports, credentials, record.meter.method, request).await;
    if let Some(trail) = &mut record.trail {
        trail.judged(verdict.as_ref().map_err(|code| *code), ports, credentials);
    }
    verdict
}

/// Serves a unary call that is made of other requests: each of those passes the gate.
pub(crate) async fn composed<P, B, Q, R, E, F, D>(
    edge: &Edge<P>,
    mut call: Call<B>,
    serve: F,
) -> Response<Body>
where
    P: Ports,
    B: Inbound,
    Q: Message + Default + Told,
    R: Message,
    Status: From<E>,
    F: FnOnce(Q) -> D,
    D: Future<Output = Result<R, E>> + Send,
{
    let timeout = call.metadata.timeout;
    let outcome = match call.request(edge).await {
        Ok(request) => {
            call.look(edge);
            within(timeout, pin!(serve(request))).await
        }
        Err(status) => Err(status),
    };
    call.finish(outcome)
}

/// Waits for an answer, but not past the client's deadline. Who waits holds it.
pub(crate) async fn within<R, E>(
    timeout: Option<Duration>,
    answer: Pin<&mut (impl Future<Output = Result<R, E>> + Send)>,
) -> Result<R, Status>
where
    Status: From<E>,
{
    match timeout {
        None => Ok(answer.await?),
        Some(limit) => match tokio::time::timeout(limit, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_elapsed) => Err(Status::deadline()),
        },
    }
}
