//! A server under a differential run: takes steps, gives each step's answer as text.
//!
//! The text holds everything the server said, but for: `raft_term`, the jitter of a remaining
//! TTL, lease ids the server chose, its listening address, sizes and raft indexes of Status.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseLeasesResponse, LeaseRevokeRequest, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
    PutRequest, PutResponse, RangeResponse, RangeStreamResponse, StatusResponse, WatchRequest,
    WatchResponse,
};
use prost::Message;
use prost_reflect::DynamicMessage;

use crate::op::{GENERATED_LEASE, Op};
use crate::rpc::{Answer, Refusal, Rpc};
use crate::schema::{self, Method};
use crate::tap::{ANCHOR_KEY, Seen, Tap};

/// A remaining TTL counts as the whole one when no more than this is gone: longer than a run.
const TTL_JITTER_S: i64 = 900;

/// One server and the client state a run keeps about it.
#[derive(Debug)]
pub struct Subject {
    rpc: Rpc,
    endpoint: String,
    taps: Vec<Tap>,
    generated: Vec<i64>,
    revision: i64,
}

impl Subject {
    /// Connects, with `streams` watch streams open.
    ///
    /// # Errors
    /// When the server does not accept.
    pub async fn open(endpoint: &str, streams: usize) -> Result<Self> {
        let rpc = Rpc::connect(endpoint).await?;
        let taps = open_taps(&rpc, streams).await?;
        let endpoint = endpoint.to_owned();
        Ok(Self { rpc, endpoint, taps, generated: Vec::new(), revision: 1 })
    }

    /// Connects again, to a server that was started again; its watches are gone.
    ///
    /// # Errors
    /// When the server does not accept.
    pub async fn reconnect(&mut self) -> Result<()> {
        self.rpc = Rpc::connect(&self.endpoint).await?;
        self.taps = open_taps(&self.rpc, self.taps.len()).await?;
        Ok(())
    }

    /// The highest revision a header has shown.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// How many watch answers were fragments of a larger one.
    pub fn fragments(&self) -> usize {
        self.taps.iter().map(|tap| tap.fragments).sum()
    }

    /// Takes one step; the answer is text to compare.
    ///
    /// # Errors
    /// When the server breaks a promise that needs no comparison, or stops answering.
    pub async fn run(&mut self, op: &Op) -> Result<String> {
        match op {
            Op::Call { method, ask } => self.call(method, ask.clone()).await,
            Op::Watch { stream, ask } => self.watch(*stream, ask.clone()).await,
            Op::Barrier => self.barrier().await,
        }
    }

    async fn call(&mut self, method: &Method, ask: Bytes) -> Result<String> {
        let path = method.path();
        match path.rsplit('/').next().unwrap_or_default() {
            "RangeStream" => self.range_stream(&path, ask).await,
            "LeaseKeepAlive" => self.keep_alive(ask).await,
            _ if method.is_streaming() => bail!("no driver for {path}"),
            name => {
                let ask = self.resolve_lease(name, ask)?;
                match self.rpc.call_bytes(&path, ask.clone()).await {
                    Ok(answer) => self.show_answer(method, name, &ask, answer),
                    Err(refusal) => show_refusal(&refusal),
                }
            }
        }
    }

    /// Puts the server's own id where the step names a generated lease.
    fn resolve_lease(&self, name: &str, ask: Bytes) -> Result<Bytes> {
        let resolve = |id| self.resolve(id);
        Ok(match name {
            "LeaseRevoke" => {
                let ask = LeaseRevokeRequest::decode(ask)?;
                LeaseRevokeRequest { id: resolve(ask.id) }.encode_to_vec().into()
            }
            "LeaseTimeToLive" => {
                let ask = LeaseTimeToLiveRequest::decode(ask)?;
                LeaseTimeToLiveRequest { id: resolve(ask.id), ..ask }.encode_to_vec().into()
            }
            _ => ask,
        })
    }

