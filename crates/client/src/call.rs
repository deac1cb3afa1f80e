//! One call: find a connection, send, judge the failure, perhaps again, never past the limit.

use std::future::Future;
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Streaming};
use tonic_prost::ProstCodec;

use crate::auth::Token;
use crate::error::{Error, Status};
use crate::link::Link;
use crate::{Client, Failure};

/// Whether a call may be sent again after an unavailable server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing.
    Safe,
    /// It may have been done.
    Never,
}

/// How a call begins.
pub(crate) struct Attempt {
    pub(crate) until: Option<Instant>,
    pub(crate) token: Option<Token>,
    /// How often it was tried before.
    pub(crate) number: u32,
}

/// A call that failed, and how often it was tried.
pub(crate) struct Refused {
    pub(crate) error: Error,
    pub(crate) number: u32,
}

/// Tries of a repeatable call (etcd's client).
const ATTEMPTS_MAX: u32 = 100;
/// Logins for one call after its token was refused. One is enough unless users or roles change
/// again meanwhile.
const RELOGINS_MAX: u32 = 3;
/// Pause between tries of a repeatable call (etcd's client).
const RETRY_PAUSE: Duration = Duration::from_millis(25);
/// Pause after no endpoint could be reached.
const REDIAL_PAUSE: Duration = Duration::from_millis(100);
/// The API version we speak, told with every call; servers count clients by it.
const API_VERSION: &str = "3.7";

