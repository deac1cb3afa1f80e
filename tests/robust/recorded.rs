//! Clients that write down what they asked, when, and what they were told, to be judged by the
//! simulator's own check of linearizability.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use ketch_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
    WatchCreateRequest, WatchRequest, WatchResponse,
};
use ketch_proto::mvccpb::Event;
use ketch_sim::checks::linearizability::History;
use ketch_sim::fact::{Call, Outcome};
use ketch_tests::client::Client;
use ketch_tests::cluster::PATIENCE;
use ketch_tests::seed::Rng;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const KEYS: u64 = 4;
/// Longer than an election: what is not answered by then counts as unknown.
const CALL_LIMIT: Duration = Duration::from_millis(1500);
const PACE_MS: i64 = 12;

/// Clients at work, and what they have written down.
pub(crate) struct Recorded {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
    members: Vec<Client>,
}

struct Shared {
    history: Mutex<History>,
    began: Instant,
    calls: AtomicU64,
    answered: AtomicUsize,
    is_over: AtomicBool,
}

impl Recorded {
    /// Starts `clients` clients, each with a connection to every member.
    pub(crate) fn start(members: Vec<Client>, clients: usize, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            history: Mutex::default(),
            began: Instant::now(),
            calls: AtomicU64::new(0),
            answered: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let members: Vec<Client> = members.iter().map(|one| one.within(CALL_LIMIT)).collect();
        let mut tasks = JoinSet::new();
        let all = members.clone();
        for client in 0..clients {
            let rng = Rng::new(seed.wrapping_add(client as u64));
            tasks.spawn(Arc::clone(&shared).work(client, members.clone(), rng));
        }
        Self { shared, clients: tasks, members: all }
    }

    /// Waits until `more` calls are answered.
    pub(crate) async fn wait_answered(&self, more: usize) -> Result<()> {
        let answered = || self.shared.answered.load(Ordering::Relaxed);
        let (wanted, end) = (answered() + more, Instant::now() + PATIENCE);
        while answered() < wanted {
            ensure!(Instant::now() < end, "nothing is answered any more");
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Ends the clients and judges what they have written down.
    pub(crate) async fn judge(mut self) -> Result<()> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        while self.clients.join_next().await.is_some() {}
        let events = self.all_events().await?;
        let mut history = self.shared.history.lock().map_err(|_| anyhow!("a client panicked"))?;
        let answered = self.shared.answered.load(Ordering::Relaxed);
        println!("{} calls, {answered} answered", history.len());
        ensure!(answered > 100, "too few answers to tell anything");
        // They tell which of the calls without an answer took effect.
        events.iter().for_each(|event| history.observed(event));
        let began = Instant::now();
        history.check().map_err(|why| anyhow!("not linearizable: {why}"))?;
        println!("linearizable, found in {:?}", began.elapsed());
        Ok(())
    }
}

impl Recorded {
    /// Every event of the store's life, by a watch from its first revision on.
    async fn all_events(&self) -> Result<Vec<Event>> {
        let member = self.members[0].within(PATIENCE);
        let last = member.put("last", "").await?;
        let every = Bytes::from_static(&[0]);
        let create = WatchCreateRequest {
            key: every.clone(),
            range_end: every,
            start_revision: 1,
            ..Default::default()
        };
        let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        let mut stream = member.rpc.duplex("/etcdserverpb.Watch/Watch", &create).await?;
        let mut events: Vec<Event> = Vec::new();
        let revision = |event: &Event| event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
        while events.last().is_none_or(|event| revision(event) < last) {
            let answer = timeout(PATIENCE, stream.next::<WatchResponse>()).await??;
            events.extend(answer.context("the watch ended")?.events);
        }
        // The last put is no recorded call.
        events.retain(|event| revision(event) < last);
        Ok(events)
    }
}

impl Shared {
    fn now_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    async fn work(self: Arc<Self>, client: usize, members: Vec<Client>, mut rng: Rng) {
        // What this client last saw under each key, to compare with.
        let mut seen: Vec<i64> = vec![0; KEYS as usize];
        for n in 0_u64.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let key = rng.below(KEYS) as usize;
            let value = format!("{client}/{n}");
            let call = draw(&mut rng, key, &value, seen[key]);
            let member = rng.pick(&members).clone();
            if let Outcome::Range(answer) = self.record(&member, call).await {
                seen[key] = answer.kvs.first().map_or(0, |kv| kv.mod_revision);
            }
            sleep(Duration::from_millis(rng.between(1, PACE_MS) as u64)).await;
        }
    }

    async fn record(&self, member: &Client, call: Call) -> Outcome {
        let id = self.calls.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut history) = self.history.lock() {
            // Under the lock: times ascend as calls are written down.
            history.called(id, self.now_us(), call.clone());
        }
        let outcome = ask(member, &call).await;
        if let Ok(mut history) = self.history.lock() {
            history.returned(id, self.now_us(), outcome.clone());
        }
        if outcome != Outcome::Unknown {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }
}

fn draw(rng: &mut Rng, key: usize, value: &str, seen: i64) -> Call {
    let key = format!("k{key}");
    let put = PutRequest {
        key: key.clone().into(),
        value: value.to_owned().into(),
        ..Default::default()
    };
    match rng.below(10) {
        0..4 => Call::Range(RangeRequest { key: key.into(), ..Default::default() }),
        4..7 => Call::Put(put),
        7..9 => {
            let compare = Compare {
                result: CompareResult::Equal.into(),
                target: CompareTarget::Mod.into(),
                key: key.into(),
                target_union: Some(TargetUnion::ModRevision(seen)),
                ..Default::default()
            };
            let success = vec![RequestOp { request: Some(Request::RequestPut(put)) }];
            Call::Txn(TxnRequest { compare: vec![compare], success, ..Default::default() })
        }
        _ => Call::DeleteRange(DeleteRangeRequest { key: key.into(), ..Default::default() }),
    }
}

/// Any failure counts as unknown: most of them are.
async fn ask(member: &Client, call: &Call) -> Outcome {
    let answer = match call {
        Call::Put(ask) => member.call("KV/Put", ask).await.map(Outcome::Put),
        Call::Range(ask) => member.call("KV/Range", ask).await.map(Outcome::Range),
        Call::Txn(ask) => member.call("KV/Txn", ask).await.map(Outcome::Txn),
        Call::DeleteRange(ask) => {
            member.call("KV/DeleteRange", ask).await.map(Outcome::DeleteRange)
        }
        _ => return Outcome::Unknown,
    };
    answer.unwrap_or(Outcome::Unknown)
}
