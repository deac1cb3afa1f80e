//! Random operations, weighted so that keys collide, ranges overlap and errors happen.
//!
//! The generator keeps no model of the store: the oracle answers. It only remembers the
//! revisions the oracle has shown, so that "the past", "compacted" and "the future" are drawn.

use bytes::Bytes;
use ketch_proto::etcdserverpb::compare::TargetUnion;
use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{
    CompactionRequest, Compare, DeleteRangeRequest, HashKvRequest, LeaseGrantRequest,
    LeaseKeepAliveRequest, LeaseLeasesRequest, LeaseRevokeRequest, LeaseTimeToLiveRequest,
    MemberListRequest, PutRequest, RangeRequest, RequestOp, StatusRequest, TxnRequest,
    WatchCancelRequest, WatchCreateRequest, WatchRequest,
};

use crate::op::{GENERATED_LEASE, Op};
use crate::seed::Rng;

/// Keys that are prefixes of each other, neighbours, and at both ends of the order. With the
/// anchor's they are twelve: up to that Go's sort keeps the order of equals, beyond it a range
/// sorted by a value several keys share comes in an order that is nobody's contract.
const KEYS: &[&[u8]] =
    &[b"a", b"a\0", b"a/1", b"a/20", b"b", b"b/1", b"c", b"k1", b"\0", b"\xff", b"\xff\xff"];
/// Chosen leases: few, so that grants collide and revokes hit.
const LEASES: i64 = 8;
/// Longer than any run, so that none expires by itself.
const TTL_S: i64 = 100_000;
/// The last stream takes the watches that begin in the future, the others those in the past.
const STREAMS: u64 = 3;
/// Watches one stream may be asked for; beyond it creates turn into cancels.
const WATCH_IDS: i64 = 24;
/// Chosen watch ids, away from the server's: when a compacted watch frees its id is a race.
const CHOSEN_ID: i64 = 1000;
const NESTING: u32 = 2;

/// The source of random steps.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    revision: i64,
    compacted: i64,
    generated: i64,
    creates: [i64; STREAMS as usize],
    /// etcd 3.7.1 panics on a put that ignores the value or lease of a key which the same txn
    /// has deleted by a from-key range (it misses that overlap): a txn has one or the other.
    deletes_in_txn: bool,
}

