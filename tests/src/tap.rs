//! One watch stream with everything it has said so far.
//!
//! Besides collecting, a tap judges each answer by what etcd promises of any watch: events in
//! order, none twice, no revision split over two answers unless fragments were asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{
    WatchCancelRequest, WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
};
use ketch_proto::mvccpb::Event;
use tokio::time::timeout;

use crate::rpc::{Duplex, Rpc};

/// Watched by every tap for its whole life: a put to it marks a place in every stream.
pub const ANCHOR_KEY: &str = "\u{1}anchor";
/// The anchor's watch id, away from those a script or the server would choose.
const ANCHOR_ID: i64 = 1 << 40;
const LIMIT: Duration = Duration::from_secs(30);
/// How long a cancel of an unknown watch may stay without an answer before we believe it.
const SILENCE: Duration = Duration::from_millis(30);
const PROGRESS_RETRY: Duration = Duration::from_millis(20);

/// What one watch did since the last barrier.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Seen {
    /// Its events, in order.
    pub events: Vec<Event>,
    /// The answer that ended it, if it ended.
    pub canceled: Option<WatchResponse>,
}

/// A watch stream.
#[derive(Debug)]
pub struct Tap {
    stream: Duplex,
    seen: BTreeMap<i64, Seen>,
    last_created: Option<WatchResponse>,
    /// Start revisions of the watches that live.
    alive: BTreeMap<i64, i64>,
    start_revision: i64,
    /// Watches in the middle of a fragmented answer.
    partial: BTreeSet<i64>,
    /// The last revision each watch has shown, complete.
    shown: BTreeMap<i64, i64>,
    progress_revision: i64,
    /// Answers so far that were not the last of their event batch.
    pub fragments: usize,
}

impl Tap {
    /// Opens a stream with the anchor's watch on it.
    ///
    /// # Errors
    /// When the server refuses, or answers the first create with something else.
    pub async fn open(rpc: &Rpc) -> Result<Self> {
        let anchor = WatchCreateRequest {
            key: ANCHOR_KEY.into(),
            watch_id: ANCHOR_ID,
            ..Default::default()
        };
        let first = WatchRequest { request_union: Some(RequestUnion::CreateRequest(anchor)) };
        let opened = rpc.duplex("/etcdserverpb.Watch/Watch", &first).await;
        let stream = opened.map_err(|refusal| anyhow!("watch stream refused: {refusal:?}"))?;
        let mut tap = Self {
            stream,
            seen: BTreeMap::new(),
            last_created: None,
            alive: BTreeMap::new(),
            start_revision: 0,
            partial: BTreeSet::new(),
            shown: BTreeMap::new(),
            progress_revision: 0,
            fragments: 0,
        };
        tap.until("the anchor", |tap| tap.last_created.is_some()).await?;
        Ok(tap)
    }

    /// Sends a create and waits for its answer.
    ///
    /// # Errors
    /// When the stream ends, breaks a promise or stays silent.
    pub async fn create(&mut self, ask: WatchCreateRequest) -> Result<WatchResponse> {
        self.last_created = None;
        self.start_revision = ask.start_revision;
        self.send(RequestUnion::CreateRequest(ask));
        self.until("a created answer", |tap| tap.last_created.is_some()).await?;
        self.last_created.take().context("just awaited")
    }

    /// Sends a cancel; the answer is `None` when there was no such watch and nothing came.
    ///
    /// # Errors
    /// As `create`.
    pub async fn cancel(&mut self, watch_id: i64) -> Result<Option<WatchResponse>> {
        let known = self.alive.contains_key(&watch_id);
        self.send(RequestUnion::CancelRequest(WatchCancelRequest { watch_id }));
        if known {
            self.until("a canceled answer", |tap| !tap.alive.contains_key(&watch_id)).await?;
        } else {
            self.listen(SILENCE).await?;
        }
        Ok(self.seen.get(&watch_id).and_then(|seen| seen.canceled.clone()))
    }

    /// Waits until the stream has shown everything up to `revision`, at which the anchor's key
    /// was put, and takes what it showed.
    ///
    /// The anchor's own event proves it for watches that were never behind. For those that
    /// began in the past a progress answer does, which etcd gives only while no watch of the
    /// stream begins in the future: a test keeps the two kinds on different streams.
    ///
    /// # Errors
    /// As `create`.
    pub async fn barrier(&mut self, revision: i64) -> Result<BTreeMap<i64, Seen>> {
        let anchored = |tap: &Self| tap.shown.get(&ANCHOR_ID).is_some_and(|at| *at >= revision);
        self.until("the anchor's event", anchored).await?;
        if self.alive.values().all(|start| *start <= revision) {
            let reached = timeout(LIMIT, self.reach(revision)).await;
            reached.with_context(|| format!("no progress to {revision}: {:?}", self.alive))??;
        }
        ensure!(self.partial.is_empty(), "progress in the middle of fragments");
        self.seen.remove(&ANCHOR_ID);
        Ok(std::mem::take(&mut self.seen))
    }

