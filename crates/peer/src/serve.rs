//! The answering side: which path and method leads where.

mod answer;
mod lease;
mod members;
mod post;
mod snapshot;
mod stream;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderMap;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ketch_tls::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use crate::client::Outbound;
use crate::config::Config;
use crate::headers;
use crate::links::Shared;
use crate::net::{Stalling, rejected, secure};
use crate::ports::Ports;

pub use snapshot::SnapshotBody;

/// What connections are answered with: the member behind them and its links.
pub struct Port<P> {
    shared: Arc<Shared>,
    ports: Arc<P>,
}

impl<P: Ports> Port<P> {
    pub(crate) fn new(shared: Arc<Shared>, ports: Arc<P>) -> Self {
        Self { shared, ports }
    }

    fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Remembers where a sender can be answered that is not, or not yet, in the cluster.
    fn meet(&self, fields: &HeaderMap) {
        let Some((from, urls)) = headers::sender(fields) else { return };
        if !self.ports.is_member(from) && !self.ports.is_removed(from) {
            self.shared.add_remote(from, &urls);
        }
    }

    /// How everything that is posted begins: who sends may talk to us, and can be answered. Gives
    /// the body.
    fn posted(&self, request: Request<Incoming>) -> Result<Incoming, (StatusCode, String)> {
        let (head, body) = request.into_parts();
        headers::check(self.config(), &head.headers)?;
        self.meet(&head.headers);
        Ok(body)
    }

    /// How everything that is posted ends.
    fn taken(&self, outcome: Result<(), Response<Outbound>>) -> Response<Outbound> {
        let response = outcome.map_or_else(|refusal| refusal, |()| answer::taken());
        answer::of_cluster(response, self.config().cluster)
    }

    fn patience(&self) -> Duration {
        self.config().read_timeout()
    }
}

/// Serves one accepted socket, which comes from `remote`, until it ends; set `TCP_NODELAY` on it
/// first. Must run on the runtime given to [`crate::Links::start`].
pub async fn serve_connection<IO, P>(io: IO, remote: Option<SocketAddr>, port: Arc<Port<P>>)
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    P: Ports,
{
    let (patience, stall) = (port.patience(), port.config().write_timeout());
    let service = service_fn(move |request| {
        let port = port.clone();
        async move { Ok::<_, Infallible>(route(&port, request).await) }
    });
    let io = TokioIo::new(Stalling::new(io, stall));
    let served = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .title_case_headers(true)
        .serve_connection(io, service)
        .await;
    match served {
        Err(error) if error.is_parse() => {
            let error = format!("malformed HTTP request ({error}); TLS, perhaps, at an http URL");
            rejected(remote, &error);
        }
        Err(error) => debug!(%error, "peer connection ended"),
        Ok(()) => {}
    }
}

/// As [`serve_connection`], after a handshake with the other end, which is at `remote`. Who is not
/// let in is told of in a log line. Run it in a task of its own: the handshake takes as long as the
/// other end likes, up to its time-out.
pub async fn serve_secured<IO, P>(
    io: IO,
    remote: Option<SocketAddr>,
    acceptor: &Acceptor,
    port: Arc<Port<P>>,
) where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    P: Ports,
{
    if let Some(stream) = secure(io, remote, acceptor).await {
        serve_connection(stream, remote, port).await;
    }
}

async fn route<P: Ports>(port: &Port<P>, request: Request<Incoming>) -> Response<Outbound> {
    let path = request.uri().path().to_owned();
    let only = |allowed: &'static str| {
        (request.method().as_str() != allowed).then(|| answer::method_not_allowed(Some(allowed)))
    };
    let refused = match path.as_str() {
        "/raft" | "/raft/snapshot" => only("POST"),
        "/members" | "/members/hashkv" | "/version" | "/downgrade/enabled" => only("GET"),
        "/leases" | "/leases/internal" if request.method() != Method::POST => {
            Some(answer::method_not_allowed(None))
        }
        _ if path.starts_with("/members/promote/") => only("POST"),
        _ if path.starts_with("/raft/stream/") => only("GET"),
        _ => None,
    };
    if let Some(refused) = refused {
        return refused;
    }
    match path.as_str() {
        "/raft" => post::message(port, request).await,
        "/raft/snapshot" => snapshot::receive(port, request).await,
        "/raft/probing" => answer::probe(),
        "/members" => members::list(port),
        "/members/hashkv" => members::hash_kv(port, request).await,
        "/leases" => lease::renew(port, request).await,
        "/leases/internal" => lease::internal(port, request).await,
        "/version" => members::version(port),
        "/downgrade/enabled" => members::downgrade_enabled(port).await,
        _ => {
            if let Some(id) = path.strip_prefix("/members/promote/") {
                members::promote(port, id, request.headers()).await
            } else if path.starts_with("/raft/stream/") {
                stream::attach(port, &path, request.headers())
            } else {
                answer::not_found()
            }
        }
    }
}