impl Generator {
    /// The steps of one seed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            revision: 1,
            compacted: 0,
            generated: 0,
            creates: [0; STREAMS as usize],
            deletes_in_txn: false,
        }
    }

    /// How many watch streams the steps use.
    pub fn streams() -> usize {
        STREAMS as usize
    }

    /// Tells the revision the oracle has reached.
    pub fn saw(&mut self, revision: i64) {
        self.revision = revision;
    }

    /// Tells that all watches are gone.
    pub fn lost_watches(&mut self) {
        self.creates = Default::default();
    }

    /// The next step.
    pub fn step(&mut self) -> Op {
        match self.rng.below(1000) {
            0..300 => Op::call("KV/Put", &self.put()),
            300..520 => Op::call("KV/Range", &self.range()),
            520..560 => Op::call("KV/RangeStream", &self.range_stream()),
            560..770 => {
                self.deletes_in_txn = self.rng.percent(60);
                Op::call("KV/Txn", &self.txn(0))
            }
            770..840 => Op::call("KV/DeleteRange", &self.delete()),
            840..920 => self.lease(),
            920..970 => self.watch(),
            970..985 => Op::call("Maintenance/HashKV", &HashKvRequest { revision: self.at() }),
            985..990 => self.compact(),
            990..992 => Op::call("Cluster/MemberList", &MemberListRequest { linearizable: true }),
            992..994 => Op::call("Maintenance/Status", &StatusRequest {}),
            _ => Op::Barrier,
        }
    }

    fn put(&mut self) -> PutRequest {
        let ignore_value = self.rng.percent(5);
        let ignore_lease = self.rng.percent(5);
        let keeps_rules = self.rng.percent(80);
        PutRequest {
            key: self.key(),
            value: if ignore_value && keeps_rules { Bytes::new() } else { self.value() },
            lease: if ignore_lease && keeps_rules { 0 } else { self.some_lease() },
            prev_kv: self.rng.percent(30),
            ignore_value,
            ignore_lease,
        }
    }

    fn put_in_txn(&mut self) -> PutRequest {
        let put = self.put();
        match self.deletes_in_txn {
            true => PutRequest { ignore_value: false, ignore_lease: false, ..put },
            false => put,
        }
    }

    fn range(&mut self) -> RangeRequest {
        let key = self.key();
        RangeRequest {
            range_end: self.range_end(&key),
            key,
            limit: if self.rng.percent(30) { self.rng.between(-1, 5) } else { 0 },
            revision: self.at(),
            sort_order: self.rare_enum(25, 2),
            sort_target: self.rare_enum(25, 4),
            serializable: self.rng.percent(25),
            keys_only: self.rng.percent(15),
            count_only: self.rng.percent(10),
            min_mod_revision: self.bound(),
            max_mod_revision: self.bound(),
            min_create_revision: self.bound(),
            max_create_revision: self.bound(),
        }
    }

    fn range_stream(&mut self) -> RangeRequest {
        let mut range = self.range();
        if range.sort_order == 0 {
            // etcd then sorts each chunk by itself and goes on after its last key.
            range.sort_target = 0;
        }
        range
    }

    fn delete(&mut self) -> DeleteRangeRequest {
        let key = self.key();
        // Wide deletes would keep the store empty.
        let range_end = if self.rng.percent(25) { self.range_end(&key) } else { Bytes::new() };
        DeleteRangeRequest { range_end, key, prev_kv: self.rng.percent(40) }
    }

    fn txn(&mut self, depth: u32) -> TxnRequest {
        let branch = |this: &mut Self| {
            let many = if this.rng.percent(1) { 140 } else { this.rng.below(4) };
            (0..many).map(|_| this.request_op(depth)).collect()
        };
        let compares = self.rng.below(3);
        TxnRequest {
            compare: (0..compares).map(|_| self.compare()).collect(),
            success: branch(self),
            failure: branch(self),
        }
    }

    fn request_op(&mut self, depth: u32) -> RequestOp {
        let request = match self.rng.below(100) {
            0..40 => Some(Request::RequestPut(self.put_in_txn())),
            40..70 => Some(Request::RequestRange(self.range())),
            70..88 if self.deletes_in_txn => Some(Request::RequestDeleteRange(self.delete())),
            70..99 if depth < NESTING => Some(Request::RequestTxn(self.txn(depth + 1))),
            70..99 => Some(Request::RequestPut(self.put_in_txn())),
            _ => None,
        };
        RequestOp { request }
    }

    fn compare(&mut self) -> Compare {
        let key = self.key();
        let target = self.rng.between(0, 4) as i32;
        let near = self.rng.between(0, self.revision + 1);
        let small = self.rng.between(0, 4);
        let union = match target {
            0 => TargetUnion::Version(small),
            1 => TargetUnion::CreateRevision(near),
            2 => TargetUnion::ModRevision(near),
            3 => TargetUnion::Value(self.value()),
            _ => TargetUnion::Lease(self.rng.between(0, LEASES)),
        };
        let range_end = if self.rng.percent(20) { self.range_end(&key) } else { Bytes::new() };
        Compare {
            result: self.rng.between(0, 3) as i32,
            target,
            key,
            range_end,
            target_union: if self.rng.percent(97) { Some(union) } else { None },
        }
    }

    fn lease(&mut self) -> Op {
        let chosen = self.rng.between(1, LEASES + 1);
        let made = GENERATED_LEASE - self.rng.between(0, self.generated.max(1) - 1);
        let id = if self.generated > 0 && self.rng.percent(20) { made } else { chosen };
        match self.rng.below(100) {
            0..40 => {
                let id = if self.rng.percent(20) { 0 } else { chosen };
                self.generated += i64::from(id == 0);
                Op::call("Lease/LeaseGrant", &LeaseGrantRequest { ttl: TTL_S, id })
            }
            40..58 => Op::call("Lease/LeaseRevoke", &LeaseRevokeRequest { id }),
            58..80 => {
                let keys = self.rng.percent(70);
                Op::call("Lease/LeaseTimeToLive", &LeaseTimeToLiveRequest { id, keys })
            }
            80..90 => Op::call("Lease/LeaseKeepAlive", &LeaseKeepAliveRequest { id }),
            _ => Op::call("Lease/LeaseLeases", &LeaseLeasesRequest {}),
        }
    }

    fn watch(&mut self) -> Op {
        let stream = self.rng.below(STREAMS) as usize;
        let full = self.creates[stream] >= WATCH_IDS;
        let request = if full || self.rng.percent(30) {
            self.creates[stream] -= i64::from(full) * 6;
            let first = *self.rng.pick(&[0, 0, CHOSEN_ID]);
            let watch_id = first + self.rng.between(0, WATCH_IDS);
            RequestUnion::CancelRequest(WatchCancelRequest { watch_id })
        } else {
            self.creates[stream] += 1;
            RequestUnion::CreateRequest(self.watch_create(stream as u64 == STREAMS - 1))
        };
        Op::Watch { stream, ask: WatchRequest { request_union: Some(request) } }
    }

    fn watch_create(&mut self, in_future: bool) -> WatchCreateRequest {
        let key = self.key();
        let past = (self.revision - 30).max(self.compacted - 2);
        let start_revision = match self.rng.below(100) {
            0..40 => 0,
            40..98 if in_future => self.revision + self.rng.between(1, 20),
            40..98 => self.rng.between(past, self.revision),
            _ => -1,
        };
        let filters =
            if self.rng.percent(20) { vec![self.rng.between(0, 1) as i32] } else { vec![] };
        let chosen = start_revision == 0 && self.rng.percent(50);
        WatchCreateRequest {
            range_end: self.range_end(&key),
            key,
            start_revision,
            progress_notify: self.rng.percent(10),
            filters,
            prev_kv: self.rng.percent(40),
            watch_id: if chosen { CHOSEN_ID + self.rng.between(0, WATCH_IDS) } else { 0 },
            fragment: self.rng.percent(20),
        }
    }

    fn compact(&mut self) -> Op {
        let revision = match self.rng.below(10) {
            0 => self.rng.between(-1, self.compacted),
            1 => self.revision + self.rng.between(0, 2),
            _ => self.rng.between(self.compacted, self.revision),
        };
        if revision > self.compacted && revision <= self.revision {
            self.compacted = revision;
        }
        // Otherwise etcd answers first, and when HashKV begins to tell of it is a race.
        Op::call("KV/Compact", &CompactionRequest { revision, physical: true })
    }

    fn key(&mut self) -> Bytes {
        if self.rng.below(200) == 0 {
            return Bytes::new();
        }
        Bytes::from_static(self.rng.pick::<&[u8]>(KEYS))
    }

    fn range_end(&mut self, key: &Bytes) -> Bytes {
        match self.rng.below(100) {
            0..40 => Bytes::new(),
            40..60 => prefix_end(key),
            60..70 => Bytes::from_static(b"\0"),
            70..75 => [key.as_ref(), b"\0"].concat().into(),
            _ => self.key(),
        }
    }

    fn value(&mut self) -> Bytes {
        let length = match self.rng.below(100) {
            0..10 => 0,
            10..70 => 1,
            70..99 => self.rng.below(40),
            _ => 3000,
        };
        let letter = b'0' + self.rng.below(4) as u8;
        vec![letter; length as usize].into()
    }

    fn some_lease(&mut self) -> i64 {
        if self.rng.percent(18) { self.rng.between(1, LEASES) } else { 0 }
    }

    /// Mostly now; else somewhere from the compacted past to the near future.
    fn at(&mut self) -> i64 {
        if self.rng.percent(65) {
            return 0;
        }
        let oldest = (self.compacted - 1).max(-1);
        self.rng.between(oldest, self.revision + 1)
    }

    fn bound(&mut self) -> i64 {
        if self.rng.percent(93) { 0 } else { self.rng.between(0, self.revision + 1) }
    }

    /// 0, or with `percent` one of `0..=last` and sometimes a number past the enum.
    fn rare_enum(&mut self, percent: u64, last: i64) -> i32 {
        if !self.rng.percent(percent) {
            return 0;
        }
        let beyond = i64::from(self.rng.percent(3));
        self.rng.between(0, last + beyond) as i32
    }
}

/// The end of the range of all keys that begin with `prefix`; `\0` when there is no end.
fn prefix_end(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end.into();
        }
    }
    Bytes::from_static(b"\0")
}
