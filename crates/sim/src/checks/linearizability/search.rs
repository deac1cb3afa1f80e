//! The search: revision by revision, with a choice only where nobody answered for one.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::effect;
use super::history::{History, Operation, shown};
use super::state::{Mark, State};
use crate::checks::answer::wrote;
use crate::checks::book::Change;
use crate::fact::Call;

/// Revisions tried, dead ends included, before the search gives up.
const MAX_STEPS: u64 = 2_000_000;

/// An order was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Answers that the order explains.
    pub answers: u64,
    /// The newest revision.
    pub revision: i64,
    /// Revisions made by something nobody answered for.
    pub unanswered: u64,
}

/// No order was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unexplained {
    /// Two answers claim the same revision.
    #[error("calls {one} and {other} were both told that they made revision {revision}")]
    SameRevision {
        /// The revision.
        revision: i64,
        /// A call.
        one: u64,
        /// Another.
        other: u64,
    },
    /// An answer names a revision before that of a call which had ended when this one began.
    #[error(
        "call {call} answered at revision {revision}, when call {earlier} had seen a later one"
    )]
    OutOfTime {
        /// The call.
        call: u64,
        /// What it was told.
        revision: i64,
        /// The call that must come before it and saw more.
        earlier: u64,
    },
    /// Nothing that was called explains what was answered.
    #[error("nothing explains revision {revision}: {why}")]
    NoOrder {
        /// The first revision that no choice gets past.
        revision: i64,
        /// What the last choice broke there.
        why: String,
    },
    /// The search was given up.
    #[error("no order found in {MAX_STEPS} steps; the furthest was revision {revision}")]
    GivenUp {
        /// How far it came.
        revision: i64,
    },
}

/// What can make an open revision.
#[derive(Clone, Copy, Debug)]
enum Cause {
    /// A call without an answer, by its place in the history.
    Call(usize),
    /// The end of a lease.
    Lease(i64),
}

/// An open revision on the way: what was tried and what is left.
struct Choice {
    revision: i64,
    before: Mark,
    left: Vec<Cause>,
    taken: Option<usize>,
    dead_end: (i64, BTreeSet<usize>, u64),
}

struct Search<'a> {
    history: &'a History,
    start: i64,
    newest: i64,
    /// The answered write of each revision.
    writes: BTreeMap<i64, usize>,
    /// Answers that show the state of a revision.
    shows: BTreeMap<i64, Vec<usize>>,
    /// Calls that may have written, in the order of their calling.
    unknown: Vec<usize>,
    /// The earliest end of a call at this revision or after it.
    ends: BTreeMap<i64, u64>,
    /// What was told of the changes of a revision.
    told: BTreeMap<i64, Vec<Change>>,
    /// Values told anywhere, with their revision: a call that wrote one is best kept for it.
    values: BTreeMap<(Bytes, Bytes), i64>,
    /// A key did not change after the first up to the second of these revisions.
    still: BTreeMap<Bytes, BTreeSet<(i64, i64)>>,
    state: State,
    used: BTreeSet<usize>,
    dead: BTreeSet<(i64, BTreeSet<usize>, u64)>,
    steps: u64,
    furthest: (i64, String),
}

pub(super) fn search(history: &History) -> Result<Explained, Unexplained> {
    let mut search = Search::new(history)?;
    search.in_time()?;
    let unanswered = search.go()?;
    let answers = history.operations.iter().filter(|op| op.revision().is_some()).count() as u64;
    Ok(Explained { answers, revision: search.newest, unanswered })
}

impl<'a> Search<'a> {
    fn new(history: &'a History) -> Result<Self, Unexplained> {
        let (start, kvs) = history.start.clone().unwrap_or((1, Vec::new()));
        let mut search = Self {
            history,
            start,
            newest: start,
            writes: BTreeMap::new(),
            shows: BTreeMap::new(),
            unknown: Vec::new(),
            ends: BTreeMap::new(),
            told: BTreeMap::new(),
            values: BTreeMap::new(),
            still: BTreeMap::new(),
            state: State::holding(&kvs),
            used: BTreeSet::new(),
            dead: BTreeSet::new(),
            steps: 0,
            furthest: (start, String::new()),
        };
        for (place, operation) in history.operations.iter().enumerate() {
            search.take(place, operation)?;
        }
        for change in &history.changes {
            search.tell(change.clone());
        }
        search.unknown.sort_by_key(|place| history.operations[*place].called);
        search.ends_from_the_back();
        Ok(search)
    }

