//! Clients at work while a cluster changes under them: writers of numbered keys and a watcher
//! that resumes wherever it is cut off. Afterwards they tell what was acknowledged, what was
//! seen, and how long nothing was acknowledged.
//!
//! Every write is a key of its own, so "lost" and "twice" are questions with an answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::client::{Client, prefix_end};

const PREFIX: &str = "load/";
/// A client that hears nothing this long tries another member.
const PATIENCE: Duration = Duration::from_secs(2);
const WATCH_PATIENCE: Duration = Duration::from_secs(3);
/// Between two writes of one writer, so that a test's own machine is not the bottleneck.
const PACE: Duration = Duration::from_millis(4);
const AFTER_ERROR: Duration = Duration::from_millis(20);
/// The last look at what is there may meet an election.
const LAST_LOOK: Duration = Duration::from_secs(60);

/// Writers and a watcher that run until `stop`.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<Result<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    endpoints: Mutex<Vec<String>>,
    known: Mutex<Known>,
    is_over: std::sync::atomic::AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    /// Acknowledged keys with their revisions.
    acked: BTreeMap<String, i64>,
    /// When writes were acknowledged, in order.
    times: Vec<Instant>,
    /// How many writes were refused or timed out.
    failed: usize,
    /// What the watcher saw: revisions and their keys.
    seen: BTreeMap<i64, Vec<String>>,
    resumed: usize,
}

/// What a load has found, all promises kept.
#[derive(Debug)]
pub struct Report {
    /// Acknowledged writes.
    pub acked: usize,
    /// Writes refused or timed out.
    pub failed: usize,
    /// How often the watcher had to resume.
    pub resumed: usize,
    /// The longest time without any acknowledged write.
    pub longest_gap: Duration,
}

impl Load {
    /// Starts `writers` writers and one watcher on these members.
    pub fn start(endpoints: Vec<String>, writers: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        let load = |shared: &Arc<Shared>| Arc::clone(shared);
        *lock(&shared.endpoints) = endpoints;
        for writer in 0..writers {
            tasks.spawn(load(&shared).write(writer));
        }
        tasks.spawn(load(&shared).watch());
        Self { shared, tasks }
    }

    /// Where clients go from now on.
    pub fn set_endpoints(&self, endpoints: Vec<String>) {
        *lock(&self.shared.endpoints) = endpoints;
    }

    /// The number of writes acknowledged so far.
    pub fn acked(&self) -> usize {
        lock(&self.shared.known).acked.len()
    }

    /// Waits until `more` writes are acknowledged from now on.
    ///
    /// # Errors
    /// When they are not for long.
    pub async fn wait_acked(&self, more: usize) -> Result<()> {
        let (wanted, end) = (self.acked() + more, Instant::now() + LAST_LOOK);
        while self.acked() < wanted {
            ensure!(Instant::now() < end, "no writes are acknowledged any more");
            sleep(PACE).await;
        }
        Ok(())
    }

    /// The longest time without an acknowledged write since `from`.
    pub fn gap_since(&self, from: Instant) -> Duration {
        longest_gap(&lock(&self.shared.known).times, from)
    }

