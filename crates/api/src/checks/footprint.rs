//! Which keys one list of operations writes, to refuse a key written twice.
//!
//! The two branches of a nested transaction exclude each other, so both may put the same key;
//! against everything outside they count together. Deletes of nested transactions are held
//! against the puts around them, not against puts of earlier siblings: etcd's rule, which we
//! keep. A range delete "from this key on" overlaps nothing, as in etcd.

use std::collections::{BTreeMap, HashSet};

use ketch_base::Code;
use ketch_proto::etcdserverpb::request_op::Request as Op;
use ketch_proto::etcdserverpb::{DeleteRangeRequest, RequestOp, TxnRequest};

/// Refuses a list that writes a key twice.
pub(super) fn check(ops: &[RequestOp]) -> Result<(), Code> {
    match ops {
        // One plain operation cannot meet itself; most transactions end here.
        [] => Ok(()),
        [only] if !matches!(only.request, Some(Op::RequestTxn(_))) => Ok(()),
        _ => of(ops).map(drop),
    }
}

/// Keys put, and key spans deleted.
#[derive(Default)]
struct Footprint<'a> {
    puts: HashSet<&'a [u8]>,
    deletes: Spans<'a>,
}

fn of(ops: &[RequestOp]) -> Result<Footprint<'_>, Code> {
    let mut seen = Footprint::default();
    for op in ops {
        if let Some(Op::RequestDeleteRange(delete)) = &op.request {
            seen.deletes.add(delete);
        }
    }
    for op in ops {
        if let Some(Op::RequestTxn(nested)) = &op.request {
            seen.include(nested)?;
        }
    }
    for op in ops {
        if let Some(Op::RequestPut(put)) = &op.request {
            seen.put(&put.key)?;
        }
    }
    Ok(seen)
}

impl<'a> Footprint<'a> {
    fn put(&mut self, key: &'a [u8]) -> Result<(), Code> {
        if self.deletes.contains(key) || !self.puts.insert(key) {
            return Err(Code::DuplicateKey);
        }
        Ok(())
    }

    fn include(&mut self, nested: &'a TxnRequest) -> Result<(), Code> {
        let success = of(&nested.success)?;
        let failure = of(&nested.failure)?;
        for key in &success.puts {
            self.put(key)?;
        }
        for key in failure.puts.difference(&success.puts) {
            self.put(key)?;
        }
        self.deletes.merge(success.deletes);
        self.deletes.merge(failure.deletes);
        Ok(())
    }
}

/// A set of single keys and of disjoint half-open spans.
#[derive(Default)]
struct Spans<'a> {
    points: HashSet<&'a [u8]>,
    /// Start to exclusive end.
    spans: BTreeMap<&'a [u8], &'a [u8]>,
}

impl<'a> Spans<'a> {
    fn add(&mut self, delete: &'a DeleteRangeRequest) {
        if delete.range_end.is_empty() {
            self.points.insert(&delete.key);
        } else {
            self.add_span(&delete.key, &delete.range_end);
        }
    }

    /// Adds a span, joining those it touches; an empty one adds nothing.
    fn add_span(&mut self, mut start: &'a [u8], mut end: &'a [u8]) {
        if start >= end {
            return;
        }
        while let Some((&other_start, &other_end)) = self.spans.range(..=end).next_back() {
            if other_end < start {
                break;
            }
            self.spans.remove(other_start);
            start = start.min(other_start);
            end = end.max(other_end);
        }
        self.spans.insert(start, end);
    }

    fn merge(&mut self, other: Self) {
        self.points.extend(other.points);
        for (start, end) in other.spans {
            self.add_span(start, end);
        }
    }

    fn contains(&self, key: &[u8]) -> bool {
        self.points.contains(key)
            || self
                .spans
                .range::<[u8], _>((std::ops::Bound::Unbounded, std::ops::Bound::Included(key)))
                .next_back()
                .is_some_and(|(_, end)| key < *end)
    }
}
