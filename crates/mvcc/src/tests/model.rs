//! The naive twin: a list of all rows, and the rules as the reference tells them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ketch_base::{Code, KeyRange, Revision, RevisionKey};
use ketch_proto::etcdserverpb::RangeRequest;
use ketch_proto::mvccpb::KeyValue;
use prost::Message;

#[derive(Default)]
pub(super) struct Model {
    /// Of a tombstone, only the key is set.
    rows: BTreeMap<RevisionKey, KeyValue>,
    pub(super) revision: i64,
    pub(super) compacted: i64,
    /// Hashes at compactions: asked revision, hash, compacted revision it is over.
    pub(super) cached: Vec<(i64, u32, i64)>,
}

/// Changes of one transaction.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Put { key: Bytes, value: Bytes, lease: i64 },
    Delete(KeyRange),
}

pub(super) struct Answer {
    pub(super) rows: Vec<KeyValue>,
    pub(super) more: bool,
    pub(super) count: i64,
}

impl Model {
    pub(super) fn new() -> Self {
        Self { revision: 1, compacted: -1, ..Self::default() }
    }

    /// The rows visible at a revision, by key.
    pub(super) fn seen(&self, at: i64) -> BTreeMap<Bytes, (RevisionKey, KeyValue)> {
        let mut seen = BTreeMap::new();
        for (key, row) in self.rows.iter().filter(|(key, _)| key.revision.main <= at) {
            if key.tombstone {
                seen.remove(&row.key);
            } else {
                seen.insert(row.key.clone(), (*key, row.clone()));
            }
        }
        seen
    }

    pub(super) fn commit(&mut self, changes: &[Change]) {
        let main = self.revision + 1;
        let mut sub = 0;
        for change in changes {
            for (tombstone, row) in self.effect(change, main) {
                let revision = Revision { main, sub };
                self.rows.insert(RevisionKey { revision, tombstone }, row);
                sub += 1;
            }
        }
        self.revision += i64::from(sub > 0);
    }

    fn effect(&self, change: &Change, main: i64) -> Vec<(bool, KeyValue)> {
        let seen = self.seen(main);
        match change {
            Change::Put { key, value, lease } => {
                let before = seen.get(key).map(|(_, row)| (row.create_revision, row.version));
                let (create, version) = before.unwrap_or((main, 0));
                let row = KeyValue {
                    key: key.clone(),
                    create_revision: create,
                    mod_revision: main,
                    version: version + 1,
                    value: value.clone(),
                    lease: *lease,
                };
                vec![(false, row)]
            }
            Change::Delete(range) => {
                let keys = seen.into_keys().filter(|key| range.contains(key));
                keys.map(|key| (true, KeyValue { key, ..KeyValue::default() })).collect()
            }
        }
    }

    pub(super) fn check(&self, asked: i64) -> Result<i64, Code> {
        match asked {
            _ if asked > self.revision => Err(Code::FutureRev),
            _ if asked <= 0 => Ok(self.revision),
            _ if asked < self.compacted => Err(Code::Compacted),
            _ => Ok(asked),
        }
    }

    pub(super) fn range(&self, request: &RangeRequest) -> Result<Answer, Code> {
        let at = self.check(request.revision)?;
        let range = KeyRange::new(request.key.clone(), request.range_end.clone());
        let seen = self.seen(at).into_values().map(|(_, row)| row);
        let mut rows: Vec<KeyValue> = seen.filter(|row| range.contains(&row.key)).collect();
        let count = rows.len() as i64;
        if request.count_only {
            return Ok(Answer { rows: Vec::new(), more: false, count });
        }
        let within = |low, high, value| (low == 0 || value >= low) && (high == 0 || value <= high);
        rows.retain(|row| {
            within(request.min_mod_revision, request.max_mod_revision, row.mod_revision)
                && within(
                    request.min_create_revision,
                    request.max_create_revision,
                    row.create_revision,
                )
        });
        let limit = usize::try_from(request.limit).ok().filter(|limit| *limit > 0);
        let bounds = [
            request.min_mod_revision,
            request.max_mod_revision,
            request.min_create_revision,
            request.max_create_revision,
        ];
        if request.sort_order == 0 && bounds == [0; 4] {
            rows.truncate(limit.map_or(usize::MAX, |limit| limit.saturating_add(1)));
        }
        sort(request, &mut rows);
        let more = limit.is_some_and(|limit| rows.len() > limit);
        rows.truncate(limit.unwrap_or(usize::MAX));
        if request.keys_only {
            let by_value = request.sort_target == 4;
            rows.iter_mut().for_each(|row| row.value.clear());
            rows.iter_mut().filter(|_| !by_value).for_each(|row| row.lease = 0);
        }
        Ok(Answer { rows, more, count })
    }

    /// Everything at once: the hash is stored, the rows go.
    pub(super) fn compact(&mut self, at: i64) {
        let keep = self.keep(at, true);
        let hash = self.hash_with(at, self.compacted, &keep);
        self.cached.push((at, hash, self.compacted));
        self.rows.retain(|key, _| key.revision.main > at || keep.contains(&key.revision));
        self.compacted = at;
    }

    pub(super) fn hash(&self, asked: i64) -> Result<(u32, i64), Code> {
        if let Some((_, hash, compacted)) = self.cached.iter().find(|cached| cached.0 == asked) {
            return Ok((*hash, *compacted));
        }
        let at = self.check(asked)?;
        Ok((self.hash_with(at, self.compacted, &self.keep(at, false)), self.compacted))
    }

    fn keep(&self, at: i64, tombstones: bool) -> BTreeSet<Revision> {
        let mut keep: BTreeSet<_> = self.seen(at).values().map(|(key, _)| key.revision).collect();
        let stones = self.rows.keys().filter(|key| key.tombstone && key.revision.main == at);
        keep.extend(stones.filter(|_| tombstones).map(|key| key.revision));
        keep
    }

    fn hash_with(&self, at: i64, compacted: i64, keep: &BTreeSet<Revision>) -> u32 {
        let mut crc = crc32c::crc32c(b"key");
        for (key, row) in &self.rows {
            let main = key.revision.main;
            let forgotten = main <= compacted && !keep.is_empty() && !keep.contains(&key.revision);
            if main > at || forgotten || main == compacted && key.tombstone {
                continue;
            }
            crc = crc32c::crc32c_append(crc, key.encode(&mut [0; 18]));
            crc = crc32c::crc32c_append(crc, &row.encode_to_vec());
        }
        crc
    }

    /// The leases of the keys that live now.
    pub(super) fn leased(&self) -> BTreeSet<(Bytes, i64)> {
        let rows = self.seen(self.revision).into_values().map(|(_, row)| (row.key, row.lease));
        rows.filter(|(_, lease)| *lease != 0).collect()
    }
}

fn sort(request: &RangeRequest, rows: &mut [KeyValue]) {
    let descending = request.sort_order == 2;
    rows.sort_by(|a, b| {
        let order = match request.sort_target {
            0 => a.key.cmp(&b.key),
            1 => a.version.cmp(&b.version),
            2 => a.create_revision.cmp(&b.create_revision),
            3 => a.mod_revision.cmp(&b.mod_revision),
            _ => a.value.cmp(&b.value),
        };
        if descending { order.reverse() } else { order }
    });
}