    /// Ends the load, compares what was acknowledged and seen with what is there.
    ///
    /// # Errors
    /// When an acknowledged write is lost, or a watch skipped or repeated a revision.
    pub async fn stop(mut self) -> Result<Report> {
        let began = lock(&self.shared.known).times.first().copied();
        self.shared.is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        let known = lock(&self.shared.known);
        ensure!(!known.acked.is_empty(), "a load that wrote nothing has tested nothing");
        let began = began.context("acknowledged writes have times")?;
        Ok(Report {
            acked: known.acked.len(),
            failed: known.failed,
            resumed: known.resumed,
            longest_gap: longest_gap(&known.times, began),
        })
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// A client of the `turn`th member, as members are now.
    fn client(&self, turn: usize) -> Result<Client> {
        let endpoints = lock(&self.endpoints);
        let endpoint = &endpoints[turn % endpoints.len()];
        Ok(Client::new(endpoint)?.within(PATIENCE))
    }

    async fn write(self: Arc<Self>, writer: usize) -> Result<()> {
        let mut turn = writer;
        let mut client = self.client(turn)?;
        for n in 0_u64.. {
            if self.is_over() {
                break;
            }
            let key = format!("{PREFIX}{writer}/{n:08}");
            match client.put(&key, "x").await {
                Ok(revision) => {
                    let mut known = lock(&self.known);
                    known.times.push(Instant::now());
                    ensure!(known.acked.insert(key, revision).is_none(), "a key written twice");
                }
                Err(_) => {
                    lock(&self.known).failed += 1;
                    turn += 1;
                    client = self.client(turn)?;
                    sleep(AFTER_ERROR).await;
                }
            }
            sleep(PACE).await;
        }
        Ok(())
    }

    async fn watch(self: Arc<Self>) -> Result<()> {
        let mut next_revision = 1;
        for turn in 0.. {
            if self.is_over() {
                return self.last_look(next_revision, turn).await;
            }
            let client = self.client(turn)?;
            self.watch_once(&client, &mut next_revision, None).await?;
            lock(&self.known).resumed += 1;
            sleep(AFTER_ERROR).await;
        }
        Ok(())
    }

    /// Watches on one member until it fails, is silent, or `until` is shown.
    async fn watch_once(&self, client: &Client, next: &mut i64, until: Option<i64>) -> Result<()> {
        let create = WatchCreateRequest {
            key: PREFIX.into(),
            range_end: prefix_end(PREFIX),
            start_revision: *next,
            ..Default::default()
        };
        let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        // What follows a lost leader is told by the server; then the watch goes elsewhere.
        let rpc = client.rpc.needing_leader();
        let opened = timeout(WATCH_PATIENCE, rpc.duplex("/etcdserverpb.Watch/Watch", &create));
        let Ok(Ok(mut stream)) = opened.await else { return Ok(()) };
        while until.is_none_or(|until| *next <= until) {
            let answer = timeout(WATCH_PATIENCE, stream.next::<WatchResponse>()).await;
            let Ok(Ok(Some(answer))) = answer else { return Ok(()) };
            if answer.canceled {
                ensure!(answer.compact_revision == 0, "nobody compacts: {answer:?}");
                return Ok(());
            }
            self.note(answer, next)?;
            if until.is_none() && self.is_over() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn note(&self, answer: WatchResponse, next: &mut i64) -> Result<()> {
        let mut known = lock(&self.known);
        let from = *next;
        for event in answer.events {
            let kv = event.kv.context("an event without its key")?;
            ensure!(kv.mod_revision >= from, "{} again, from {from}", kv.mod_revision);
            ensure!(kv.mod_revision + 1 >= *next, "out of order: {} after {next}", kv.mod_revision);
            let key = String::from_utf8(kv.key.to_vec())?;
            known.seen.entry(kv.mod_revision).or_default().push(key);
            *next = kv.mod_revision + 1;
        }
        Ok(())
    }

    /// Everything that is there was seen, once; everything acknowledged is there.
    async fn last_look(&self, mut next: i64, turns: usize) -> Result<()> {
        let end = Instant::now() + LAST_LOOK;
        // A write that timed out may still be on its way.
        sleep(PATIENCE).await;
        let mut turn = turns;
        let there = loop {
            match self.client(turn)?.within(LAST_LOOK).list(PREFIX).await {
                Ok(there) => break there,
                Err(refusal) if Instant::now() > end => bail!("cannot look: {refusal}"),
                Err(_) => turn += 1,
            }
            sleep(AFTER_ERROR).await;
        };
        let last = there.kvs.iter().map(|kv| kv.mod_revision).max().unwrap_or(0);
        while next <= last {
            ensure!(Instant::now() < end, "the watch stays behind: {next} of {last}");
            self.watch_once(&self.client(turn)?, &mut next, Some(last)).await?;
            turn += 1;
        }
        let known = lock(&self.known);
        let mut found = BTreeMap::new();
        for kv in &there.kvs {
            let key = String::from_utf8(kv.key.to_vec())?;
            ensure!(kv.version == 1, "{key} was written {} times", kv.version);
            let seen = known.seen.get(&kv.mod_revision);
            let once = seen.is_some_and(|keys| *keys == [key.clone()]);
            ensure!(once, "{key} at {} was watched as {seen:?}", kv.mod_revision);
            found.insert(key, kv.mod_revision);
        }
        ensure!(known.seen.len() == found.len(), "watched what is not there");
        for (key, revision) in &known.acked {
            let there = found.get(key);
            ensure!(there == Some(revision), "{key} acknowledged at {revision}, is at {there:?}");
        }
        Ok(())
    }
}

fn longest_gap(times: &[Instant], from: Instant) -> Duration {
    let since = times.iter().filter(|at| **at >= from);
    let (mut last, mut longest) = (from, Duration::ZERO);
    for at in since {
        longest = longest.max(at.duration_since(last));
        last = *at;
    }
    longest
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().map_err(|_| anyhow!("poisoned")).expect("a task that panics ends the test anyhow")
}