    fn take(&mut self, place: usize, operation: &Operation) -> Result<(), Unexplained> {
        if operation.may_have_written() {
            self.unknown.push(place);
        }
        for kv in operation.told() {
            self.tell(Change { is_put: true, kv });
        }
        let (Some(revision), Some(shows)) = (operation.revision(), operation.shows()) else {
            return Ok(());
        };
        self.newest = self.newest.max(revision);
        let end = self.ends.entry(revision).or_insert(u64::MAX);
        *end = operation.returned.min(*end);
        for kv in shown(&operation.outcome) {
            let still = (kv.mod_revision, shows);
            self.still.entry(kv.key.clone()).or_default().insert(still);
        }
        if !wrote(&operation.outcome) {
            self.shows.entry(shows).or_default().push(place);
        } else if let Some(other) = self.writes.insert(revision, place) {
            let (one, other) = (self.history.operations[other].id, operation.id);
            return Err(Unexplained::SameRevision { revision, one, other });
        }
        Ok(())
    }

    fn tell(&mut self, change: Change) {
        let revision = change.kv.mod_revision;
        if revision <= self.start {
            return;
        }
        self.newest = self.newest.max(revision);
        if change.is_put {
            let value = (change.kv.key.clone(), change.kv.value.clone());
            self.values.insert(value, revision);
        }
        let told = self.told.entry(revision).or_default();
        if !told.contains(&change) {
            told.push(change);
        }
    }

    /// Turns "ends at this revision" into "ends at this one or after it".
    fn ends_from_the_back(&mut self) {
        let mut earliest = u64::MAX;
        for end in self.ends.values_mut().rev() {
            earliest = earliest.min(*end);
            *end = earliest;
        }
    }

    /// Answers in the order of their revisions, and those of one revision in that of their calls,
    /// must be possible in real time. Open revisions do not change this.
    fn in_time(&self) -> Result<(), Unexplained> {
        let operations = &self.history.operations;
        let mut order: Vec<(i64, bool, u64, usize)> = Vec::new();
        for (place, operation) in operations.iter().enumerate() {
            let Some(revision) = operation.revision() else { continue };
            order.push((revision, !wrote(&operation.outcome), operation.called, place));
        }
        order.sort_unstable();
        let mut latest: Option<&Operation> = None;
        for (revision, _, _, place) in order {
            let operation = &operations[place];
            match latest {
                Some(before) if before.called > operation.returned => {
                    // The one that ended first saw more than the one that began after its end.
                    let (call, earlier) = (before.id, operation.id);
                    let seen = before.revision().unwrap_or(revision);
                    return Err(Unexplained::OutOfTime { call, revision: seen, earlier });
                }
                Some(before) if before.called > operation.called => {}
                _ => latest = Some(operation),
            }
        }
        Ok(())
    }

