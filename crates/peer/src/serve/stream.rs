//! A member dials a stream to read from us.

use http::header::HeaderMap;
use http::{Response, StatusCode};
use http_body_util::BodyExt;

use super::{Port, answer};
use crate::client::Outbound;
use crate::headers;
use crate::link::Kind;
use crate::ports::Ports;

/// Checks who dials and hands the connection to its link.
pub(super) fn attach<P: Ports>(
    port: &Port<P>,
    path: &str,
    fields: &HeaderMap,
) -> Response<Outbound> {
    let mut response = open(port, path, fields).unwrap_or_else(answer::refused);
    answer::with(&mut response, headers::SERVER_VERSION, &port.config().version);
    answer::of_cluster(response, port.config().cluster)
}

fn open<P: Ports>(
    port: &Port<P>,
    path: &str,
    fields: &HeaderMap,
) -> Result<Response<Outbound>, (StatusCode, String)> {
    headers::check(port.config(), fields)?;
    let not_found = |text: &str| (StatusCode::NOT_FOUND, text.to_owned());
    let (kind, from) = path
        .strip_prefix("/raft/stream/")
        .and_then(|rest| rest.split_once('/'))
        .and_then(|(name, from)| Some((kind(name)?, from)))
        .filter(|(_, from)| !from.contains('/'))
        .ok_or_else(|| not_found("invalid path"))?;
    let from = headers::member_id(from).ok_or_else(|| not_found("invalid from"))?;
    if port.ports.is_removed(from) {
        return Err((StatusCode::GONE, "removed member".into()));
    }
    let Some(link) = port.shared.link(from) else {
        // It is not a member yet as far as we know; it can be answered by posts until it is.
        port.meet(fields);
        return Err(not_found("error sender not found"));
    };
    let to = headers::text(fields, &headers::RAFT_TO);
    if to != Some(port.config().local.to_string().as_str()) {
        return Err((StatusCode::PRECONDITION_FAILED, "to field mismatch".into()));
    }
    let outgoing = link.attach(kind).ok_or_else(|| not_found("error sender not found"))?;
    Ok(Response::new(outgoing.boxed_unsync()))
}

fn kind(name: &str) -> Option<Kind> {
    [Kind::Message, Kind::Append].into_iter().find(|kind| kind.name() == name)
}
