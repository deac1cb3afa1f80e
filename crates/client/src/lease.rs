//! Leases: grant, look, revoke, and stay alive.

use std::time::Duration;

use ketch_base::Code as KnownCode;
use ketch_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseLeasesRequest, LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::call::Repeat;
use crate::error::Status;
use crate::{Client, Error};

const METHOD: &str = "/etcdserverpb.Lease/LeaseKeepAlive";
/// Renewals happen at multiples of this (etcd's client).
const RENEW_TICK_MS: u64 = 500;
/// Pause before a broken stream is opened again (etcd's client).
const REOPEN_PAUSE: Duration = Duration::from_millis(500);
/// On top of the dial timeout: how long the first renewal may take (etcd's client).
const FIRST_RENEWAL_MARGIN: Duration = Duration::from_secs(1);
/// Answers a slow reader of [`KeepAlive`] may leave unread before renewals wait for it.
const ANSWERS_UNREAD_MAX: usize = 16;

/// The lease calls. Errors are the server's refusal, the limit, or no server.
#[derive(Clone)]
pub struct Lease {
    pub(crate) client: Client,
}

impl Lease {
    /// A lease of at least `ttl` seconds; id 0 lets the server choose.
    pub async fn grant(&self, ttl: i64, id: i64) -> Result<LeaseGrantResponse, Error> {
        let request = LeaseGrantRequest { ttl, id };
        self.client.unary("/etcdserverpb.Lease/LeaseGrant", Repeat::Never, request).await
    }

    /// Ends a lease and deletes its keys.
    pub async fn revoke(&self, id: i64) -> Result<LeaseRevokeResponse, Error> {
        let request = LeaseRevokeRequest { id };
        self.client.unary("/etcdserverpb.Lease/LeaseRevoke", Repeat::Never, request).await
    }

    /// What is left of a lease, with its keys if asked; -1 seconds for an unknown one.
    pub async fn time_to_live(
        &self,
        id: i64,
        keys: bool,
    ) -> Result<LeaseTimeToLiveResponse, Error> {
        let request = LeaseTimeToLiveRequest { id, keys };
        self.client.unary("/etcdserverpb.Lease/LeaseTimeToLive", Repeat::Safe, request).await
    }

    /// All leases.
    pub async fn leases(&self) -> Result<LeaseLeasesResponse, Error> {
        let request = LeaseLeasesRequest {};
        self.client.unary("/etcdserverpb.Lease/LeaseLeases", Repeat::Safe, request).await
    }

    /// Renews once, however long it takes to reach a server.
    ///
    /// # Errors
    /// The lease is unknown, or the server refuses for another reason than being unavailable.
    pub async fn keep_alive_once(&self, id: i64) -> Result<LeaseKeepAliveResponse, Error> {
        loop {
            match self.renew_alone(id).await {
                Ok(answer) if answer.ttl > 0 => return Ok(answer),
                Ok(_) => return Err(not_found()),
                Err(error) if self.client.is_final(&error) => return Err(error),
                Err(_) => tokio::time::sleep(REOPEN_PAUSE).await,
            }
        }
    }

    async fn renew_alone(&self, id: i64) -> Result<LeaseKeepAliveResponse, Error> {
        let requests = tokio_stream::once(LeaseKeepAliveRequest { id });
        let mut stream: Streaming<LeaseKeepAliveResponse> =
            self.client.both_streams(METHOD, requests).await?;
        match stream.message().await? {
            Some(answer) => Ok(answer),
            None => {
                let message = "lease stream ended without an answer".to_owned();
                Err(Status { code: Code::Unavailable, message }.into())
            }
        }
    }

    /// Renews at a third of the time to live until the lease is gone or the handle is dropped.
    pub fn keep_alive(&self, id: i64) -> KeepAlive {
        let (answers, receiver) = mpsc::channel(ANSWERS_UNREAD_MAX);
        let first = self.client.config.dial_timeout + FIRST_RENEWAL_MARGIN;
        let renewer =
            Renewer { client: self.client.clone(), id, answers, expires: Instant::now() + first };
        tokio::spawn(renewer.run());
        KeepAlive { answers: receiver }
    }
}

/// A lease being kept alive.
pub struct KeepAlive {
    answers: mpsc::Receiver<LeaseKeepAliveResponse>,
}

impl KeepAlive {
    /// The next renewal; `None` when the lease expired, was revoked, or could not be renewed in
    /// its time.
    pub async fn next(&mut self) -> Option<LeaseKeepAliveResponse> {
        self.answers.recv().await
    }
}

struct Renewer {
    client: Client,
    id: i64,
    answers: mpsc::Sender<LeaseKeepAliveResponse>,
    /// When the lease is gone unless a renewal arrives.
    expires: Instant,
}

/// Why a stream of renewals ended.
enum Ended {
    Gone,
    Broken,
}

impl Renewer {
    async fn run(mut self) {
        loop {
            let renewing = tokio::time::timeout_at(self.expires, self.open()).await;
            let ended = match renewing {
                Ok(Ok((sender, stream))) => self.serve(sender, stream).await,
                Ok(Err(error)) if self.client.is_final(&error) => Ended::Gone,
                Ok(Err(_)) => Ended::Broken,
                Err(_) => Ended::Gone,
            };
            if matches!(ended, Ended::Gone) || self.answers.is_closed() {
                return;
            }
            tokio::time::sleep(REOPEN_PAUSE).await;
        }
    }

    async fn open(
        &self,
    ) -> Result<(mpsc::Sender<LeaseKeepAliveRequest>, Streaming<LeaseKeepAliveResponse>), Error>
    {
        let (sender, requests) = mpsc::channel(1);
        // The server answers the opening only after a first request.
        if sender.try_send(LeaseKeepAliveRequest { id: self.id }).is_err() {
            return Err(not_found());
        }
        let stream = self.client.both_streams(METHOD, ReceiverStream::new(requests)).await?;
        Ok((sender, stream))
    }

    async fn serve(
        &mut self,
        sender: mpsc::Sender<LeaseKeepAliveRequest>,
        mut stream: Streaming<LeaseKeepAliveResponse>,
    ) -> Ended {
        loop {
            let answer = match tokio::time::timeout_at(self.expires, stream.message()).await {
                Ok(Ok(Some(answer))) => answer,
                Ok(Ok(None) | Err(_)) => return Ended::Broken,
                Err(_) => return Ended::Gone,
            };
            let Ok(seconds @ 1..) = u64::try_from(answer.ttl) else { return Ended::Gone };
            let life = Duration::from_secs(seconds);
            self.expires = Instant::now() + life;
            let pause = renewal_pause(seconds);
            if self.answers.send(answer).await.is_err() {
                return Ended::Gone;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.answers.closed() => return Ended::Gone,
            }
            if sender.send(LeaseKeepAliveRequest { id: self.id }).await.is_err() {
                return Ended::Broken;
            }
        }
    }
}

/// A third of the life, at the next tick.
fn renewal_pause(ttl_seconds: u64) -> Duration {
    let third_ms = ttl_seconds.saturating_mul(1_000) / 3;
    let ticks = third_ms.div_ceil(RENEW_TICK_MS);
    Duration::from_millis(ticks.saturating_mul(RENEW_TICK_MS))
}

fn not_found() -> Error {
    let known = KnownCode::LeaseNotFound;
    Status { code: Code::NotFound, message: known.text().to_owned() }.into()
}
