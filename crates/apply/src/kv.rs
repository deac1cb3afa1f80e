//! Single operations on keys, alone or within a transaction.

use std::mem;

use bytes::Bytes;
use ketch_backend::Batch;
use ketch_base::{Code, KeyRange, LeaseId};
use ketch_lease::Lessor;
use ketch_mvcc::{Error, KeyState, WriteTxn};
use ketch_proto::etcdserverpb as pb;
use ketch_proto::mvccpb::KeyValue;

use crate::answer::Answer;
use crate::look::{Look, pairs};
use crate::machine::{Handled, Machine, Outcome};

impl Machine {
    pub(crate) fn range(&mut self, request: &pb::RangeRequest) -> Handled {
        let answer = range(&self.store.write(), request)?;
        Ok(Ok(Answer::Range(answer)).into())
    }

    pub(crate) fn put(&mut self, request: pb::PutRequest, batch: &mut Batch) -> Handled {
        let mut txn = self.store.write();
        check_put(&txn, &self.lessor, &request)?;
        let answer = put(&mut txn, &self.lessor, &request)?;
        Ok(Outcome::committed(Answer::Put(answer), txn.commit(mem::take(batch))))
    }

    pub(crate) fn delete_range(
        &mut self,
        request: &pb::DeleteRangeRequest,
        batch: &mut Batch,
    ) -> Handled {
        let mut txn = self.store.write();
        let answer = delete_range(&mut txn, &self.lessor, request)?;
        Ok(Outcome::committed(Answer::DeleteRange(answer), txn.commit(mem::take(batch))))
    }

    pub(crate) fn compact(
        &mut self,
        request: &pb::CompactionRequest,
        batch: &mut Batch,
    ) -> Result<Answer, Code> {
        self.store.compact(request.revision, batch)?;
        let header = header(self.store.revision());
        Ok(Answer::Compaction(pb::CompactionResponse { header }))
    }
}

/// A header as the machine makes it: the edge knows the rest.
pub(crate) fn header(revision: i64) -> Option<pb::ResponseHeader> {
    Some(pb::ResponseHeader { revision, ..pb::ResponseHeader::default() })
}

pub(crate) fn range(
    look: &impl Look,
    request: &pb::RangeRequest,
) -> Result<pb::RangeResponse, Error> {
    let answer = look.range(request)?;
    Ok(pb::RangeResponse {
        header: header(answer.revision),
        kvs: pairs(answer.rows)?,
        more: answer.more,
        count: answer.count,
    })
}

/// What a put may be refused for.
pub(crate) fn check_put(
    look: &impl Look,
    lessor: &Lessor,
    request: &pb::PutRequest,
) -> Result<(), Error> {
    if request.lease != 0 && !lessor.exists(LeaseId(request.lease)) {
        return Err(Code::LeaseNotFound.into());
    }
    let keeps = request.ignore_value || request.ignore_lease;
    if keeps && look.current(&request.key)?.is_none() {
        return Err(Code::KeyNotFound.into());
    }
    Ok(())
}

/// Makes a put that was checked.
pub(crate) fn put(
    txn: &mut WriteTxn<'_>,
    lessor: &Lessor,
    request: &pb::PutRequest,
) -> Result<pb::PutResponse, Error> {
    let wants_previous = request.prev_kv || request.ignore_value || request.ignore_lease;
    let previous = match wants_previous.then(|| txn.current(&request.key)).flatten() {
        Some(state) => Some(txn.pair(state)?),
        None => None,
    };
    let kept = previous.as_ref();
    let kept_value = || kept.map_or_else(Bytes::new, |pair| pair.value.clone());
    let value = if request.ignore_value { kept_value() } else { request.value.clone() };
    let lease = if request.ignore_lease { kept.map_or(0, |p| p.lease) } else { request.lease };
    txn.put(request.key.clone(), value, lease);
    lessor.attach(&request.key, LeaseId(lease));
    Ok(pb::PutResponse {
        header: header(txn.revision()),
        prev_kv: previous.filter(|_| request.prev_kv),
    })
}

pub(crate) fn delete_range(
    txn: &mut WriteTxn<'_>,
    lessor: &Lessor,
    request: &pb::DeleteRangeRequest,
) -> Result<pb::DeleteRangeResponse, Error> {
    let range = KeyRange::new(request.key.clone(), request.range_end.clone());
    let deleted = txn.delete_range(&range);
    for (key, _) in &deleted {
        lessor.detach(key);
    }
    let prev_kvs = if request.prev_kv { previous(txn, &deleted)? } else { Vec::new() };
    Ok(pb::DeleteRangeResponse {
        header: header(txn.revision()),
        deleted: i64::try_from(deleted.len()).unwrap_or(i64::MAX),
        prev_kvs,
    })
}

fn previous(txn: &WriteTxn<'_>, deleted: &[(Bytes, KeyState)]) -> Result<Vec<KeyValue>, Error> {
    deleted.iter().map(|(_, state)| txn.pair(*state)).collect()
}
