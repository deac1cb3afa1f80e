//! Plain HTTP on the client port: version, health, metrics, and the door of the JSON gateway.

mod guard;
mod health;
mod probes;
mod query;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::body::Body;
use crate::edge::{Edge, Surface};
use crate::ports::{Origin, Ports};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Answers one HTTP request; its body is not read.
pub(crate) async fn answer<P: Ports>(
    edge: &Edge<P>,
    surface: Surface,
    origin: &Origin,
    request: Parts,
) -> Response<Body> {
    if surface == Surface::Metrics {
        return shared_page(edge, &request).await.unwrap_or_else(not_found);
    }
    // A certificate stands for the name already (etcd).
    if !origin.is_secure
        && let Some(refusal) = guard::unknown_host(&edge.config.host_whitelist, &request)
    {
        return refusal;
    }
    let mut response = match request.method {
        Method::OPTIONS => Response::new(Body::empty()),
        _ => match shared_page(edge, &request).await {
            Some(response) => response,
            None => client_page(edge, &request),
        },
    };
    guard::allow_origin(&edge.config.cors, &request, response.headers_mut());
    response
}

/// The pages every HTTP listener has.
async fn shared_page<P: Ports>(edge: &Edge<P>, request: &Parts) -> Option<Response<Body>> {
    Some(match request.uri.path() {
        "/metrics" => metrics(edge.ports.render_metrics()),
        "/health" => match wrong_verb(request) {
            None => health::answer(&*edge.ports, request).await,
            Some(refusal) => refusal,
        },
        path => {
            let probe = probes::Probe::from_path(path)?;
            match wrong_verb(request) {
                None => probe.answer(&*edge.ports, request).await,
                Some(refusal) => refusal,
            }
        }
    })
}

/// The pages of client listeners only. `/v3/` belongs to the JSON gateway.
fn client_page<P: Ports>(edge: &Edge<P>, request: &Parts) -> Response<Body> {
    let page: fn(&P) -> Response<Body> = match request.uri.path() {
        "/version" => version,
        "/debug/vars" => debug_vars,
        _ => return not_found(),
    };
    wrong_verb(request).unwrap_or_else(|| page(&edge.ports))
}

fn version<P: Ports>(ports: &P) -> Response<Body> {
    let versions = ports.versions();
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let body = format!(
        "{{\"etcdserver\":{},\"etcdcluster\":{},\"storage\":{}}}",
        text(versions.server),
        text(versions.cluster.as_deref().unwrap_or("not_decided")),
        text(versions.storage.as_deref().unwrap_or("unknown")),
    );
    page(StatusCode::OK, JSON, body)
}

fn debug_vars<P: Ports>(ports: &P) -> Response<Body> {
    page(StatusCode::OK, "application/json; charset=utf-8", ports.debug_vars())
}

fn metrics(text: String) -> Response<Body> {
    const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    page(StatusCode::OK, FORMAT, text)
}

fn not_found() -> Response<Body> {
    problem(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// The refusal of anything but GET.
fn wrong_verb(request: &Parts) -> Option<Response<Body>> {
    if request.method == Method::GET {
        return None;
    }
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
    Some(response)
}

/// A page of plain text that browsers shall not guess at.
fn problem(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = page(status, TEXT, text);
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

fn page(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::text(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
