//! Who may ask over plain HTTP: the `Host` list against DNS rebinding, and CORS for browsers.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::problem;
use crate::body::Body;

/// Refuses a request for a host that is not ours, if a list is given.
pub(super) fn unknown_host(allowed: &[String], request: &Parts) -> Option<Response<Body>> {
    if open(allowed) {
        return None;
    }
    let asked = host(request);
    if allowed.iter().any(|name| name.eq_ignore_ascii_case(&asked)) {
        return None;
    }
    let text = format!(
        "\nThis server does not go by the name in the Host header.\n\n\
         Either use TLS, where any name is accepted, or allow this one:\n  \
         --host-whitelist \"{asked}\"\n\n\
         The list guards against DNS rebinding (CVE-2018-5702).\n\n"
    );
    Some(problem(StatusCode::MISDIRECTED_REQUEST, text))
}

/// Tells browsers whether the origin of a page may use this port.
pub(super) fn allow_origin(allowed: &[String], request: &Parts, fields: &mut HeaderMap) {
    let origin = match request.headers.get(header::ORIGIN) {
        _ if open(allowed) => HeaderValue::from_static("*"),
        Some(origin) if allowed.iter().any(|one| one.as_bytes() == origin.as_bytes()) => {
            origin.clone()
        }
        _ => return,
    };
    let methods = HeaderValue::from_static("POST, GET, OPTIONS, PUT, DELETE");
    let names = HeaderValue::from_static("accept, content-type, authorization");
    fields.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    fields.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
}

fn open(allowed: &[String]) -> bool {
    allowed.is_empty() || allowed.iter().any(|one| one == "*")
}

/// The host asked for, without its port.
fn host(request: &Parts) -> String {
    let field = request.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let authority = request.uri.authority().map(http::uri::Authority::as_str);
    let host = field.or(authority).unwrap_or_default();
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.to_owned()
}
