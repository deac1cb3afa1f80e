//! Server reflection, v1 and v1alpha: what `grpcurl` and its like ask first. etcd has none.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};
use ketch_proto::FILE_DESCRIPTOR_SET;
use tonic::codegen::Service;
use tonic_reflection::server::Builder;

use crate::body::Body;

const V1: &str = "grpc.reflection.v1.ServerReflection";
const V1_ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";
const METHOD: &str = "ServerReflectionInfo";

type Answer = Pin<Box<dyn Future<Output = Response<tonic::body::Body>> + Send>>;
type Serve = Box<dyn Fn(Request<tonic::body::Body>) -> Answer + Send + Sync>;

/// Both versions of the service.
pub(crate) struct Reflection {
    v1: Serve,
    v1_alpha: Serve,
}

/// Whether reflection answers here.
pub(super) fn is_path(path: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|path| path.rsplit_once('/'))
        .is_some_and(|(service, method)| is_service(service) && method == METHOD)
}

/// Whether this is the name of a reflection service.
pub(super) fn is_service(name: &str) -> bool {
    name == V1 || name == V1_ALPHA
}

impl Reflection {
    pub(crate) fn new() -> Self {
        let builder =
            || Builder::configure().register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET);
        let why = "the descriptor set is generated with the messages";
        Self {
            v1: serve(builder().build_v1().expect(why)),
            v1_alpha: serve(builder().build_v1alpha().expect(why)),
        }
    }

    pub(super) async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let alpha = request.uri().path()[1..].starts_with(V1_ALPHA);
        let request = request.map(tonic::body::Body::new);
        let answer = if alpha { (self.v1_alpha)(request) } else { (self.v1)(request) };
        answer.await.map(Body::foreign)
    }
}

fn serve<S>(service: S) -> Serve
where
    S: Service<
            Request<tonic::body::Body>,
            Response = Response<tonic::body::Body>,
            Error = std::convert::Infallible,
            Future: Send,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    Box::new(move |request| {
        let mut service = service.clone();
        Box::pin(async move {
            match service.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    })
}
