//! From a path to the function that serves it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method as Verb, Request, Response, StatusCode, header};
use ketch_base::{GrpcCode, limits};

use super::call::{Call, refusal};
use super::encoding::Encoding;
use super::frames::{Frames, Inbound};
use super::metadata::{self, Metadata};
use super::record::Record;
use super::{
    auth, cluster, election, health, kv, lease, load, lock, maintenance, reflection, watch,
};
use crate::body::Body;
use crate::edge::Edge;
use crate::method::Method;
use crate::ports::{Origin, Ports};
use crate::status::Status;

const GRPC: &str = "application/grpc";

/// Whether a request means gRPC: HTTP/2, and a content type that begins so.
pub(crate) fn is_grpc<B>(request: &Request<B>) -> bool {
    request.version() == http::Version::HTTP_2
        && content_type(request).is_some_and(|value| value.as_bytes().starts_with(GRPC.as_bytes()))
}

/// A request whose head was looked at.
pub(crate) enum Begun<B> {
    /// To be served.
    Call(Call<B>),
    /// There are too many already; its message still comes.
    TooMany(B, Response<Body>),
    Refused(Box<Response<Body>>),
    /// Answered in some other way.
    Other(Pin<Box<dyn Future<Output = Response<Body>> + Send>>),
}

/// Looks at the head of one gRPC request.
pub(crate) fn begin<P, B>(
    edge: &Arc<Edge<P>>,
    origin: &Origin,
    is_late: bool,
    request: Request<B>,
) -> Begun<B>
where
    P: Ports,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Opening { content_type, timeout } = match opening(&request) {
        Ok(opening) => opening,
        Err(response) => return Begun::Refused(response),
    };
    let Some(method) = Method::from_path(request.uri().path()) else {
        let edge = Arc::clone(edge);
        return Begun::Other(Box::pin(
            async move { elsewhere(&edge, request, content_type).await },
        ));
    };
    let (parts, body) = request.into_parts();
    let metadata = Metadata::read(&parts.headers, origin.name.as_ref(), timeout);
    let mut record = Record::begin(&edge.observer, method, origin, &metadata.credentials);
    if let Err(code) = edge.load.check(method, is_late) {
        let status = Status::from(code);
        record.fail(&status);
        return Begun::TooMany(body, refusal(&status, content_type));
    }
    let encoding = match Encoding::read(&parts.headers) {
        Ok(encoding) => encoding,
        Err(status) => {
            record.fail(&status);
            return Begun::Refused(Box::new(refusal(&status, content_type)));
        }
    };
    let frames = Frames::new(body, encoding, max_message_bytes(edge), &edge.unfinished);
    let share = edge.load.take(method);
    Begun::Call(Call { frames, metadata, record, content_type, share })
}

/// Answers what was begun; hyper wants a `Result`.
///
/// This future is the task of a call, and copied several times until it is one: so it keeps nothing
/// twice, as an `async fn` does with its parameters, and what is not hot is boxed.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its parameters twice")]
pub(crate) fn answer<P: Ports, B: Inbound>(
    edge: Arc<Edge<P>>,
    begun: Begun<B>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send {
    async move {
        let edge = &*edge;
        Ok(match begun {
            Begun::Call(call) => match call.record.meter.method {
                Method::Range => kv::range(edge, call).await,
                Method::Put => kv::put(edge, call).await,
                Method::Txn => kv::txn(edge, call).await,
                _ => Box::pin(service(edge, call)).await,
            },
            Begun::TooMany(mut body, response) => {
                load::drain(&mut body, max_message_bytes(edge)).await;
                response
            }
            Begun::Refused(response) => *response,
            Begun::Other(answer) => answer.await,
        })
    }
}

fn max_message_bytes<P>(edge: &Edge<P>) -> usize {
    edge.config.max_request_bytes + limits::GRPC_OVERHEAD_BYTES
}

async fn service<P: Ports, B: Inbound>(edge: &Edge<P>, call: Call<B>) -> Response<Body> {
    let method = call.record.meter.method;
    match method.service() {
        "etcdserverpb.KV" => kv::serve(edge, call).await,
        "etcdserverpb.Watch" => watch::serve(edge, call).await,
        "etcdserverpb.Lease" => lease::serve(edge, call).await,
        "etcdserverpb.Cluster" => cluster::serve(edge, call).await,
        "etcdserverpb.Maintenance" => maintenance::serve(edge, call).await,
        "etcdserverpb.Auth" => auth::serve(edge, call).await,
        "v3lockpb.Lock" => lock::serve(edge, call).await,
        "v3electionpb.Election" => election::serve(edge, call).await,
        _ => health::serve(edge, call).await,
    }
}

/// What every call begins with.
struct Opening {
    /// To answer with.
    content_type: HeaderValue,
    /// The client's deadline.
    timeout: Option<Duration>,
}

/// Refuses what grpc-go refuses before it looks at the path.
fn opening<B>(request: &Request<B>) -> Result<Opening, Box<Response<Body>>> {
    let content_type = answer_type(request)?;
    let timeout = metadata::timeout(request.headers());
    let timeout = timeout.map_err(|status| turned_away(StatusCode::BAD_REQUEST, &status))?;
    Ok(Opening { content_type, timeout })
}

fn answer_type<B>(request: &Request<B>) -> Result<HeaderValue, Box<Response<Body>>> {
    let plain = HeaderValue::from_static(GRPC);
    if request.method() != Verb::POST {
        let text = format!(
            "Received a HEADERS frame with :method \"{}\" which should be POST",
            request.method()
        );
        let status = Status::new(GrpcCode::Internal, text);
        return Err(turned_away(StatusCode::METHOD_NOT_ALLOWED, &status));
    }
    let given = content_type(request).map_or(&b""[..], HeaderValue::as_bytes);
    match given.strip_prefix(GRPC.as_bytes()) {
        Some([]) => Ok(plain),
        Some([b'+' | b';', subtype @ ..]) => {
            let echo = [GRPC.as_bytes(), b"+", subtype].concat();
            Ok(HeaderValue::from_bytes(&echo).unwrap_or(plain))
        }
        _ => {
            let given = String::from_utf8_lossy(given);
            let text = format!("invalid gRPC request content-type \"{given}\"");
            let status = Status::new(GrpcCode::InvalidArgument, text);
            Err(turned_away(StatusCode::UNSUPPORTED_MEDIA_TYPE, &status))
        }
    }
}

fn turned_away(http: StatusCode, status: &Status) -> Box<Response<Body>> {
    let mut response = refusal(status, HeaderValue::from_static(GRPC));
    *response.status_mut() = http;
    Box::new(response)
}

/// Reflection, or nothing we have.
async fn elsewhere<P, B>(
    edge: &Edge<P>,
    request: Request<B>,
    content_type: HeaderValue,
) -> Response<Body>
where
    P: Ports,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let path = request.uri().path();
    if reflection::is_path(path) {
        return edge.reflection.answer(request).await;
    }
    let status = match path.rsplit_once('/') {
        Some((service, method)) if !service.is_empty() => {
            let service = &service[1..];
            if Method::is_service(service) || reflection::is_service(service) {
                format!("unknown method {method} for service {service}")
            } else {
                format!("unknown service {service}")
            }
        }
        _ => format!("malformed method name: \"{path}\""),
    };
    refusal(&Status::new(GrpcCode::Unimplemented, status), content_type)
}

fn content_type<B>(request: &Request<B>) -> Option<&HeaderValue> {
    request.headers().get(header::CONTENT_TYPE)
}
