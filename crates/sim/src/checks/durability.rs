//! Durability: every write that was answered stands in the history that every member keeps at the
//! end, with what it wrote; and that history has no holes.

use std::collections::BTreeMap;

use bytes::Bytes;
use ketch_base::{KeyRange, MemberId};
use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::response_op::Response;
use ketch_proto::etcdserverpb::{DeleteRangeRequest, PutRequest, TxnRequest, TxnResponse};

use super::answer::{revision, wrote};
use super::book::{Book, Change};
use super::{Check, Violation, broken};
use crate::fact::{Call, CallId, Fact, Moment, Outcome};

const NAME: &str = "durability";

/// What must stand at one revision.
#[derive(Default)]
struct Written {
    call: u64,
    /// Keys with their values; `None` where the write kept the value that was there.
    puts: Vec<(Bytes, Option<Bytes>)>,
    /// Ranges, with how many of their keys went.
    deletes: Vec<(KeyRange, i64)>,
}

#[derive(Default)]
pub(super) struct Durability {
    open: BTreeMap<CallId, Call>,
    written: BTreeMap<i64, Written>,
    kept: BTreeMap<MemberId, (i64, Book)>,
    rest: BTreeMap<MemberId, i64>,
    last: Moment,
}

impl Written {
    fn put(&mut self, request: &PutRequest) {
        let value = (!request.ignore_value).then(|| request.value.clone());
        self.puts.push((request.key.clone(), value));
    }

    fn delete(&mut self, request: &DeleteRangeRequest, deleted: i64) {
        let range = KeyRange::new(request.key.clone(), request.range_end.clone());
        self.deletes.push((range, deleted));
    }

    fn txn(&mut self, request: &TxnRequest, answer: &TxnResponse) {
        let ops = if answer.succeeded { &request.success } else { &request.failure };
        for (op, answer) in ops.iter().zip(&answer.responses) {
            match (&op.request, &answer.response) {
                (Some(Request::RequestPut(put)), _) => self.put(put),
                (
                    Some(Request::RequestDeleteRange(delete)),
                    Some(Response::ResponseDeleteRange(answer)),
                ) => self.delete(delete, answer.deleted),
                (Some(Request::RequestTxn(txn)), Some(Response::ResponseTxn(answer))) => {
                    self.txn(txn, answer);
                }
                _ => {}
            }
        }
    }

    fn stands_in(&self, book: &Book, revision: i64) -> Result<(), String> {
        for (key, value) in &self.puts {
            let found = book.at(key, revision).filter(|change| change.is_put);
            let Some(found) = found else { return Err(format!("put of {key:?} is lost")) };
            if value.as_ref().is_some_and(|value| *value != found.kv.value) {
                return Err(format!("put of {key:?} has become {:?}", found.kv.value));
            }
        }
        let gone: Vec<&Change> = book.of_revision(revision).filter(|c| !c.is_put).collect();
        for (range, count) in &self.deletes {
            let found = gone.iter().filter(|change| range.contains(&change.kv.key)).count();
            if found as i64 != *count {
                return Err(format!("{count} deletions in {range:?} have become {found}"));
            }
        }
        let total = self.puts.len() as i64 + self.deletes.iter().map(|(_, n)| n).sum::<i64>();
        let stands = book.of_revision(revision).count() as i64;
        if stands != total {
            return Err(format!("{total} changes have become {stands}"));
        }
        Ok(())
    }
}

impl Durability {
    fn returned(&mut self, call: CallId, outcome: &Outcome) -> Result<(), String> {
        let Some(request) = self.open.remove(&call) else { return Ok(()) };
        let Some(revision) = revision(outcome).filter(|_| wrote(outcome)) else { return Ok(()) };
        let mut written = Written { call: call.0, ..Written::default() };
        match (&request, outcome) {
            (Call::Put(request), _) => written.put(request),
            (Call::DeleteRange(request), Outcome::DeleteRange(answer)) => {
                written.delete(request, answer.deleted);
            }
            (Call::Txn(request), Outcome::Txn(answer)) => written.txn(request, answer),
            _ => return Ok(()),
        }
        match self.written.insert(revision, written) {
            Some(other) => {
                let (one, other) = (call.0, other.call);
                Err(format!("calls {other} and {one} both wrote revision {revision}"))
            }
            None => Ok(()),
        }
    }