    async fn reach(&mut self, revision: i64) -> Result<()> {
        while self.progress_revision < revision {
            self.send(RequestUnion::ProgressRequest(WatchProgressRequest {}));
            self.listen(PROGRESS_RETRY).await?;
        }
        Ok(())
    }

    /// Takes what has come within `patience`, without asking for progress.
    ///
    /// # Errors
    /// As `create`.
    pub async fn take(&mut self, patience: Duration) -> Result<BTreeMap<i64, Seen>> {
        self.listen(patience).await?;
        Ok(std::mem::take(&mut self.seen))
    }

    fn send(&self, request: RequestUnion) {
        self.stream.send(&WatchRequest { request_union: Some(request) });
    }

    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<()> {
        while !done(self) {
            let next = timeout(LIMIT, self.stream.next()).await;
            self.take_in(next.with_context(|| format!("no answer: {what}"))?)?;
        }
        Ok(())
    }

    /// Takes in whatever comes within `patience`.
    async fn listen(&mut self, patience: Duration) -> Result<()> {
        let end = tokio::time::Instant::now() + patience;
        while let Ok(next) = tokio::time::timeout_at(end, self.stream.next()).await {
            let progress = self.progress_revision;
            self.take_in(next)?;
            if self.progress_revision > progress {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take_in(&mut self, next: crate::rpc::Answer<Option<WatchResponse>>) -> Result<()> {
        let answer = match next {
            Ok(Some(answer)) => answer,
            Ok(None) => bail!("the server ended the watch stream"),
            Err(refusal) => bail!("the watch stream broke: {refusal:?}"),
        };
        let revision = answer.header.as_ref().context("a watch answer without header")?.revision;
        if answer.created {
            self.note_created(answer);
        } else if answer.canceled {
            self.note_canceled(answer);
        } else if answer.events.is_empty() {
            self.progress_revision = self.progress_revision.max(revision);
        } else {
            self.note_events(answer, revision)?;
        }
        Ok(())
    }

    fn note_created(&mut self, answer: WatchResponse) {
        if !answer.canceled {
            self.alive.insert(answer.watch_id, self.start_revision);
            self.shown.remove(&answer.watch_id);
        }
        self.last_created = Some(answer);
    }

    fn note_canceled(&mut self, answer: WatchResponse) {
        let watch_id = answer.watch_id;
        if self.alive.remove(&watch_id).is_none() {
            // The answer to our own tidying below.
            return;
        }
        self.partial.remove(&watch_id);
        if answer.compact_revision != 0 {
            // etcd answers no progress request on a stream with such a watch until the client
            // cancels it too.
            self.send(RequestUnion::CancelRequest(WatchCancelRequest { watch_id }));
        }
        self.seen.entry(watch_id).or_default().canceled = Some(answer);
    }

    fn note_events(&mut self, answer: WatchResponse, revision: i64) -> Result<()> {
        let id = answer.watch_id;
        ensure!(self.alive.contains_key(&id), "events for watch {id}, which is not alive");
        let continued = self.partial.contains(&id);
        let mut last = self.shown.get(&id).copied().unwrap_or(0);
        for (place, event) in answer.events.iter().enumerate() {
            let at = event.kv.as_ref().context("an event without kv")?.mod_revision;
            let may_repeat = place > 0 || continued;
            ensure!(at > last || (at == last && may_repeat), "watch {id}: {at} after {last}");
            ensure!(at <= revision, "watch {id}: event {at} beyond its header's {revision}");
            last = at;
        }
        self.shown.insert(id, last);
        self.fragments += usize::from(answer.fragment);
        match answer.fragment {
            true => self.partial.insert(id),
            false => self.partial.remove(&id),
        };
        // Which watch shows the anchor's revision first is a race.
        let is_anchor = |event: &Event| event.kv.as_ref().is_some_and(|kv| kv.key == ANCHOR_KEY);
        let events = answer.events.into_iter().filter(|event| !is_anchor(event));
        self.seen.entry(id).or_default().events.extend(events);
        Ok(())
    }
}
