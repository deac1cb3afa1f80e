//! kill -9 at random moments under load, many times on one data directory.
//!
//! After every crash: each acknowledged write is there, at its revision; each other one is
//! there whole or not at all; no revision is given twice; the hash of an older revision is
//! what it was; a watch over everything resumes and has shown each revision exactly once.
//!
//! `KETCH_KILLS` sets the number, `KETCH_SEED` the moments (not the interleaving).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DefragmentRequest, DefragmentResponse, HashKvRequest,
    HashKvResponse, WatchCreateRequest, WatchRequest, WatchResponse,
};
use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::Rpc;
use ketch_tests::seed::{self, Rng};
use tokio::task::JoinSet;

use crate::history::Writer;

const HASH_KV: &str = "/etcdserverpb.Maintenance/HashKV";
const KILLS: usize = 50;
const WRITERS: usize = 8;
const LONGEST_LIFE_MS: i64 = 300;
/// A kill this often falls into the start instead of the load.
const EARLY_KILL_PERCENT: u64 = 20;
const RECLAIM_PERCENT: u64 = 30;
const COMPACT_EVERY: usize = 10;
/// Fewer acknowledged writes than this per kill and the test has tested nothing.
const WRITES_PER_KILL: usize = 5;

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_kill_9() -> Result<()> {
    let program = Program::under_test();
    if program == Program::Etcd && peers::find("etcd").is_none() {
        return Ok(());
    }
    let seed = seed::from_env("nothing_acknowledged_is_lost_by_kill_9");
    let kills = seed::count_from_env("KETCH_KILLS", KILLS);
    let mut run = Run {
        member: Member::prepare(program, Options::default())?,
        rng: Rng::new(seed),
        writers: (0..WRITERS).map(Writer::new).collect(),
        watched: Watched::default(),
        hash: None,
        compacted: 0,
    };
    for kill in 1..=kills {
        run.one_life(kill).await.with_context(|| format!("kill {kill}, KETCH_SEED={seed}"))?;
    }
    run.last_life().await.with_context(|| format!("the end, KETCH_SEED={seed}"))?;
    let writes: usize = run.writers.iter().map(|writer| writer.present.len()).sum();
    println!("{kills} kills, {writes} writes, {} revisions watched", run.watched.shown.len());
    ensure!(writes >= kills * WRITES_PER_KILL, "{writes} writes over {kills} kills");
    Ok(())
}

struct Run {
    member: Member,
    rng: Rng,
    writers: Vec<Writer>,
    watched: Watched,
    /// The hash of an older revision, not to change.
    hash: Option<HashKvResponse>,
    /// The last acknowledged compaction.
    compacted: i64,
}

/// What a watch over all keys has shown, over all its resumptions.
#[derive(Default)]
struct Watched {
    /// Keys by revision.
    shown: BTreeMap<i64, Vec<String>>,
}

impl Run {
    /// Start, check what the last life left, load, kill.
    async fn one_life(&mut self, kill: usize) -> Result<()> {
        while self.rng.percent(EARLY_KILL_PERCENT) {
            self.member.spawn()?;
            let moment = self.rng.between(0, 60) as u64;
            tokio::time::sleep(Duration::from_millis(moment)).await;
            self.member.kill();
        }
        self.member.restart()?;
        let rpc = Rpc::connect(&self.member.endpoint()).await?;
        self.check(&rpc).await?;
        if kill.is_multiple_of(COMPACT_EVERY) {
            self.compact(&rpc).await?;
        }
        let mut load = JoinSet::new();
        for writer in self.writers.drain(..) {
            load.spawn(writer.write_until_lost(rpc.clone()));
        }
        let watched = std::mem::take(&mut self.watched);
        let watch = tokio::spawn(watched.until_lost(rpc.clone()));
        if self.rng.percent(RECLAIM_PERCENT) {
            // Killed in the middle of it, more often than not.
            let rpc = rpc.clone();
            tokio::spawn(async move {
                let ask = DefragmentRequest {};
                let _: Result<DefragmentResponse, _> =
                    rpc.call("/etcdserverpb.Maintenance/Defragment", &ask).await;
            });
        }
        let life = self.rng.between(1, LONGEST_LIFE_MS) as u64;
        tokio::time::sleep(Duration::from_millis(life)).await;
        self.member.kill();
        self.writers = load.join_all().await;
        self.watched = watch.await??;
        Ok(())
    }

    /// One more start, a stop in good order, a start again: all still there.
    async fn last_life(&mut self) -> Result<()> {
        self.member.restart()?;
        let rpc = Rpc::connect(&self.member.endpoint()).await?;
        self.check(&rpc).await?;
        let status = self.member.terminate()?;
        println!("SIGTERM: {status}");
        self.member.restart()?;
        let rpc = Rpc::connect(&self.member.endpoint()).await?;
        for writer in &mut self.writers {
            writer.check_all(&rpc).await?;
        }
        let newest = hash_at(&rpc, 0).await?.hash_revision;
        self.watched.catch_up(&rpc, newest).await?;
        self.watched.check(&self.writers)
    }

