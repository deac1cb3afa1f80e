//! One-shot questions to other members, each on a connection of its own.
//!
//! Every question has a time-out over all of it: dial, answer, reading. What is not an answer is an
//! [`AskError`]; a refusal keeps status and text, because etcd tells causes apart by them.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Method, StatusCode};
use ketch_base::{ClusterId, Code};
use ketch_proto::etcdserverpb::{LeaseKeepAliveRequest, LeaseKeepAliveResponse, Member};
use ketch_proto::leasepb::{LeaseInternalRequest, LeaseInternalResponse};
use prost::Message as _;
use tokio::time::timeout;

use crate::client::{BodyError, Client, empty, full, read_all};
use crate::headers;
use crate::net::Dialer;
use crate::ports::{HashAnswer, Versions};
use crate::{json, limits};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No URL was given to ask at.
    #[error("no peer URL to ask")]
    NoUrl,
    /// The member cannot be reached, or broke off.
    #[error("cannot reach {url}: {source}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        source: io::Error,
    },
    /// Nothing came in time.
    #[error("{url} did not answer in time")]
    Timeout {
        /// Where.
        url: String,
    },
    /// Another status than 200.
    #[error("{url} answered {status}: {text}")]
    Refused {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The body without its newline.
        text: String,
    },
    /// An answer that is none.
    #[error("{url} answered what cannot be read: {why}")]
    Unreadable {
        /// Where.
        url: String,
        /// Why.
        why: String,
    },
}

impl AskError {
    /// What a client is told, if the text of the refusal is one with a code.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Timeout { .. } => Some(Code::Timeout),
            Self::Refused { status, text, .. } => code_of(*status, text),
            _ => None,
        }
    }
}

fn code_of(status: u16, text: &str) -> Option<Code> {
    match (status, text) {
        (_, "lease not found") => Some(Code::LeaseNotFound),
        (_, "membership: ID not found") => Some(Code::MemberNotFound),
        (_, "membership: can only promote a learner member") => Some(Code::MemberNotLearner),
        (_, "not a primary lessor") => Some(Code::NotPrimary),
        (412, headers::CLUSTER_ID_MISMATCH) => Some(Code::ClusterIDMismatch),
        (408, _) => Some(Code::TimeoutWaitAppliedIndex),
        (_, "mvcc: required revision has been compacted") => Some(Code::Compacted),
        (_, "mvcc: required revision is a future revision") => Some(Code::FutureRev),
        _ => Code::ALL.iter().copied().find(|code| code.text() == text),
    }
}

/// Who is in a cluster, according to one of its members.
#[derive(Clone, Debug)]
pub struct ClusterView {
    /// The cluster's id.
    pub cluster: ClusterId,
    /// Its members.
    pub members: Vec<Member>,
}

/// Asks the member at `url` who is in its cluster.
///
/// # Errors
/// See [`AskError`].
pub async fn cluster(
    dialer: &Dialer,
    url: &str,
    timeout: Duration,
) -> Result<ClusterView, AskError> {
    let question = Question::get("/members");
    let answer = question.ask(dialer, url, timeout).await?;
    let unreadable = |why: String| AskError::Unreadable { url: url.to_owned(), why };
    let id = headers::text(&answer.headers, &headers::CLUSTER_ID).and_then(headers::member_id);
    let cluster = id.ok_or_else(|| unreadable("no cluster ID".into()))?.0;
    let members = json::parse_members(&answer.body).map_err(|e| unreadable(e.to_string()))?;
    if members.len() > limits::ANSWER_MEMBERS {
        return Err(unreadable(format!("{} members", members.len())));
    }
    Ok(ClusterView { cluster: ClusterId(cluster), members })
}

/// The versions of the member at `url`.
///
/// # Errors
/// See [`AskError`].
pub async fn version(dialer: &Dialer, url: &str, timeout: Duration) -> Result<Versions, AskError> {
    let answer = Question::get("/version").ask(dialer, url, timeout).await?;
    json::parse_versions(&answer.body).map_err(|e| unreadable(url, e))
}

/// Whether a downgrade is going on, read linearizably by the member at `url`.
///
/// # Errors
/// See [`AskError`].
pub async fn downgrade_enabled(
    dialer: &Dialer,
    url: &str,
    timeout: Duration,
) -> Result<bool, AskError> {
    let answer = Question::get("/downgrade/enabled").ask(dialer, url, timeout).await?;
    match &answer.body[..] {
        b"true" => Ok(true),
        b"false" => Ok(false),
        _ => Err(unreadable(url, "neither true nor false")),
    }
}

