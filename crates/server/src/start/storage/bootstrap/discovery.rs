//! Finding the first members through another etcd cluster, with etcd's keys and values so that
//! both kinds of members can meet:
//!
//! ```text
//! /_etcd/registry/TOKEN/_config/size    how many members, decimal
//! /_etcd/registry/TOKEN/members/ID      what that member has in --initial-cluster
//! ```
//! Who registered first is in; who comes when all places are taken is refused.

use std::sync::Arc;
use std::time::Duration;

use ketch_base::MemberId;
use ketch_client::{Client, Config, Error, Events, cancellation};
use ketch_proto::etcdserverpb::{PutRequest, RangeRequest, WatchCreateRequest};
use ketch_proto::mvccpb::KeyValue;
use ketch_proto::mvccpb::event::EventType;
use ketch_tls::{Alpn, Files, Identity, Rules};

use crate::config::DiscoveryService;
use crate::config::initial_cluster;

/// The wait before the first question again; doubled each time.
const RETRY: Duration = Duration::from_secs(1);
/// Doublings of [`RETRY`].
const RETRY_DOUBLINGS_MAX: u32 = 8;

/// Why the service is of no use.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(in super::super) enum DiscoveryError {
    /// Nobody said how many members there are to be.
    #[error("discovery: size key not found")]
    SizeNotFound,
    /// The number of members is none.
    #[error("discovery: size key is bad")]
    BadSizeKey,
    /// All places are taken.
    #[error("discovery: cluster is full")]
    Full,
    /// A member registered something else than its URLs.
    #[error("discovery: invalid peer URL")]
    InvalidUrl,
    /// The service refuses.
    #[error("{0}")]
    Client(String),
}

impl From<ketch_tls::Error> for DiscoveryError {
    fn from(error: ketch_tls::Error) -> Self {
        Self::Client(format!("failed to join discovery cluster ({error})"))
    }
}

impl From<Error> for DiscoveryError {
    fn from(error: Error) -> Self {
        Self::Client(error.to_string())
    }
}

/// Registers this member as `own` and waits until all are there; returns them in the order of
/// their registration, as `--initial-cluster` has them. Asks until there is an answer.
pub(super) async fn join(
    service: &DiscoveryService,
    id: MemberId,
    own: &str,
) -> Result<String, DiscoveryError> {
    let (username, password) = service.user.clone().unwrap_or_default();
    let client = Client::new(Config {
        security: security(service)?,
        username,
        password,
        dial_timeout: service.dial_timeout,
        call_timeout: Some(service.request_timeout),
        keepalive_time: service.keepalive_time,
        keepalive_timeout: service.keepalive_timeout,
        ..Config::new(service.endpoints.iter().cloned())
    })?;
    let keys = Keys::new(&service.token, id);
    let discovery = Discovery { client, keys };
    let joined = discovery.join(own).await;
    if let Err(error) = &joined {
        tracing::error!(
            discovery_token = %service.token, discovery_endpoints = ?service.endpoints,
            error = %error, "discovery failed to join cluster"
        );
    }
    joined
}

/// The identity to ask with, if it is to be asked over TLS.
fn security(service: &DiscoveryService) -> Result<Option<Arc<Identity>>, ketch_tls::Error> {
    let files = service.files.clone();
    if !service.is_secure && files == Files::default() {
        return Ok(None);
    }
    let rules = Rules { insecure_skip_verify: service.skip_verify, ..Rules::default() };
    Identity::load(files, rules, Alpn::Clients).map(Some)
}

struct Keys {
    size: String,
    members: String,
    own: String,
}

impl Keys {
    fn new(token: &str, id: MemberId) -> Self {
        let registry = format!("/_etcd/registry/{token}");
        let members = format!("{registry}/members");
        Self { size: format!("{registry}/_config/size"), own: format!("{members}/{id}"), members }
    }

    /// The end of the range of everything below `members`.
    fn members_end(&self) -> String {
        let mut end = self.members.clone();
        // The last letter is an ASCII `s`.
        end.pop();
        end.push('t');
        end
    }
}

struct Discovery {
    client: Client,
    keys: Keys,
}

/// What the service said, and at which revision.
struct Status {
    size: usize,
    members: Registered,
    revision: i64,
}