    fn resolve(&self, id: i64) -> i64 {
        let place = GENERATED_LEASE.checked_sub(id).and_then(|n| usize::try_from(n).ok());
        place.and_then(|n| self.generated.get(n).copied()).unwrap_or(id)
    }

    /// The name of a lease id in transcripts.
    fn name_of(&self, id: i64) -> i64 {
        let place = self.generated.iter().position(|known| *known == id);
        place.map_or(id, |n| GENERATED_LEASE - n as i64)
    }

    fn show_answer(
        &mut self,
        method: &Method,
        name: &str,
        ask: &Bytes,
        answer: Bytes,
    ) -> Result<String> {
        let answer = match name {
            "LeaseGrant" => self.mask_grant(ask, answer)?,
            "LeaseTimeToLive" => self.mask_ttl(answer)?,
            "LeaseLeases" => self.mask_leases(answer)?,
            "Status" => mask_status(answer)?,
            _ => answer,
        };
        let mut message = method.decode(answer)?;
        self.note_revision(&message);
        schema::mask_term(&mut message);
        let text = message.to_text_format();
        Ok(format!("OK {}", text.replace(&self.endpoint, "http://CLIENT")))
    }

    fn note_revision(&mut self, message: &DynamicMessage) {
        if let Some(revision) = schema::header_revision(message) {
            self.revision = self.revision.max(revision);
        }
    }

    fn mask_grant(&mut self, ask: &Bytes, answer: Bytes) -> Result<Bytes> {
        let mut answer = LeaseGrantResponse::decode(answer)?;
        if LeaseGrantRequest::decode(ask.clone())?.id == 0 {
            self.generated.push(answer.id);
            answer.id = self.name_of(answer.id);
        }
        Ok(answer.encode_to_vec().into())
    }

    fn mask_ttl(&self, answer: Bytes) -> Result<Bytes> {
        let mut answer = LeaseTimeToLiveResponse::decode(answer)?;
        answer.id = self.name_of(answer.id);
        // In the order of a Go map.
        answer.keys.sort();
        if answer.ttl > 0 && (0..=TTL_JITTER_S).contains(&(answer.granted_ttl - answer.ttl)) {
            answer.ttl = answer.granted_ttl;
        }
        Ok(answer.encode_to_vec().into())
    }

    /// Sorted by id: etcd orders by remaining time, a race between equal TTLs.
    fn mask_leases(&self, answer: Bytes) -> Result<Bytes> {
        let mut answer = LeaseLeasesResponse::decode(answer)?;
        for lease in &mut answer.leases {
            lease.id = self.name_of(lease.id);
        }
        answer.leases.sort_by_key(|lease| lease.id);
        Ok(answer.encode_to_vec().into())
    }

    /// Chunks are sized by the server's own judgement: compared is what they add up to.
    async fn range_stream(&mut self, path: &str, ask: Bytes) -> Result<String> {
        let chunks = match self.rpc.collect_bytes::<RangeStreamResponse>(path, ask).await {
            Ok(chunks) => chunks,
            Err(refusal) => return show_refusal(&refusal),
        };
        let mut whole = RangeResponse::default();
        let last = chunks.len().saturating_sub(1);
        for (place, chunk) in chunks.into_iter().enumerate() {
            let Some(part) = chunk.range_response else { bail!("a chunk without content") };
            if place < last && (part.header.is_some() || part.more || part.count != 0) {
                bail!("totals before the last chunk: {part:?}");
            }
            whole.kvs.extend(part.kvs);
            (whole.header, whole.more, whole.count) = (part.header, part.more, part.count);
        }
        let range = Method::find("KV/Range")?;
        self.show_answer(&range, "Range", &Bytes::new(), whole.encode_to_vec().into())
    }