/// The hash of the member at `url` at `revision`; 0 is its current one.
///
/// # Errors
/// See [`AskError`]; [`AskError::code`] tells compacted and future revisions.
pub async fn hash_kv(
    dialer: &Dialer,
    url: &str,
    cluster: ClusterId,
    revision: i64,
    timeout: Duration,
) -> Result<HashAnswer, AskError> {
    let mut question = Question::get("/members/hashkv");
    question.body = json::hash_request(revision).map_err(|e| unreadable(url, e))?.into();
    question.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers::put_text(&mut question.headers, headers::CLUSTER_ID, &cluster.to_string());
    let answer = question.ask(dialer, url, timeout).await?;
    json::parse_hash(&answer.body).map_err(|e| unreadable(url, e))
}

/// Has the leader at `url` renew a lease.
///
/// # Errors
/// See [`AskError`]; [`AskError::code`] tells a lease that is not there.
pub async fn renew_lease(
    dialer: &Dialer,
    url: &str,
    id: i64,
    timeout: Duration,
) -> Result<LeaseKeepAliveResponse, AskError> {
    let request = LeaseKeepAliveRequest { id };
    let answer = Question::protobuf("/leases", &request).ask(dialer, url, timeout).await?;
    LeaseKeepAliveResponse::decode(answer.body).map_err(|e| unreadable(url, e))
}

/// Asks the leader at `url` what a lease has left.
///
/// # Errors
/// See [`AskError`]; [`AskError::code`] tells a lease that is not there.
pub async fn lease_internal(
    dialer: &Dialer,
    url: &str,
    request: LeaseInternalRequest,
    timeout: Duration,
) -> Result<LeaseInternalResponse, AskError> {
    let answer = Question::protobuf("/leases/internal", &request).ask(dialer, url, timeout).await?;
    LeaseInternalResponse::decode(answer.body).map_err(|e| unreadable(url, e))
}

/// Has the leader at `url` promote a learner; it judges whether whose `token` this is may.
///
/// # Errors
/// See [`AskError`]; [`AskError::code`] tells etcd's causes.
pub async fn promote(
    dialer: &Dialer,
    url: &str,
    id: u64,
    token: Option<Bytes>,
    timeout: Duration,
) -> Result<Vec<Member>, AskError> {
    let mut question = Question::get(&format!("/members/promote/{id}"));
    question.method = Method::POST;
    // What came as one header can go as another.
    if let Some(Ok(mut token)) = token.map(HeaderValue::from_maybe_shared) {
        token.set_sensitive(true);
        question.headers.insert(AUTHORIZATION, token);
    }
    let answer = question.ask(dialer, url, timeout).await?;
    json::parse_members(&answer.body).map_err(|e| unreadable(url, e))
}

fn unreadable(url: &str, why: impl ToString) -> AskError {
    AskError::Unreadable { url: url.to_owned(), why: why.to_string() }
}

struct Question {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

struct Answer {
    headers: HeaderMap,
    body: Bytes,
}

impl Question {
    fn get(path: &str) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { method: Method::GET, path: path.to_owned(), headers, body }
    }

    fn protobuf(path: &str, request: &impl prost::Message) -> Self {
        let mut question = Self::get(path);
        question.method = Method::POST;
        question.body = request.encode_to_vec().into();
        let kind = HeaderValue::from_static("application/protobuf");
        question.headers.insert(CONTENT_TYPE, kind);
        question
    }

    async fn ask(self, dialer: &Dialer, url: &str, within: Duration) -> Result<Answer, AskError> {
        let late = || AskError::Timeout { url: url.to_owned() };
        match timeout(within, self.ask_patiently(dialer, url, within)).await {
            Err(_) => Err(late()),
            Ok(Err(AskError::Unreachable { source, .. }))
                if source.kind() == io::ErrorKind::TimedOut =>
            {
                Err(late())
            }
            Ok(outcome) => outcome,
        }
    }

    async fn ask_patiently(
        self,
        dialer: &Dialer,
        url: &str,
        within: Duration,
    ) -> Result<Answer, AskError> {
        let unreachable = |source| AskError::Unreachable { url: url.to_owned(), source };
        let mut client = Client::connect(dialer, url, within, within).await.map_err(unreachable)?;
        let body = if self.body.is_empty() { empty() } else { full(self.body) };
        let response = client
            .request(self.method, &self.path, self.headers, body)
            .await
            .map_err(unreachable)?;
        let (head, body) = response.into_parts();
        let refused = head.status != StatusCode::OK;
        let limit = if refused { limits::ERROR_TEXT_BYTES } else { limits::ANSWER_BYTES };
        let body = read_all(body, limit, within).await.map_err(|error| match error {
            BodyError::Broken(source) => unreachable(source),
            BodyError::TooLong(_) => unreadable(url, error),
        })?;
        if refused {
            let text = String::from_utf8_lossy(&body).trim_end_matches('\n').to_owned();
            let status = head.status.as_u16();
            return Err(AskError::Refused { url: url.to_owned(), status, text });
        }
        Ok(Answer { headers: head.headers, body })
    }
}