impl Client {
    /// A unary call with this client's limit. One that is refused for its token is sent again with
    /// a new one: such a refusal has changed nothing.
    pub(crate) async fn unary<Q, A>(
        &self,
        method: &'static str,
        repeat: Repeat,
        request: Q,
    ) -> Result<A, Error>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let until = self.deadline();
        let mut number = 0;
        for _ in 0..RELOGINS_MAX {
            let token = self.token(until).await?;
            let attempt = Attempt { until, token: token.clone(), number };
            match self.attempts(method, repeat, request.clone(), attempt).await {
                Ok(answer) => return Ok(answer),
                Err(refused) if self.login.cures(refused.error.message()) => {
                    self.login.forget(&token);
                    number = refused.number;
                }
                Err(refused) => return Err(refused.error),
            }
        }
        let token = self.token(until).await?;
        let attempt = Attempt { until, token, number };
        self.attempts(method, repeat, request, attempt).await.map_err(|refused| refused.error)
    }

    /// A unary call with one token.
    pub(crate) async fn attempts<Q, A>(
        &self,
        method: &'static str,
        repeat: Repeat,
        request: Q,
        first: Attempt,
    ) -> Result<A, Refused>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let Attempt { until, token, mut number } = first;
        loop {
            let refused = |error| Refused { error, number };
            let link = self.link(method, until).await.map_err(refused)?;
            self.check_size(method, &link, request.encoded_len()).map_err(refused)?;
            let send = async {
                let mut grpc = self.ready(&link).await?;
                let request = self.prepare(request.clone(), until, token.clone());
                let path = PathAndQuery::from_static(method);
                grpc.unary(request, path, ProstCodec::<Q, A>::default()).await
            };
            let status = match within(until, send).await {
                Some(Ok(answer)) => return Ok(answer.into_inner()),
                Some(Err(status)) => status,
                None => tonic::Status::deadline_exceeded("context deadline exceeded"),
            };
            self.judge(method, &link, number, &status);
            number += 1;
            let again = repeat == Repeat::Safe
                && status.code() == Code::Unavailable
                && number < ATTEMPTS_MAX;
            if !again {
                return Err(Refused { error: status.into(), number });
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// A call answered by a stream, with this client's limit; sent again only for a new token.
    pub(crate) async fn server_stream<Q, A>(
        &self,
        method: &'static str,
        request: Q,
    ) -> Result<Streaming<A>, Error>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let until = self.deadline();
        let mut logins = 0;
        loop {
            let token = self.token(until).await?;
            let link = self.reach(until).await?;
            self.check_size(method, &link, request.encoded_len())?;
            let send = async {
                let mut grpc = self.ready(&link).await?;
                let path = PathAndQuery::from_static(method);
                let codec = ProstCodec::<Q, A>::default();
                let request = self.prepare(request.clone(), until, token.clone());
                grpc.server_streaming(request, path, codec).await
            };
            match self.opened(&link, within(until, send).await) {
                Err(error) if logins < RELOGINS_MAX && self.login.cures(error.message()) => {
                    self.login.forget(&token);
                    logins += 1;
                }
                opened => return opened,
            }
        }
    }

    /// A call with a stream both ways, without limit, to a member that has a leader. A refusal
    /// that a new token cures is not final (see [`Client::is_final`]): the next opening logs in.
    pub(crate) async fn both_streams<Q, A>(
        &self,
        method: &'static str,
        requests: impl tokio_stream::Stream<Item = Q> + Send + 'static,
    ) -> Result<Streaming<A>, Error>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let token = self.token(None).await?;
        let link = self.reach(None).await?;
        let send = async {
            let mut grpc = self.ready(&link).await?;
            let mut request = self.prepare(requests, None, token.clone());
            request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
            let path = PathAndQuery::from_static(method);
            grpc.streaming(request, path, ProstCodec::<Q, A>::default()).await
        };
        self.opened(&link, Some(send.await)).inspect_err(|error| {
            if self.login.cures(error.message()) {
                self.login.forget(&token);
            }
        })
    }

    /// Whether a stream that ended so need not be opened again.
    pub(crate) fn is_final(&self, error: &Error) -> bool {
        match error {
            Error::Deadline { .. } => false,
            Error::Rpc(status) => {
                let passing = [Code::Unavailable, Code::Internal, Code::Unknown];
                !passing.contains(&status.code) && !self.login.cures(&status.message)
            }
            _ => true,
        }
    }

    fn opened<A>(
        &self,
        link: &Link,
        result: Option<Result<tonic::Response<Streaming<A>>, tonic::Status>>,
    ) -> Result<Streaming<A>, Error> {
        let status = match result {
            Some(Ok(answer)) => return Ok(answer.into_inner()),
            Some(Err(status)) => status,
            None => tonic::Status::deadline_exceeded("context deadline exceeded"),
        };
        self.drop_broken(link, &status);
        Err(status.into())
    }

    fn deadline(&self) -> Option<Instant> {
        self.timeout.map(|limit| Instant::now() + limit)
    }

    /// A connection for a unary call; the failure to find one in time is reported as its failure.
    async fn link(&self, method: &'static str, until: Option<Instant>) -> Result<Link, Error> {
        let error = match self.reach(until).await {
            Ok(link) => return Ok(link),
            Err(error) => error,
        };
        self.report(method, None, 0, error.code(), error.message());
        Err(error)
    }

    /// Dials until something answers or the limit passes.
    async fn reach(&self, until: Option<Instant>) -> Result<Link, Error> {
        let mut cause = "context deadline exceeded".to_owned();
        loop {
            if until.is_some_and(|until| until <= Instant::now()) {
                return Err(Error::Deadline { cause });
            }
            match within(until, self.pool.link()).await {
                Some(Ok(link)) => return Ok(link),
                Some(Err(why)) => cause = format!("latest balancer error: {why}"),
                None => return Err(Error::Deadline { cause }),
            }
            if within(until, tokio::time::sleep(REDIAL_PAUSE)).await.is_none() {
                return Err(Error::Deadline { cause });
            }
        }
    }

    async fn ready(&self, link: &Link) -> Result<Grpc<Channel>, tonic::Status> {
        let mut grpc = Grpc::new(link.channel.clone())
            .max_decoding_message_size(self.config.recv_bytes_max)
            .max_encoding_message_size(usize::MAX);
        grpc.ready().await.map_err(|error| tonic::Status::from_error(error.into()))?;
        Ok(grpc)
    }

    fn prepare<T>(&self, message: T, until: Option<Instant>, token: Option<Token>) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(until) = until {
            request.set_timeout(until.saturating_duration_since(Instant::now()));
        }
        let version = MetadataValue::from_static(API_VERSION);
        request.metadata_mut().insert("client-api-version", version);
        if let Some(token) = token {
            request.metadata_mut().insert("token", token);
        }
        request
    }

    fn check_size(&self, method: &str, link: &Link, found: usize) -> Result<(), Error> {
        let limit = self.config.send_bytes_max;
        if found <= limit {
            return Ok(());
        }
        let code = Code::ResourceExhausted;
        let message = format!("trying to send message larger than max ({found} vs. {limit})");
        self.report(method, Some(link), 0, code, &message);
        Err(Status { code, message }.into())
    }

    fn judge(&self, method: &'static str, link: &Link, attempt: u32, status: &tonic::Status) {
        self.drop_broken(link, status);
        let shown = Status::from(status);
        self.report(method, Some(link), attempt, shown.code, &shown.message);
    }

    /// A status with a source was made on this side: the connection is the suspect.
    fn drop_broken(&self, link: &Link, status: &tonic::Status) {
        if std::error::Error::source(status).is_some() {
            self.pool.drop_link(link);
        }
    }

    fn report(&self, method: &str, link: Option<&Link>, attempt: u32, code: Code, message: &str) {
        let Some(observer) = &self.config.on_failure else { return };
        let peer = link.and_then(|link| link.peer.lock().ok().map(|peer| peer.clone()));
        observer(&Failure {
            method,
            target: self.pool.target(),
            peer: peer.as_ref().map(|(remote, local)| (remote.as_str(), local.as_str())),
            secure: link.is_some_and(|link| link.secure),
            attempt,
            code,
            message,
        });
    }
}

/// The future's output, or `None` once the limit passed.
pub(crate) async fn within<T>(
    until: Option<Instant>,
    future: impl Future<Output = T>,
) -> Option<T> {
    match until {
        Some(until) => tokio::time::timeout_at(until, future).await.ok(),
        None => Some(future.await),
    }
}