    fn judge(&self, member: MemberId, compacted: i64, book: &Book) -> Result<u64, String> {
        let newest = self.rest.get(&member).copied().unwrap_or_else(|| book.newest());
        let hole = (compacted + 1..=newest)
            .filter(|revision| *revision > 1)
            .find(|revision| book.of_revision(*revision).next().is_none());
        if let Some(hole) = hole {
            return Err(format!("{member} keeps nothing of revision {hole} (newest {newest})"));
        }
        let mut found = 0;
        for (revision, written) in self.written.range(compacted + 1..) {
            written.stands_in(book, *revision).map_err(|what| {
                format!("{member} at revision {revision} (call {}): {what}", written.call)
            })?;
            found += 1;
        }
        Ok(found)
    }
}

impl Check for Durability {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        self.last = at;
        match fact {
            Fact::Called { call, what, .. } => {
                self.open.insert(*call, what.clone());
            }
            Fact::Returned { call, outcome } => {
                self.returned(*call, outcome).map_err(|what| broken(NAME, at, what))?;
            }
            Fact::AtRest { member, revision, .. } => {
                self.rest.insert(*member, *revision);
            }
            Fact::Kept { member, compacted, events } => {
                let mut book = Book::default();
                for change in events.iter().filter_map(Change::of) {
                    book.add(change).map_err(|what| broken(NAME, at, what))?;
                }
                self.kept.insert(*member, (*compacted, book));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        let mut found = 0;
        for (member, (compacted, book)) in &self.kept {
            let judged = self.judge(*member, *compacted, book);
            found += judged.map_err(|what| broken(NAME, self.last, what))?;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::made::{
        called, delete_event, kept, kv, put, put_event, put_ok, rest, returned,
    };
    use crate::checks::made::{delete, delete_ok};
    use crate::checks::trial;

    fn run(facts: Vec<Fact>) -> Result<u64, String> {
        trial(Box::new(Durability::default()), facts)
    }

    /// A put at 2, a put at 3, a deletion of both at 4.
    fn start() -> Vec<Fact> {
        vec![
            called(1, 1, put("a", "x")),
            returned(1, put_ok(2)),
            called(2, 1, put("b", "y")),
            returned(2, put_ok(3)),
            called(3, 1, delete("a", "c")),
            returned(3, delete_ok(4, 2)),
            rest(1, 4),
        ]
    }

    #[test]
    fn what_was_answered_is_kept() {
        let events = [
            put_event(kv("a", "x", 2)),
            put_event(kv("b", "y", 3)),
            delete_event("a", 4),
            delete_event("b", 4),
        ];
        let all = start().into_iter().chain([kept(1, 0, &events), kept(2, 2, &events[1..])]);
        assert_eq!(run(all.collect()), Ok(5));
    }

    #[test]
    fn fires() {
        let (a, b) = (put_event(kv("a", "x", 2)), put_event(kv("b", "y", 3)));
        let (da, db) = (delete_event("a", 4), delete_event("b", 4));
        let wrong = put_event(kv("b", "z", 3));
        let more = put_event(kv("c", "z", 3));
        let cases = [
            ("nothing of revision 4", vec![a.clone(), b.clone()]),
            ("nothing of revision 2", vec![b.clone(), da.clone(), db.clone()]),
            ("have become 1", vec![a.clone(), b.clone(), da.clone()]),
            ("has become", vec![a.clone(), wrong, da.clone(), db.clone()]),
            ("1 changes have become 2", vec![a.clone(), b, more, da.clone(), db.clone()]),
            ("is lost", vec![a, delete_event("b", 3), da, db]),
        ];
        for (expected, events) in cases {
            let facts = start().into_iter().chain([kept(1, 0, &events)]).collect();
            let found = run(facts).expect_err(expected);
            assert!(found.contains(expected), "{found}");
        }
        let twice = vec![called(8, 1, put("a", "x")), returned(8, put_ok(3))];
        assert!(run(start().into_iter().chain(twice).collect()).is_err());
    }
}
