//! Serializable reads: a member that answers from its own state shows the history as it stood at
//! the revision it names. It may be behind; it may not mix, skip or invent.

use std::collections::BTreeMap;

use ketch_base::KeyRange;
use ketch_proto::etcdserverpb::{RangeRequest, RangeResponse};
use ketch_proto::mvccpb::KeyValue;

use super::book::{Book, Change};
use super::{Check, Violation, broken};
use crate::fact::{Call, CallId, Fact, Moment, Outcome};

const NAME: &str = "serializable reads";

#[derive(Default)]
pub(super) struct Serializable {
    open: BTreeMap<CallId, RangeRequest>,
    reads: Vec<(Moment, CallId, RangeRequest, RangeResponse)>,
    book: Book,
    /// From after which revision on the book is complete.
    compacted: Option<i64>,
}

impl Serializable {
    fn judge(&self, request: &RangeRequest, answer: &RangeResponse) -> Result<u64, String> {
        let header = answer.header.as_ref().map_or(0, |header| header.revision);
        let revision = if request.revision > 0 { request.revision } else { header };
        let mut compared = 0;
        for kv in &answer.kvs {
            compared += self.judge_kv(request, kv, revision)?;
        }
        let filtered = request.min_mod_revision
            | request.max_mod_revision
            | request.min_create_revision
            | request.max_create_revision;
        if request.count_only || answer.more || filtered != 0 {
            return Ok(compared);
        }
        let range = KeyRange::new(request.key.clone(), request.range_end.clone());
        for key in self.book.keys(&range) {
            let Some(known) = self.book.last(key, revision) else { continue };
            let told = answer.kvs.iter().any(|kv| kv.key == *key);
            // Of what was compacted since, a later deletion may not be in the book.
            let sure = self.compacted.is_some_and(|c| known.kv.mod_revision > c);
            if known.is_put && !told && sure {
                return Err(format!(
                    "at {revision} {key:?} is missing, put at {}",
                    known.kv.mod_revision
                ));
            }
            compared += 1;
        }
        if answer.count != answer.kvs.len() as i64 {
            return Err(format!("{} keys told, {} counted", answer.kvs.len(), answer.count));
        }
        Ok(compared)
    }

    fn judge_kv(&self, request: &RangeRequest, kv: &KeyValue, at: i64) -> Result<u64, String> {
        if kv.mod_revision > at {
            return Err(format!("{:?} of {} told at {at}", kv.key, kv.mod_revision));
        }
        let Some(known) = self.book.last(&kv.key, at) else {
            return match self.compacted.is_some_and(|compacted| kv.mod_revision > compacted) {
                true => Err(format!("at {at} told of {kv:?}, which never was")),
                false => Ok(0),
            };
        };
        if known.kv.mod_revision < kv.mod_revision
            && self.compacted.is_none_or(|c| kv.mod_revision <= c)
        {
            return Ok(0);
        }
        let mut expected = known.kv.clone();
        if request.keys_only {
            expected.value.clear();
        }
        match known.is_put && expected == *kv {
            true => Ok(1),
            false => Err(format!("at {at} told of {kv:?}, there was {known:?}")),
        }
    }
}

impl Check for Serializable {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        let events = match fact {
            Fact::Called { call, what: Call::Range(request), .. } if request.serializable => {
                self.open.insert(*call, request.clone());
                return Ok(());
            }
            Fact::Returned { call, outcome } => {
                let request = self.open.remove(call);
                if let (Some(request), Outcome::Range(answer)) = (request, outcome) {
                    self.reads.push((at, *call, request, answer.clone()));
                }
                return Ok(());
            }
            Fact::Watched { events, .. } => events,
            Fact::Kept { compacted, events, .. } => {
                let known = self.compacted.unwrap_or(*compacted);
                self.compacted = Some(known.min(*compacted));
                events
            }
            _ => return Ok(()),
        };
        for change in events.iter().filter_map(Change::of) {
            self.book.add(change).map_err(|what| broken(NAME, at, what))?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        let mut compared = 0;
        for (at, call, request, answer) in &self.reads {
            let judged = self.judge(request, answer);
            compared +=
                judged.map_err(|what| broken(NAME, *at, format!("call {}: {what}", call.0)))?;
        }
        Ok(compared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::made::{
        called, delete_event, get_local, kept, kv, put_event, range_ok, returned,
    };
    use crate::checks::trial;

    fn run(answer: Outcome) -> Result<u64, String> {
        let events = [put_event(kv("a", "x", 2)), delete_event("a", 3), put_event(kv("a", "y", 4))];
        let facts = vec![called(1, 1, get_local("a")), returned(1, answer), kept(1, 1, &events)];
        trial(Box::new(Serializable::default()), facts)
    }

    #[test]
    fn any_state_of_the_past_passes() {
        assert_eq!(run(range_ok(1, &[])), Ok(0));
        assert_eq!(run(range_ok(2, &[kv("a", "x", 2)])), Ok(2));
        assert_eq!(run(range_ok(3, &[])), Ok(1));
        assert_eq!(run(range_ok(5, &[kv("a", "y", 4)])), Ok(2));
    }

    #[test]
    fn fires() {
        let cases = [
            ("is missing", range_ok(2, &[])),
            ("told at 3", range_ok(3, &[kv("a", "y", 4)])),
            ("there was", range_ok(3, &[kv("a", "x", 2)])),
            ("there was", range_ok(4, &[kv("a", "z", 4)])),
            ("there was", range_ok(5, &[kv("a", "y", 5)])),
            ("never was", range_ok(5, &[kv("a", "y", 4), kv("b", "q", 5)])),
        ];
        for (expected, answer) in cases {
            let found = run(answer).expect_err(expected);
            assert!(found.contains(expected), "{found}");
        }
    }
}
