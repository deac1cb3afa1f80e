//! Watches: ordered, unique, reliable, atomic, resumable, bookmarkable, and true to what they
//! were asked for.
//!
//! While events come in, each is checked against those before it on the same watch. What a watch
//! must have told in all is known only at the end: every change that any watch told, any member
//! keeps or any put was answered for, if its key and revision are the watch's.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ketch_base::KeyRange;
use ketch_proto::mvccpb::{Event, KeyValue};

use super::book::{Book, Change};
use super::{Check, Violation, broken};
use crate::fact::{Call, CallId, Fact, Moment, Outcome, WatchKey};

const NAME: &str = "watch";

/// One watch of a client, over all its resumptions.
struct Watch {
    range: KeyRange,
    /// Where the running stretch began; `None` for "from now on" until the first word.
    low: Option<i64>,
    /// Up to where it told everything.
    high: i64,
    /// The lowest revision that may still come.
    next: i64,
    /// Stretches that ended: every change in them was told.
    covered: Vec<(i64, i64)>,
    told: BTreeSet<(i64, Bytes)>,
}

#[derive(Default)]
pub(super) struct WatchGuarantees {
    watches: BTreeMap<WatchKey, Watch>,
    book: Book,
    /// What one member keeps, and from after which revision on.
    kept: Option<(i64, Book)>,
    puts: BTreeMap<CallId, Bytes>,
    put_at: BTreeMap<i64, Bytes>,
    /// Earlier versions that came with events: key, revision of the event, what came.
    prev_kvs: Vec<(i64, KeyValue)>,
    last: Moment,
}

impl Watch {
    fn new(range: KeyRange) -> Self {
        let (covered, told) = (Vec::new(), BTreeSet::new());
        Self { range, low: None, high: 0, next: 0, covered, told }
    }

    fn open(&mut self, from: i64) {
        self.close();
        self.low = (from > 0).then_some(from);
        self.high = from - 1;
        self.next = from;
    }

    /// One from now on tells everything after the revision at which it was made.
    fn created(&mut self, revision: i64) -> Result<(), String> {
        if self.low.is_none() {
            self.low = Some(revision + 1);
            self.high = revision;
            self.next = revision + 1;
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some(low) = self.low.take().filter(|low| *low <= self.high) {
            self.covered.push((low, self.high));
        }
    }

    fn response(&mut self, header_revision: i64, events: &[Event]) -> Result<(), String> {
        let mut last = 0;
        for kv in events.iter().filter_map(|event| event.kv.as_ref()) {
            let revision = kv.mod_revision;
            if !self.range.contains(&kv.key) {
                return Err(format!("told of {:?}, not asked for", kv.key));
            }
            if revision < self.next {
                let next = self.next;
                return Err(format!("told of {revision} when {next} was the next that may come"));
            }
            if revision < last {
                return Err(format!("told of {revision} after {last}"));
            }
            let known = !self.told.insert((revision, kv.key.clone()));
            if known && self.covered.iter().all(|(low, high)| revision < *low || revision > *high) {
                return Err(format!("told twice of {:?} at {revision}", kv.key));
            }
            last = revision;
        }
        if header_revision < last {
            return Err(format!("header at {header_revision}, event at {last}"));
        }
        let first = events.iter().filter_map(|event| event.kv.as_ref()).next();
        let Some(first) = first else { return Ok(()) };
        self.low.get_or_insert(first.mod_revision);
        self.high = self.high.max(last);
        self.next = self.next.max(last + 1);
        Ok(())
    }

    fn progress(&mut self, revision: i64) -> Result<(), String> {
        let started = self.low.is_none_or(|low| self.high >= low);
        if started && revision < self.high {
            return Err(format!("progress at {revision} after {}", self.high));
        }
        self.low.get_or_insert(revision + 1);
        self.high = self.high.max(revision);
        self.next = self.next.max(revision + 1);
        Ok(())
    }
}

impl WatchGuarantees {
    fn event(&mut self, event: &Event) -> Result<(), String> {
        let Some(change) = Change::of(event) else { return Err("event without a key".into()) };
        let kv = &change.kv;
        let created = kv.create_revision == kv.mod_revision;
        if change.is_put && (kv.version < 1 || created != (kv.version == 1)) {
            return Err(format!("impossible versions: {kv:?}"));
        }
        if let Some(prev) = &event.prev_kv {
            let follows =
                prev.create_revision == kv.create_revision && prev.version + 1 == kv.version;
            if change.is_put && !follows || prev.mod_revision >= kv.mod_revision {
                return Err(format!("{kv:?} does not follow {prev:?}"));
            }
            self.prev_kvs.push((kv.mod_revision, prev.clone()));
        }
        self.book.add(change)
    }

