//! What writers know of their own writes, and what a store must look like because of it.
//!
//! A writer's n-th write is one transaction of three puts: the pair `pair/<w>/a` and
//! `pair/<w>/b`, both overwritten with n, and `log/<w>/<n>`, a key of its own. So a store
//! says of each write whether it is there, whole, and at which revision.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::{
    PutRequest, RangeRequest, RangeResponse, RequestOp, TxnRequest, TxnResponse,
};
use ketch_proto::mvccpb::KeyValue;
use ketch_tests::rpc::Rpc;

const PAIR_VALUE_BYTES: usize = 12 * 1024;

/// One writer's memory.
#[derive(Debug, Default, Clone)]
pub(crate) struct Writer {
    /// Its number.
    pub(crate) id: usize,
    /// The number of its last write, acknowledged or not; 0 before the first.
    pub(crate) last: u64,
    /// Writes known to be there, with their revisions.
    pub(crate) present: BTreeMap<u64, i64>,
    /// Everything below is checked against the store.
    checked: u64,
}

impl Writer {
    /// A writer that has written nothing.
    pub(crate) fn new(id: usize) -> Self {
        Self { id, ..Self::default() }
    }

    /// Writes until a write is not acknowledged.
    pub(crate) async fn write_until_lost(mut self, rpc: Rpc) -> Self {
        loop {
            self.last += 1;
            let sent: Result<TxnResponse, _> = rpc.call("/etcdserverpb.KV/Txn", &self.txn()).await;
            let Ok(answer) = sent else { return self };
            if let Some(header) = answer.header {
                self.present.insert(self.last, header.revision);
            }
        }
    }

    /// Compares the store with this memory and adopts the one write whose fate was unknown.
    ///
    /// # Errors
    /// When an acknowledged write is missing or changed, or an unacknowledged one is there in
    /// part or more than once.
    pub(crate) async fn check(&mut self, rpc: &Rpc) -> Result<()> {
        let found = self.list(rpc, self.checked).await?;
        let newest = found.last_key_value().map(|(n, revision)| (*n, *revision));
        for (n, revision) in self.present.range(self.checked..) {
            let there = found.get(n);
            ensure!(
                there == Some(revision),
                "writer {}: write {n} acknowledged at {revision}, found at {there:?}",
                self.id
            );
        }
        for (n, revision) in found {
            let known = self.present.insert(n, revision).is_some();
            ensure!(known || n == self.last, "writer {}: write {n} appeared late", self.id);
        }
        self.check_pair(rpc, newest).await?;
        self.checked = self.last;
        Ok(())
    }

    /// Compares every write of the whole run.
    ///
    /// # Errors
    /// As `check`.
    pub(crate) async fn check_all(&mut self, rpc: &Rpc) -> Result<()> {
        let found = self.list(rpc, 0).await?;
        ensure!(found == self.present, "writer {}: the log differs at the end", self.id);
        Ok(())
    }

    /// Both halves of the pair must be of the newest write, at its revision.
    async fn check_pair(&self, rpc: &Rpc, newest: Option<(u64, i64)>) -> Result<()> {
        let newest = newest.or(self.present.last_key_value().map(|(n, at)| (*n, *at)));
        let kvs = range(rpc, &format!("pair/{}/", self.id), &format!("pair/{}0", self.id)).await?;
        let Some((n, revision)) = newest else {
            ensure!(kvs.is_empty(), "writer {}: a pair without a write", self.id);
            return Ok(());
        };
        let right = pair_value(n);
        let whole =
            kvs.len() == 2 && kvs.iter().all(|kv| kv.value == right && kv.mod_revision == revision);
        let found = kvs.iter().map(|kv| {
            let number = String::from_utf8_lossy(&kv.value).trim_end().to_owned();
            format!("{number} at {} in {} bytes", kv.mod_revision, kv.value.len())
        });
        let found: Vec<String> = found.collect();
        ensure!(whole, "writer {}: write {n} at {revision}, the pair {found:?}", self.id);
        Ok(())
    }

    /// The writes in the store from number `from` on, with their revisions.
    async fn list(&self, rpc: &Rpc, from: u64) -> Result<BTreeMap<u64, i64>> {
        let (start, end) = (log_key(self.id, from), format!("log/{}0", self.id));
        let mut all = BTreeMap::new();
        for kv in range(rpc, &start, &end).await? {
            let text = String::from_utf8(kv.value.to_vec())?;
            let n: u64 = text.parse().context("a log value is its number")?;
            ensure!(kv.key == log_key(self.id, n), "{kv:?} under another's key");
            ensure!(kv.version == 1, "write {n} happened {} times", kv.version);
            all.insert(n, kv.mod_revision);
        }
        Ok(all)
    }

    fn txn(&self) -> TxnRequest {
        let put = |key: String, value: String| {
            let (key, value) = (key.into(), value.into());
            let put = PutRequest { key, value, ..Default::default() };
            RequestOp { request: Some(Request::RequestPut(put)) }
        };
        let success = vec![
            put(format!("pair/{}/a", self.id), pair_value(self.last)),
            put(format!("pair/{}/b", self.id), pair_value(self.last)),
            put(log_key(self.id, self.last), self.last.to_string()),
        ];
        TxnRequest { success, ..Default::default() }
    }
}

/// The number, and enough behind it that a run goes through several segments of the log.
fn pair_value(n: u64) -> String {
    format!("{n:<width$}", width = PAIR_VALUE_BYTES)
}

fn log_key(writer: usize, n: u64) -> String {
    format!("log/{writer}/{n:010}")
}

async fn range(rpc: &Rpc, key: &str, end: &str) -> Result<Vec<KeyValue>> {
    let (key, range_end) = (key.to_owned().into(), end.to_owned().into());
    let ask = RangeRequest { key, range_end, ..Default::default() };
    let got: Result<RangeResponse, _> = rpc.call("/etcdserverpb.KV/Range", &ask).await;
    Ok(got.map_err(|refusal| anyhow::anyhow!("listing: {refusal:?}"))?.kvs)
}
