//! The edge of one server: its ports, its settings, and where a request goes.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use ketch_base::limits;
use tokio::sync::watch;

use crate::body::Body;
use crate::grpc::{self, Load, Reflection, UnfinishedTotal};
use crate::method::Method;
use crate::plain;
use crate::ports::{Observer, Origin, Ports};
use crate::status::Status;

/// Settings of the edge, from the server's flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeConfig {
    /// `--max-request-bytes`: largest proposal. A frame may carry 512 KiB more.
    pub max_request_bytes: usize,
    /// `--max-txn-ops`: operations of one transaction, nested ones included on the longest way.
    pub max_txn_ops: usize,
    /// `--cors`: allowed origins; `*` or nothing allows all.
    pub cors: Vec<String>,
    /// `--host-whitelist`: allowed `Host` names for plain HTTP; `*` or nothing allows all.
    pub host_whitelist: Vec<String>,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            max_request_bytes: limits::REQUEST_BYTES_DEFAULT,
            max_txn_ops: limits::TXN_OPS_DEFAULT,
            cors: Vec::new(),
            host_whitelist: Vec::new(),
        }
    }
}

/// Which part of the edge a listener shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// gRPC and HTTP on one port (`--listen-client-urls` alone).
    All,
    /// gRPC only (`--listen-client-urls` beside `--listen-client-http-urls`).
    Grpc,
    /// HTTP only (`--listen-client-http-urls`).
    Http,
    /// `/metrics`, `/health`, `/livez`, `/readyz` only (`--listen-metrics-urls`).
    Metrics,
}

/// The edge of one server. Shared by every connection.
pub struct Edge<P> {
    pub(crate) ports: Arc<P>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) config: EdgeConfig,
    pub(crate) reflection: Reflection,
    pub(crate) unfinished: UnfinishedTotal,
    pub(crate) load: Load,
    phase: watch::Sender<Phase>,
}

/// How far the life of the edge has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Health says SERVING.
    Serving,
    /// Health says NOT_SERVING; calls are still answered.
    NotServing,
    /// Streams end, connections drain.
    Stopping,
}

impl<P: Ports> Edge<P> {
    /// An edge over these ports; serving from the start.
    pub fn new(ports: Arc<P>, config: EdgeConfig) -> Arc<Self> {
        let observer: Arc<dyn Observer> = Arc::clone(&ports) as _;
        let phase = watch::Sender::new(Phase::Serving);
        let reflection = Reflection::new();
        let unfinished = UnfinishedTotal::default();
        let load = Load::default();
        Arc::new(Self { ports, observer, config, reflection, unfinished, load, phase })
    }

    /// What `grpc.health.v1` says from now on.
    pub fn set_serving(&self, serving: bool) {
        self.phase.send_if_modified(|phase| {
            let next = if serving { Phase::Serving } else { Phase::NotServing };
            let change = *phase != Phase::Stopping && *phase != next;
            if change {
                *phase = next;
            }
            change
        });
    }

    /// Begins the end: long-lived streams are told `server stopped`, every connection gets
    /// GOAWAY, finishes the calls it has, and closes. Returns at once.
    pub fn stop(&self) {
        self.phase.send_replace(Phase::Stopping);
    }

    /// A view of the phase, for streams and connections.
    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Resolves once [`Edge::stop`] was called.
    pub(crate) async fn stopped(&self) {
        // The sender lives in self, so this cannot fail.
        let _ = self.phase.subscribe().wait_for(|phase| *phase == Phase::Stopping).await;
    }

    /// Whether a call is refused before anything of it but its method is known; then it is counted
    /// as one that was. Never where an audit log is kept: that tells who called.
    pub(crate) fn refuses(&self, method: Method, is_late: bool) -> bool {
        let Err(code) = self.load.check(method, is_late) else { return false };
        let is_refused = self.observer.audit().is_none();
        if is_refused {
            grpc::count_refused(&self.observer, method, &Status::from(code));
        }
        is_refused
    }

    /// Answers one request, whatever it is. One that `is_late` has waited for long before it was
    /// read: it is refused where others are under way. Its head is looked at now.
    pub(crate) fn answer<B>(
        self: Arc<Self>,
        surface: Surface,
        origin: &Origin,
        is_late: bool,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<P, B>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let grpc = match surface {
            Surface::Grpc => true,
            Surface::All => grpc::is_grpc(&request),
            Surface::Http | Surface::Metrics => false,
        };
        let begun = if grpc {
            grpc::begin(&self, origin, is_late, request)
        } else {
            let (edge, origin, head) = (Arc::clone(&self), origin.clone(), request.into_parts().0);
            grpc::Begun::Other(Box::pin(async move {
                plain::answer(&edge, surface, &origin, head).await
            }))
        };
        grpc::answer(self, begun)
    }
}

impl<P> std::fmt::Debug for Edge<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").field("config", &self.config).finish_non_exhaustive()
    }
}