    fn on(
        &mut self,
        watch: WatchKey,
        act: impl FnOnce(&mut Watch) -> Result<(), String>,
    ) -> Result<(), String> {
        match self.watches.get_mut(&watch) {
            Some(known) => act(known).map_err(|what| format!("watch {}: {what}", watch.0)),
            None => Err(format!("watch {} was never opened", watch.0)),
        }
    }

    fn take(&mut self, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Watching { watch, key, range_end, from, .. } => {
                let range = KeyRange::new(key.clone(), range_end.clone());
                self.watches.entry(*watch).or_insert_with(|| Watch::new(range)).open(*from);
            }
            Fact::WatchCreated { watch, revision } => {
                self.on(*watch, |known| known.created(*revision))?;
            }
            Fact::Watched { watch, header_revision, events } => {
                self.on(*watch, |known| known.response(*header_revision, events))?;
                for event in events {
                    self.event(event).map_err(|what| format!("watch {}: {what}", watch.0))?;
                }
            }
            Fact::WatchProgress { watch, revision } => {
                self.on(*watch, |known| known.progress(*revision))?;
            }
            Fact::WatchCanceled { watch, compact_revision } => self.on(*watch, |known| {
                let needless = *compact_revision > 0 && known.next >= *compact_revision;
                known.close();
                match needless {
                    true => Err(format!("canceled at {} by {compact_revision}", known.next)),
                    false => Ok(()),
                }
            })?,
            Fact::WatchAtRest { watch, revision } => self.on(*watch, |known| {
                known.high = known.high.max(*revision);
                known.close();
                Ok(())
            })?,
            Fact::Kept { compacted, events, .. } => self.keep(*compacted, events)?,
            Fact::Called { call, what: Call::Put(request), .. } => {
                self.puts.insert(*call, request.key.clone());
            }
            Fact::Returned { call, outcome: Outcome::Put(answer) } => {
                let revision = answer.header.as_ref().map(|header| header.revision);
                self.put_at.extend(revision.zip(self.puts.remove(call)));
            }
            _ => {}
        }
        Ok(())
    }

    fn keep(&mut self, compacted: i64, events: &[Event]) -> Result<(), String> {
        let mut kept = Book::default();
        for change in events.iter().filter_map(Change::of) {
            self.book.add(change.clone())?;
            kept.add(change)?;
        }
        self.kept.get_or_insert((compacted, kept));
        Ok(())
    }

    /// Every change that the watch's stretches hold was told, and nothing that never was.
    fn judge(&self, watch: &Watch) -> Result<u64, String> {
        let mut found = 0;
        for &(low, high) in &watch.covered {
            let changes = self.book.span(&watch.range, low, high);
            let changes = changes.map(|change| (change.kv.mod_revision, change.kv.key.clone()));
            let puts = self.put_at.range(low..=high);
            let puts = puts.filter(|(_, key)| watch.range.contains(key));
            let puts = puts.map(|(revision, key)| (*revision, key.clone()));
            for place in changes.chain(puts) {
                found += 1;
                if !watch.told.contains(&place) {
                    let (revision, key) = place;
                    return Err(format!(
                        "from {low} to {high} nothing told of {key:?} at {revision}"
                    ));
                }
            }
        }
        let Some((compacted, kept)) = &self.kept else { return Ok(found) };
        let invented = watch
            .told
            .iter()
            .find(|(revision, key)| revision > compacted && kept.at(key, *revision).is_none());
        match invented {
            Some((revision, key)) => Err(format!("told of {key:?} at {revision}; nobody keeps it")),
            None => Ok(found),
        }
    }

    fn judge_prev(&self) -> Result<(), String> {
        for (revision, prev) in &self.prev_kvs {
            let Some(known) = self.book.last(&prev.key, revision - 1) else { continue };
            let same = known.is_put && known.kv == *prev;
            if known.kv.mod_revision > prev.mod_revision
                || (known.kv.mod_revision == prev.mod_revision && !same)
            {
                return Err(format!("before {revision} stood {known:?}, told was {prev:?}"));
            }
        }
        Ok(())
    }
}

impl Check for WatchGuarantees {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        self.last = at;
        self.take(fact).map_err(|what| broken(NAME, at, what))
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        let mut found = 0;
        for watch in self.watches.values_mut() {
            watch.close();
        }
        for (key, watch) in &self.watches {
            let judged = self.judge(watch);
            found += judged
                .map_err(|what| broken(NAME, self.last, format!("watch {}: {what}", key.0)))?;
        }
        self.judge_prev().map_err(|what| broken(NAME, self.last, what))?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