impl Discovery {
    async fn join(&self, own: &str) -> Result<String, DiscoveryError> {
        self.status().await?;
        let put =
            PutRequest { key: self.key(), value: own.to_owned().into(), ..Default::default() };
        self.client.kv().put(put).await?;
        tracing::info!(member_key = %self.keys.own, "registered in the discovery service");
        loop {
            let mut status = self.status().await?;
            if status.members.count() < status.size {
                tracing::info!(
                    found = status.members.count(),
                    wanted = status.size,
                    "waiting for other members in the discovery service"
                );
                if let Err(error) = self.wait(&mut status).await {
                    tracing::warn!(error = %error, "watching the discovery service again");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            }
            return status.members.initial_cluster(status.size);
        }
    }

    fn key(&self) -> bytes::Bytes {
        self.keys.own.clone().into()
    }

    /// Asks until there is an answer. A member that has no place is told so.
    async fn status(&self) -> Result<Status, DiscoveryError> {
        let mut tries = 0;
        loop {
            let error = match self.ask().await {
                Ok(status) => return Ok(status),
                Err(DiscoveryError::Client(error)) => error,
                Err(error) => return Err(error),
            };
            tries += 1;
            let backoff = RETRY * 2_u32.pow(tries.min(RETRY_DOUBLINGS_MAX));
            tracing::warn!(
                reason = "cluster status check", error, backoff = ?backoff,
                "retry connecting to discovery service"
            );
            tokio::time::sleep(backoff).await;
        }
    }

    async fn ask(&self) -> Result<Status, DiscoveryError> {
        let kv = self.client.kv();
        let size = RangeRequest { key: self.keys.size.clone().into(), ..Default::default() };
        let answer = kv.range(size).await?;
        let size = parse_size(answer.kvs.first())?;
        let members = RangeRequest {
            key: self.keys.members.clone().into(),
            range_end: self.keys.members_end().into(),
            ..Default::default()
        };
        let answer = kv.range(members).await?;
        let mut members = Registered::default();
        for row in &answer.kvs {
            members.add(row);
        }
        members.check_place(&self.keys.own, size)?;
        Ok(Status { size, members, revision: answer.header.map_or(0, |header| header.revision) })
    }

    /// Adds members as they register, until all are there.
    async fn wait(&self, status: &mut Status) -> Result<(), Error> {
        let watcher = self.client.watch();
        let mut events: Events = watcher
            .watch(WatchCreateRequest {
                key: self.keys.members.clone().into(),
                range_end: self.keys.members_end().into(),
                start_revision: status.revision + 1,
                ..Default::default()
            })
            .await;
        while status.members.count() < status.size {
            let ended = || Error::WatchCanceled("watch ended".to_owned());
            let answer = events.next().await?.ok_or_else(ended)?;
            if let Some(error) = cancellation(&answer) {
                return Err(error);
            }
            let puts = answer.events.iter().filter(|event| event.r#type() == EventType::Put);
            for row in puts.filter_map(|event| event.kv.as_ref()) {
                status.members.add(row);
            }
        }
        Ok(())
    }
}

fn parse_size(row: Option<&KeyValue>) -> Result<usize, DiscoveryError> {
    let row = row.ok_or(DiscoveryError::SizeNotFound)?;
    let text = std::str::from_utf8(&row.value).map_err(|_| DiscoveryError::BadSizeKey)?;
    match text.parse() {
        Ok(size) if size > 0 => Ok(size),
        _ => Err(DiscoveryError::BadSizeKey),
    }
}

/// Who registered, in that order.
#[derive(Debug, Default)]
struct Registered {
    members: Vec<(i64, String, String)>,
}

impl Registered {
    fn count(&self) -> usize {
        self.members.len()
    }

    /// Takes a row up once; what is no list of URLs is left out.
    fn add(&mut self, row: &KeyValue) {
        let (Ok(key), Ok(value)) = (std::str::from_utf8(&row.key), std::str::from_utf8(&row.value))
        else {
            return;
        };
        if !initial_cluster::parse(value).is_ok_and(|members| !members.is_empty()) {
            tracing::warn!(
                member_key = key,
                member_info = value,
                "invalid peer info returned from discovery service"
            );
            return;
        }
        if self.members.iter().any(|(_, known, _)| known == key) {
            return;
        }
        self.members.push((row.create_revision, key.to_owned(), value.to_owned()));
        self.members.sort();
    }

    /// Whether `own` has a place among `size`, or there is one left.
    fn check_place(&self, own: &str, size: usize) -> Result<(), DiscoveryError> {
        let place = self.members.iter().position(|(_, key, _)| key == own);
        if place.unwrap_or(self.members.len()) >= size {
            return Err(DiscoveryError::Full);
        }
        Ok(())
    }

    fn initial_cluster(&self, size: usize) -> Result<String, DiscoveryError> {
        let first = self.members.iter().take(size).map(|(.., urls)| urls.as_str());
        let all = first.collect::<Vec<_>>().join(",");
        initial_cluster::parse(&all).map_err(|_| DiscoveryError::InvalidUrl)?;
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(created: i64, key: &str, value: &str) -> KeyValue {
        KeyValue {
            key: key.to_owned().into(),
            value: value.to_owned().into(),
            create_revision: created,
            ..Default::default()
        }
    }

    #[test]
    fn keys_are_etcds() {
        let keys = Keys::new("t", MemberId(0x06d0_defc));
        assert_eq!(keys.size, "/_etcd/registry/t/_config/size");
        assert_eq!(keys.own, "/_etcd/registry/t/members/6d0defc");
        assert!(keys.members_end() > keys.own && keys.members < keys.own);
    }

    #[test]
    fn sizes() {
        let check = |value: Option<&str>, expected: Result<usize, DiscoveryError>| {
            let row = value.map(|value| row(1, "size", value));
            assert_eq!(parse_size(row.as_ref()), expected, "{value:?}");
        };
        check(Some("3"), Ok(3));
        check(Some("0"), Err(DiscoveryError::BadSizeKey));
        check(Some("-1"), Err(DiscoveryError::BadSizeKey));
        check(Some("x"), Err(DiscoveryError::BadSizeKey));
        check(None, Err(DiscoveryError::SizeNotFound));
    }

    #[test]
    fn first_come_first_served() {
        let mut registered = Registered::default();
        registered.add(&row(9, "c", "c=http://c:1"));
        registered.add(&row(7, "b", "b=http://b:1,b=http://b:2"));
        registered.add(&row(5, "junk", "junk"));
        registered.add(&row(7, "b", "b=http://b:1,b=http://b:2"));
        assert_eq!(registered.count(), 2);
        assert_eq!(registered.check_place("b", 1), Ok(()));
        assert_eq!(registered.check_place("c", 1), Err(DiscoveryError::Full));
        assert_eq!(registered.check_place("new", 2), Err(DiscoveryError::Full));
        assert_eq!(registered.check_place("new", 3), Ok(()));
        let first = |size| registered.initial_cluster(size).expect("good URLs");
        assert_eq!(first(1), "b=http://b:1,b=http://b:2");
        assert_eq!(first(2), "b=http://b:1,b=http://b:2,c=http://c:1");
    }
}