    async fn keep_alive(&mut self, ask: Bytes) -> Result<String> {
        let ask = LeaseKeepAliveRequest::decode(ask)?;
        let ask = LeaseKeepAliveRequest { id: self.resolve(ask.id) };
        let method = Method::find("Lease/LeaseKeepAlive")?;
        let mut stream = match self.rpc.duplex(&method.path(), &ask).await {
            Ok(stream) => stream,
            Err(refusal) => return show_refusal(&refusal),
        };
        let answer: Answer<Option<LeaseKeepAliveResponse>> = stream.next().await;
        match answer {
            Ok(Some(mut answer)) => {
                answer.id = self.name_of(answer.id);
                let bytes = answer.encode_to_vec().into();
                self.show_answer(&method, "LeaseKeepAlive", &Bytes::new(), bytes)
            }
            Ok(None) => Ok("ended".to_owned()),
            Err(refusal) => show_refusal(&refusal),
        }
    }

    async fn watch(&mut self, stream: usize, ask: WatchRequest) -> Result<String> {
        let Some(tap) = self.taps.get_mut(stream) else { bail!("no stream {stream}") };
        match ask.request_union {
            Some(RequestUnion::CreateRequest(create)) => Ok(show_watch(&tap.create(create).await?)),
            Some(RequestUnion::CancelRequest(cancel)) => {
                let answer = tap.cancel(cancel.watch_id).await?;
                Ok(answer.map_or("nothing".to_owned(), |answer| show_watch(&answer)))
            }
            other => bail!("no driver for {other:?}"),
        }
    }

    async fn barrier(&mut self) -> Result<String> {
        let put = PutRequest { key: ANCHOR_KEY.into(), ..Default::default() };
        let put: Answer<PutResponse> = self.rpc.call("/etcdserverpb.KV/Put", &put).await;
        match put {
            Ok(put) => self.revision = put.header.map_or(0, |header| header.revision),
            Err(refusal) => bail!("no put to the anchor: {refusal:?}"),
        }
        let mut text = String::new();
        for (place, tap) in self.taps.iter_mut().enumerate() {
            let seen = tap.barrier(self.revision).await?;
            text.push_str(&show_seen(place, &seen));
        }
        Ok(text)
    }
}

async fn open_taps(rpc: &Rpc, streams: usize) -> Result<Vec<Tap>> {
    let mut taps = Vec::new();
    for _ in 0..streams {
        taps.push(Tap::open(rpc).await?);
    }
    Ok(taps)
}

/// What watches saw, one line an event.
pub fn show_seen(stream: usize, seen: &BTreeMap<i64, Seen>) -> String {
    let mut text = String::new();
    for (id, seen) in seen {
        for event in &seen.events {
            let event = schema::text_of("mvccpb.Event", event);
            text.push_str(&format!("stream {stream} watch {id}: {event}\n"));
        }
        if let Some(end) = &seen.canceled {
            text.push_str(&format!("stream {stream} watch {id}: {}\n", show_watch(end)));
        }
    }
    text
}

/// A watch answer without its term.
pub fn show_watch(answer: &WatchResponse) -> String {
    let mut answer = answer.clone();
    if let Some(header) = &mut answer.header {
        header.raft_term = 0;
    }
    schema::text_of("etcdserverpb.WatchResponse", &answer)
}

fn mask_status(answer: Bytes) -> Result<Bytes> {
    let answer = StatusResponse::decode(answer)?;
    // Go's text form of a message has one or two blanks between fields, by the build.
    let errors = answer.errors.iter().map(|error| error.replace("  ", " ")).collect();
    let masked = StatusResponse {
        errors,
        db_size: answer.db_size.signum(),
        db_size_in_use: answer.db_size_in_use.signum(),
        raft_index: u64::from(answer.raft_index > 0),
        raft_applied_index: u64::from(answer.raft_applied_index > 0),
        raft_term: u64::from(answer.raft_term > 0),
        ..answer
    };
    Ok(masked.encode_to_vec().into())
}

/// A refusal is an answer; a lost connection is not.
fn show_refusal(refusal: &Refusal) -> Result<String> {
    ensure!(!refusal.is_transport(), "the connection is lost: {refusal:?}");
    Ok(format!("{:?}: {}", refusal.code, refusal.message))
}
