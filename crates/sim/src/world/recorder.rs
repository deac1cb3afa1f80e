//! The facts of a run: numbered, shown to the checks, summed up, the last ones kept.

use std::collections::{BTreeMap, VecDeque};

use crate::checks::{Check, Violation};
use crate::fact::{Fact, Moment};
use crate::run::Options;

/// Shows facts to checks.
pub(crate) struct Recorder {
    checks: Vec<Box<dyn Check>>,
    steps: u64,
    digest: Option<u64>,
    tail: VecDeque<(Moment, Fact)>,
    tail_facts: usize,
    violation: Option<Violation>,
    /// What happened in the world, how often.
    tally: BTreeMap<&'static str, u64>,
    /// What each check looked at, by its name.
    seen: Vec<(&'static str, u64)>,
}

impl Recorder {
    pub(crate) fn new(checks: Vec<Box<dyn Check>>, options: Options) -> Self {
        Self {
            checks,
            steps: 0,
            digest: options.digest.then_some(0xcbf2_9ce4_8422_2325),
            tail: VecDeque::new(),
            tail_facts: options.tail_facts,
            violation: None,
            tally: BTreeMap::new(),
            seen: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, ms: u64, fact: Fact) {
        self.steps += 1;
        let at = Moment { ms, step: self.steps };
        if let Some(digest) = &mut self.digest {
            for byte in format!("{at:?} {fact:?}").bytes() {
                *digest = (*digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        if self.violation.is_none() {
            let found = self.checks.iter_mut().find_map(|check| check.see(at, &fact).err());
            self.violation = found;
        }
        if self.tail_facts > 0 {
            if self.tail.len() == self.tail_facts {
                self.tail.pop_front();
            }
            self.tail.push_back((at, fact));
        }
    }

    pub(crate) fn violate(&mut self, at: Moment, what: String) {
        self.violation.get_or_insert(Violation { check: "world", at, what });
    }

    /// The end of the run.
    pub(crate) fn finish(&mut self, _at: Moment) {
        if self.violation.is_some() {
            return;
        }
        for check in &mut self.checks {
            match check.finish() {
                Ok(seen) => self.seen.push((check.name(), seen)),
                Err(violation) => {
                    self.violation = Some(violation);
                    return;
                }
            }
        }
    }

    /// Something happened in the world that no fact tells.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    pub(crate) fn tally(&self) -> &BTreeMap<&'static str, u64> {
        &self.tally
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) fn has_violation(&self) -> bool {
        self.violation.is_some()
    }

    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    pub(crate) fn digest(&self) -> Option<u64> {
        self.digest
    }

    pub(crate) fn seen(&self) -> &[(&'static str, u64)] {
        &self.seen
    }

    pub(crate) fn tail(&self) -> impl Iterator<Item = &(Moment, Fact)> {
        self.tail.iter()
    }
}
