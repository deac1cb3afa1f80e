//! Questions about the cluster: members, hashes, versions.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use ketch_base::Code;

use super::{Port, answer};
use crate::client::{Outbound, read_all};
use crate::ports::Ports;
use crate::{headers, json, limits};

/// `GET /members`.
pub(super) fn list<P: Ports>(port: &Port<P>) -> Response<Outbound> {
    let response = match json::members(port.ports.members()) {
        Ok(bytes) => answer::body(answer::JSON, bytes),
        Err(error) => internal(&error.to_string()),
    };
    answer::of_cluster(response, port.config().cluster)
}

/// `POST /members/promote/<decimal id>`, with the token of the client who wants it.
pub(super) async fn promote<P: Ports>(
    port: &Port<P>,
    id: &str,
    fields: &HeaderMap,
) -> Response<Outbound> {
    let token = fields.get(AUTHORIZATION).filter(|token| !token.is_empty());
    let token = token.map(|token| Bytes::copy_from_slice(token.as_bytes()));
    let response = match id.parse() {
        Err(_) => {
            let text = format!("member {id} not found in cluster");
            answer::refusal(StatusCode::NOT_FOUND, &text)
        }
        Ok(id) => match port.ports.promote(id, token).await {
            Ok(members) => json::members(members)
                .map_or_else(|e| internal(&e.to_string()), |b| answer::body(answer::JSON, b)),
            Err(code) => promote_refusal(code),
        },
    };
    answer::of_cluster(response, port.config().cluster)
}

fn promote_refusal(code: Code) -> Response<Outbound> {
    match code {
        Code::MemberNotFound => answer::refusal(StatusCode::NOT_FOUND, "membership: ID not found"),
        Code::MemberNotLearner => {
            let text = "membership: can only promote a learner member";
            answer::refusal(StatusCode::PRECONDITION_FAILED, text)
        }
        Code::LearnerNotReady => answer::refusal(StatusCode::PRECONDITION_FAILED, code.text()),
        _ => {
            let mut response = answer::body(answer::JSON, r#"{"message":"Internal Server Error"}"#);
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

/// `GET /members/hashkv`, with a body.
pub(super) async fn hash_kv<P: Ports>(
    port: &Port<P>,
    request: Request<Incoming>,
) -> Response<Outbound> {
    let bad = |text: &str| answer::refusal(StatusCode::BAD_REQUEST, text);
    let (head, body) = request.into_parts();
    let ours = port.config().cluster.to_string();
    let theirs = headers::text(&head.headers, &headers::CLUSTER_ID).unwrap_or_default();
    if !theirs.is_empty() && theirs != ours {
        let mismatch = headers::CLUSTER_ID_MISMATCH;
        return answer::refusal(StatusCode::PRECONDITION_FAILED, mismatch);
    }
    let Ok(body) = read_all(body, limits::QUESTION_BYTES, port.patience()).await else {
        return bad("error reading body");
    };
    let Ok(revision) = json::parse_hash_request(&body) else {
        return bad("error unmarshalling request");
    };
    let response = match port.ports.hash_kv(revision).await {
        Ok(hash) => json::hash(hash)
            .map_or_else(|e| internal(&e.to_string()), |b| answer::body(answer::JSON, b)),
        // Between members the storage speaks for itself, without the server's prefix.
        Err(code) => return bad(code.text().trim_start_matches("etcdserver: ")),
    };
    answer::of_cluster(response, port.config().cluster)
}

/// `GET /version`.
pub(super) fn version<P: Ports>(port: &Port<P>) -> Response<Outbound> {
    match json::versions(port.ports.versions()) {
        Ok(bytes) => answer::body(answer::JSON, bytes),
        Err(error) => internal(&error.to_string()),
    }
}

/// `GET /downgrade/enabled`.
pub(super) async fn downgrade_enabled<P: Ports>(port: &Port<P>) -> Response<Outbound> {
    let response = match port.ports.downgrade_enabled().await {
        Ok(enabled) => answer::body(answer::PLAIN, enabled.to_string()),
        Err(code) => internal(&format!("failed linearized read: {code}")),
    };
    answer::of_cluster(response, port.config().cluster)
}

fn internal(text: &str) -> Response<Outbound> {
    answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, text)
}
