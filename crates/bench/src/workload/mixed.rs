//! The trace of a Kubernetes control plane: mostly updates, some reads, lists and keep-alives.

use std::time::Instant;

use ketch_proto::etcdserverpb::{DeleteRangeRequest, LeaseKeepAliveRequest, RangeRequest};
use prost::Message;

use super::txn::{Creates, Updates};
use super::{Random, Request, Work, block, key};
use crate::connection::Answer;
use crate::wire;

/// Rows of a list.
const LIST_ROWS: i64 = 500;
/// Where the tag holds the kind of the call.
const KIND_SHIFT: u32 = 56;

const UPDATE: u64 = 0;
const READ: u64 = 1;
const CREATE: u64 = 2;
const DELETE: u64 = 3;
const LIST: u64 = 4;
const KEEP_ALIVE: u64 = 5;

/// 60 % updates, 15 % linearizable reads, 10 % creates, 5 % deletes, 5 % lists of 500, 5 %
/// keep-alives of one lease.
pub(crate) struct Mixed {
    blocks: Vec<Vec<u8>>,
    keys: u64,
    lease: i64,
    random: Random,
    updates: Updates,
    creates: Creates,
    deleted: u64,
}

impl Mixed {
    /// Over keys that are there, with the mod revisions they have.
    pub(crate) fn new(value_bytes: usize, seen: Vec<i64>, lease: i64) -> Self {
        let methods = ["KV/Txn", "KV/Range", "KV/DeleteRange", "Lease/LeaseKeepAlive"];
        let keys = seen.len() as u64;
        Self {
            blocks: methods.map(|method| block(method, None)).into(),
            keys,
            lease,
            random: Random::new(43),
            updates: Updates::new(value_bytes, seen),
            creates: Creates::starting(value_bytes, keys),
            deleted: keys,
        }
    }

    /// Values begin with the time since `epoch`.
    pub(crate) fn stamped(mut self, epoch: Instant) -> Self {
        self.updates.stamp(epoch);
        self.creates.stamp(epoch);
        self
    }

    fn read(&mut self, request: &mut Request) {
        request.tag = self.random.below(self.keys);
        let key = key(request.tag).to_vec().into();
        encode(request, 1, &RangeRequest { key, ..Default::default() });
    }

    fn delete(&mut self, request: &mut Request) {
        let key = key(self.deleted).to_vec().into();
        self.deleted += 1;
        encode(request, 2, &DeleteRangeRequest { key, ..Default::default() });
    }
}

fn encode(request: &mut Request, block: usize, message: &impl Message) {
    request.block = block;
    request.message.clear();
    // A Vec grows.
    let _ = message.encode(&mut request.message);
}

impl Work for Mixed {
    fn blocks(&self) -> &[Vec<u8>] {
        &self.blocks
    }

    fn next(&mut self, request: &mut Request) {
        request.block = 0;
        request.tag = 0;
        let kind = match self.random.below(20) {
            0..12 => {
                self.updates.next(request);
                UPDATE
            }
            12..15 => {
                self.read(request);
                READ
            }
            15..17 => {
                self.creates.next(request);
                CREATE
            }
            17 if self.deleted < self.creates.made() => {
                self.delete(request);
                DELETE
            }
            18 => {
                let from = key(self.random.draw());
                let (key, range_end) = (from.to_vec().into(), vec![0].into());
                let list = RangeRequest { key, range_end, limit: LIST_ROWS, ..Default::default() };
                encode(request, 1, &list);
                LIST
            }
            _ => {
                encode(request, 3, &LeaseKeepAliveRequest { id: self.lease });
                KEEP_ALIVE
            }
        };
        request.tag |= kind << KIND_SHIFT;
    }

    fn check(&mut self, answer: &Answer<'_>) -> bool {
        let kind = answer.tag >> KIND_SHIFT & 0xf;
        let plain = Answer { tag: answer.tag & !(0xf << KIND_SHIFT), ..*answer };
        match kind {
            UPDATE => self.updates.check(&plain),
            CREATE => self.creates.check(&plain),
            KEEP_ALIVE => wire::number(answer.message, 3) > 0,
            _ => wire::header_revision(answer.message) > 0,
        }
    }
}