    fn go(&mut self) -> Result<u64, Unexplained> {
        let mut choices: Vec<Choice> = Vec::new();
        let mut revision = self.start;
        let mut advances = self.agrees(revision, self.state.mark());
        loop {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return Err(Unexplained::GivenUp { revision: self.furthest.0 });
            }
            if let Err(why) = advances {
                if revision >= self.furthest.0 {
                    self.furthest = (revision, why);
                }
                revision = self.back(&mut choices)?;
                advances = self.choose(&mut choices);
                continue;
            }
            if revision >= self.newest {
                return Ok(choices.len() as u64);
            }
            revision += 1;
            advances = match self.writes.get(&revision) {
                Some(place) => self.step(revision, Cause::Call(*place)),
                None => self.open(revision, &mut choices),
            };
        }
    }

    /// Goes back to the last open revision that has something left to try.
    fn back(&mut self, choices: &mut Vec<Choice>) -> Result<i64, Unexplained> {
        while let Some(choice) = choices.last_mut() {
            self.state.back_to(choice.before);
            if let Some(place) = choice.taken.take() {
                self.used.remove(&place);
            }
            if !choice.left.is_empty() {
                return Ok(choice.revision);
            }
            if let Some(choice) = choices.pop() {
                self.dead.insert(choice.dead_end);
            }
        }
        let (revision, why) = self.furthest.clone();
        Err(Unexplained::NoOrder { revision, why })
    }

    /// A revision that no answer claims: lists what may have made it.
    fn open(&mut self, revision: i64, choices: &mut Vec<Choice>) -> Result<(), String> {
        let dead_end = (revision, self.used.clone(), self.state.digest());
        if self.dead.contains(&dead_end) {
            return Err("a dead end met before".into());
        }
        let end = self.ends.range(revision..).next().map_or(u64::MAX, |(_, end)| *end);
        let operations = &self.history.operations;
        let calls = self.unknown.iter().copied().filter(|place| !self.used.contains(place));
        let calls = calls.filter(|place| operations[*place].called <= end);
        let (later, now): (Vec<usize>, Vec<usize>) =
            calls.partition(|place| self.belongs_elsewhere(*place, revision));
        // Taken from the back.
        let mut left: Vec<Cause> = later.into_iter().rev().map(Cause::Call).collect();
        left.extend(self.state.leases().into_iter().map(Cause::Lease));
        left.extend(now.into_iter().rev().map(Cause::Call));
        if left.is_empty() {
            return Err("nobody called what could have made it".into());
        }
        let before = self.state.mark();
        choices.push(Choice { revision, before, left, taken: None, dead_end });
        self.choose(choices)
    }

    /// Whether the value that a call puts was told of at another revision.
    fn belongs_elsewhere(&self, place: usize, revision: i64) -> bool {
        let Call::Put(put) = &self.history.operations[place].what else { return false };
        let value = (put.key.clone(), put.value.clone());
        self.values.get(&value).is_some_and(|told| *told != revision)
    }

    fn choose(&mut self, choices: &mut [Choice]) -> Result<(), String> {
        let Some(choice) = choices.last_mut() else { return Err("no choice".into()) };
        let Some(cause) = choice.left.pop() else { return Err("no choice left".into()) };
        if let Cause::Call(place) = cause {
            choice.taken = Some(place);
            self.used.insert(place);
        }
        let revision = choice.revision;
        self.step(revision, cause)
    }

    /// Makes one revision and compares everything known about it.
    fn step(&mut self, revision: i64, cause: Cause) -> Result<(), String> {
        let before = self.state.mark();
        match cause {
            Cause::Call(place) => {
                let Operation { id, what, outcome, .. } = &self.history.operations[place];
                effect::run(&mut self.state, what, outcome, revision)
                    .map_err(|why| format!("call {id}: {why}"))?;
            }
            Cause::Lease(lease) => _ = self.state.revoke(lease),
        }
        if self.state.mark() == before {
            return Err(format!("{cause:?} changes nothing"));
        }
        self.agrees(revision, before)
    }

    fn agrees(&mut self, revision: i64, before: Mark) -> Result<(), String> {
        for change in self.told.get(&revision).into_iter().flatten() {
            let found = self.state.get(&change.kv.key);
            if found != Some(&change.kv).filter(|_| change.is_put) {
                return Err(format!("told was {change:?}, there is {found:?}"));
            }
        }
        for key in self.state.touched(before) {
            let mut still = self.still.get(key).into_iter().flatten();
            if still.any(|(after, to)| *after < revision && revision <= *to) {
                return Err(format!("{key:?} was seen not to change then"));
            }
        }
        for place in self.shows.get(&revision).into_iter().flatten() {
            let Operation { id, what, outcome, .. } = &self.history.operations[*place];
            let mark = self.state.mark();
            let answered = effect::run(&mut self.state, what, outcome, revision);
            let changed = self.state.mark() != mark;
            self.state.back_to(mark);
            answered.map_err(|why| format!("call {id}: {why}"))?;
            if changed {
                return Err(format!("call {id} changed nothing, and should have"));
            }
        }
        Ok(())
    }
}
