//! Calls on keys: unique values, registers that are compared and set, ranges.

use bytes::Bytes;
use ketch_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::{
    CompactionRequest, Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};

use crate::fact::Call;
use crate::world::World;

/// The end of the range of all shared keys.
pub(crate) const PREFIX: &[u8] = b"k/";
pub(crate) const PREFIX_END: &[u8] = b"k0";

impl World {
    /// A shared key.
    pub(crate) fn some_key(&mut self) -> Bytes {
        let number = self.rng.below(self.plan.keys);
        Bytes::from(format!("k/{number:02}"))
    }

    /// A value that nobody else writes.
    pub(crate) fn new_value(&mut self) -> Bytes {
        let number = self.next_value;
        self.next_value += 1;
        let filler = if self.rng.once_in(30) { 3_000 } else { self.rng.below(60) as usize };
        Bytes::from(format!("v{number}-{}", "x".repeat(filler)))
    }

    pub(crate) fn writers_wish(&mut self, client: usize) -> Call {
        match self.rng.below(100) {
            0..=29 => Call::Put(self.put()),
            30..=49 => self.get(false, 0),
            50..=55 => self.get(true, 0),
            56..=57 => self.get_of_the_past(client),
            58..=63 => self.list(),
            64..=76 => Call::Txn(self.compare_and_set()),
            77..=80 => self.nested(),
            81..=87 => self.write_two(),
            88..=89 => self.read_two(),
            90..=95 => {
                let key = self.some_key();
                Call::DeleteRange(DeleteRangeRequest { key, prev_kv: true, ..Default::default() })
            }
            _ => self.delete_some(),
        }
    }

    fn put(&mut self) -> PutRequest {
        let (key, value) = (self.some_key(), self.new_value());
        let prev_kv = self.rng.once_in(4);
        PutRequest { key, value, prev_kv, ..Default::default() }
    }

    fn get(&mut self, serializable: bool, revision: i64) -> Call {
        let key = self.some_key();
        Call::Range(RangeRequest { key, serializable, revision, ..Default::default() })
    }

    /// As it was a while ago, for all the client knows.
    fn get_of_the_past(&mut self, client: usize) -> Call {
        let revision = (self.clients[client].revision - self.rng.below(10) as i64).max(0);
        let serializable = self.rng.once_in(2);
        self.get(serializable, revision)
    }

    /// All shared keys.
    fn list(&mut self) -> Call {
        let serializable = self.rng.once_in(4);
        Call::Range(RangeRequest {
            key: Bytes::from_static(PREFIX),
            range_end: Bytes::from_static(PREFIX_END),
            serializable,
            ..Default::default()
        })
    }

    /// Sets a key if it is as some client has seen it, and reads it otherwise.
    fn compare_and_set(&mut self) -> TxnRequest {
        let key = self.some_key();
        let revision = self.last_seen(&key);
        let value = self.new_value();
        let put = PutRequest { key: key.clone(), value, ..Default::default() };
        let get = RangeRequest { key: key.clone(), ..Default::default() };
        TxnRequest {
            compare: vec![Compare {
                result: CompareResult::Equal as i32,
                target: CompareTarget::Mod as i32,
                key,
                range_end: Bytes::new(),
                target_union: Some(TargetUnion::ModRevision(revision)),
            }],
            success: vec![op(Request::RequestPut(put))],
            failure: vec![op(Request::RequestRange(get))],
        }
    }

    /// A transaction in a transaction.
    fn nested(&mut self) -> Call {
        let inner = self.compare_and_set();
        let success = vec![op(Request::RequestTxn(inner))];
        Call::Txn(TxnRequest { success, ..Default::default() })
    }

    /// Two keys in one revision.
    fn write_two(&mut self) -> Call {
        let one = self.put();
        let mut two = self.put();
        if one.key == two.key {
            two.key = Bytes::from_static(b"k/zz");
        }
        let puts = [one, two].map(|put| op(Request::RequestPut(put)));
        Call::Txn(TxnRequest { success: puts.to_vec(), ..Default::default() })
    }

    fn read_two(&mut self) -> Call {
        let keys = [self.some_key(), self.some_key()];
        let gets =
            keys.map(|key| op(Request::RequestRange(RangeRequest { key, ..Default::default() })));
        Call::Txn(TxnRequest { success: gets.to_vec(), ..Default::default() })
    }

    fn delete_some(&mut self) -> Call {
        let (key, range_end) = (self.some_key(), self.some_key());
        if key < range_end {
            return Call::DeleteRange(DeleteRangeRequest { key, range_end, prev_kv: true });
        }
        Call::DeleteRange(DeleteRangeRequest { key, ..Default::default() })
    }

    /// A client compacts to somewhere behind what it has seen.
    pub(crate) fn compactors_wish(&mut self, client: usize) -> Option<Call> {
        let newest = self.clients.iter().map(|client| client.revision).max().unwrap_or(0);
        self.clients[client].revision = newest;
        let revision = newest - self.rng.below(30) as i64;
        let physical = false;
        (revision > 1).then_some(Call::Compact(CompactionRequest { revision, physical }))
    }

    /// The modification revision of a key as somebody may have read it just now: mostly right.
    fn last_seen(&mut self, key: &[u8]) -> i64 {
        let Some(slot) = self.someone() else { return 0 };
        let Some(life) = &self.seats[slot].life else { return 0 };
        life.reader.current(key).map_or(0, |state| state.revision.main)
    }
}

fn op(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}
