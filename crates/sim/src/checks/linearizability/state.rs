//! A store that can go back: the model of etcd's key space, one state at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use ketch_base::KeyRange;
use ketch_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use ketch_proto::etcdserverpb::{PutRequest, RangeRequest, RangeResponse};
use ketch_proto::mvccpb::KeyValue;

/// The keys as they are, and how to undo what made them so.
#[derive(Default)]
pub(super) struct State {
    live: BTreeMap<Bytes, KeyValue>,
    undo: Vec<(Bytes, Option<KeyValue>)>,
}

/// A point to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(usize);

impl State {
    /// A store that holds these already.
    pub(super) fn holding(kvs: &[KeyValue]) -> Self {
        let live = kvs.iter().map(|kv| (kv.key.clone(), kv.clone())).collect();
        Self { live, undo: Vec::new() }
    }

    /// Here and now.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.undo.len())
    }

    /// Undoes everything since a mark.
    pub(super) fn back_to(&mut self, mark: Mark) {
        while self.undo.len() > mark.0 {
            match self.undo.pop() {
                Some((key, Some(kv))) => _ = self.live.insert(key, kv),
                Some((key, None)) => _ = self.live.remove(&key),
                None => return,
            }
        }
    }

    /// The keys written since a mark.
    pub(super) fn touched(&self, since: Mark) -> impl Iterator<Item = &Bytes> {
        self.undo[since.0..].iter().map(|(key, _)| key)
    }

    /// What a key is.
    pub(super) fn get(&self, key: &[u8]) -> Option<&KeyValue> {
        self.live.get(key)
    }

    /// The leases that have keys.
    pub(super) fn leases(&self) -> BTreeSet<i64> {
        self.live.values().map(|kv| kv.lease).filter(|lease| *lease != 0).collect()
    }

    /// A number for the state; equal for equal states.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.live.hash(&mut hasher);
        hasher.finish()
    }

    fn write(&mut self, key: Bytes, kv: Option<KeyValue>) -> Option<KeyValue> {
        let before = match kv {
            Some(kv) => self.live.insert(key.clone(), kv),
            None => self.live.remove(&key),
        };
        self.undo.push((key, before.clone()));
        before
    }

    /// Puts; gives what was there before. `Err` if the request needs a key that is not there.
    pub(super) fn put(&mut self, put: &PutRequest, at: i64) -> Result<Option<KeyValue>, String> {
        let before = self.live.get(&put.key);
        if before.is_none() && (put.ignore_value || put.ignore_lease) {
            return Err(format!("{:?} is not there to be kept", put.key));
        }
        let kept = before.cloned().unwrap_or_default();
        let kv = KeyValue {
            key: put.key.clone(),
            create_revision: if before.is_some() { kept.create_revision } else { at },
            mod_revision: at,
            version: kept.version + 1,
            value: if put.ignore_value { kept.value } else { put.value.clone() },
            lease: if put.ignore_lease { kept.lease } else { put.lease },
        };
        Ok(self.write(put.key.clone(), Some(kv)))
    }

    /// Deletes; gives what was there, in order.
    pub(super) fn delete(&mut self, range: &KeyRange) -> Vec<KeyValue> {
        self.delete_where(|kv| range.contains(&kv.key))
    }

    /// Deletes the keys of a lease.
    pub(super) fn revoke(&mut self, lease: i64) -> Vec<KeyValue> {
        self.delete_where(|kv| kv.lease == lease)
    }

    fn delete_where(&mut self, goes: impl Fn(&KeyValue) -> bool) -> Vec<KeyValue> {
        let gone: Vec<KeyValue> = self.live.values().filter(|kv| goes(kv)).cloned().collect();
        for kv in &gone {
            self.write(kv.key.clone(), None);
        }
        gone
    }

    /// The keys of a range.
    pub(super) fn within(&self, range: &KeyRange) -> impl Iterator<Item = &KeyValue> {
        self.live.values().filter(move |kv| range.contains(&kv.key))
    }

    /// What etcd would answer from this state; without a header.
    pub(super) fn range(&self, request: &RangeRequest) -> RangeResponse {
        let range = KeyRange::new(request.key.clone(), request.range_end.clone());
        let mut kvs: Vec<KeyValue> = self.within(&range).cloned().collect();
        let count = kvs.len() as i64;
        if request.count_only {
            return RangeResponse { count, ..RangeResponse::default() };
        }
        let most = |bound: i64| if bound == 0 { i64::MAX } else { bound };
        kvs.retain(|kv| {
            let changed = request.min_mod_revision..=most(request.max_mod_revision);
            let created = request.min_create_revision..=most(request.max_create_revision);
            changed.contains(&kv.mod_revision) && created.contains(&kv.create_revision)
        });
        sort(&mut kvs, request);
        let limit = usize::try_from(request.limit).unwrap_or(0);
        let more = limit > 0 && kvs.len() > limit;
        if more {
            kvs.truncate(limit);
        }
        if request.keys_only {
            kvs.iter_mut().for_each(|kv| kv.value.clear());
        }
        RangeResponse { header: None, kvs, more, count }
    }
}

fn sort(kvs: &mut [KeyValue], request: &RangeRequest) {
    let descends = request.sort_order() == SortOrder::Descend;
    match request.sort_target() {
        SortTarget::Key => {}
        SortTarget::Version => kvs.sort_by_key(|kv| kv.version),
        SortTarget::Create => kvs.sort_by_key(|kv| kv.create_revision),
        SortTarget::Mod => kvs.sort_by_key(|kv| kv.mod_revision),
        SortTarget::Value => kvs.sort_by(|a, b| a.value.cmp(&b.value)),
    }
    if descends {
        kvs.reverse();
    }
}