    async fn check(&mut self, rpc: &Rpc) -> Result<()> {
        if let Some(old) = &self.hash {
            let now = hash_at(rpc, old.hash_revision).await?;
            // Asked for by the compacted revision itself, etcd tells the hash of before that.
            let comparable = now.compact_revision == old.compact_revision;
            ensure!(!comparable || now.hash == old.hash, "hash changed: {old:?}, now {now:?}");
        }
        if self.compacted > 1 {
            let ask = HashKvRequest { revision: self.compacted - 1 };
            let old: Result<HashKvResponse, _> = rpc.call(HASH_KV, &ask).await;
            let lost = "the compaction is lost, though it was acknowledged";
            ensure!(old.is_err_and(|refusal| refusal.message.contains("compacted")), "{lost}");
        }
        for writer in &mut self.writers {
            writer.check(rpc).await?;
        }
        self.hash = Some(hash_at(rpc, 0).await?);
        Ok(())
    }

    /// Compacts what the watch has passed; the kept hash changes with it.
    async fn compact(&mut self, rpc: &Rpc) -> Result<()> {
        let Some((revision, _)) = self.watched.shown.last_key_value() else { return Ok(()) };
        let ask = CompactionRequest { revision: *revision, physical: true };
        let done: Result<CompactionResponse, _> = rpc.call("/etcdserverpb.KV/Compact", &ask).await;
        done.map_err(|refusal| anyhow!("compacting {revision}: {refusal:?}"))?;
        self.compacted = *revision;
        self.hash = Some(hash_at(rpc, 0).await?);
        Ok(())
    }
}

impl Watched {
    /// Watches on from what was shown until the connection is lost.
    async fn until_lost(mut self, rpc: Rpc) -> Result<Self> {
        if let Ok(mut stream) = rpc.duplex("/etcdserverpb.Watch/Watch", &self.resume()).await {
            while let Ok(Some(answer)) = stream.next::<WatchResponse>().await {
                self.take(answer)?;
            }
        }
        Ok(self)
    }

    /// Watches on until `revision` is shown.
    async fn catch_up(&mut self, rpc: &Rpc, revision: i64) -> Result<()> {
        let opened = rpc.duplex("/etcdserverpb.Watch/Watch", &self.resume()).await;
        let mut stream = opened.map_err(|refusal| anyhow!("watch: {refusal:?}"))?;
        while self.next_revision() <= revision {
            let answer = stream.next::<WatchResponse>().await;
            let answer = answer.map_err(|refusal| anyhow!("watch: {refusal:?}"))?;
            self.take(answer.context("the watch stream ended")?)?;
        }
        Ok(())
    }

    fn resume(&self) -> WatchRequest {
        let create = WatchCreateRequest {
            key: vec![0].into(),
            range_end: vec![0].into(),
            start_revision: self.next_revision(),
            ..Default::default()
        };
        WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
    }

    fn next_revision(&self) -> i64 {
        // The store's first write makes revision 2.
        self.shown.last_key_value().map_or(2, |(revision, _)| revision + 1)
    }

    fn take(&mut self, answer: WatchResponse) -> Result<()> {
        ensure!(!answer.canceled, "the watch was cancelled: {answer:?}");
        let from = self.next_revision();
        for event in answer.events {
            let kv = event.kv.context("an event without kv")?;
            let newest = self.next_revision() - 1;
            let follows = kv.mod_revision == newest + 1 || kv.mod_revision == newest;
            ensure!(follows && kv.mod_revision >= from, "{kv:?} after revision {newest}");
            let key = String::from_utf8(kv.key.to_vec())?;
            self.shown.entry(kv.mod_revision).or_default().push(key);
        }
        Ok(())
    }

    /// Every write was shown once, whole; nothing else was.
    fn check(&self, writers: &[Writer]) -> Result<()> {
        let mut left = self.shown.clone();
        for writer in writers {
            for (n, revision) in &writer.present {
                let keys = left.remove(revision).with_context(|| {
                    format!("write {n} of {} at {revision}: not watched, or given twice", writer.id)
                })?;
                let own = |key: &&String| key.split('/').nth(1) == Some(&writer.id.to_string());
                let whole = keys.len() == 3 && keys.iter().filter(own).count() == 3;
                ensure!(whole, "write {n} of {} at {revision} was shown as {keys:?}", writer.id);
            }
        }
        ensure!(left.is_empty(), "watched, but of no write: {left:?}");
        Ok(())
    }
}

async fn hash_at(rpc: &Rpc, revision: i64) -> Result<HashKvResponse> {
    let ask = HashKvRequest { revision };
    let answer = rpc.call(HASH_KV, &ask).await;
    answer.map_err(|refusal| anyhow!("HashKV at {revision}: {refusal:?}"))
}
