//! One seed, from its beginning to the verdict.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::checks::{self, Violation};
use crate::fact::{Fact, Moment};
use crate::world::{Recorder, World};

/// What a thousand seeds cannot be without, by the names of [`Report::tally`]: a world in which it
/// never happens proves nothing about it.
pub const MUST_HAPPEN: &[&str] = &[
    "auth: nobody denied",
    "auth: permission denied",
    "auth: rights changed",
    "auth: rights too old",
    "auth: token given",
    "auth: token worthless",
    "auth: wrong password",
    "bits flipped",
    "call answered",
    "call refused",
    "call timed out",
    "crash at a snapshot",
    "crash at a start",
    "crash at an install",
    "fault: bit flip",
    "fault: clock jump",
    "fault: coups",
    "fault: crash",
    "fault: crash of all",
    "fault: disk error",
    "fault: full disk",
    "fault: isolation",
    "fault: membership",
    "fault: one-way cut",
    "fault: partition",
    "fault: pause",
    "fault: reclaim",
    "fault: restart",
    "fault: slow disk",
    "fault: stalled disk",
    "fault: transfer",
    "learner added",
    "learner promoted",
    "member halted",
    "member removed",
    "member stopped in order",
    "snapshot installed",
    "start refused",
    "told that nobody listens",
    "voter added",
    "watch canceled",
];

/// How a seed is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Sum up all facts, so that two runs can be compared.
    pub digest: bool,
    /// How many of the last facts are kept; they are told in any case.
    pub tail_facts: usize,
}

/// What came of a seed.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What kind of world it was.
    pub nature: String,
    /// A number over all facts, if it was asked for.
    pub digest: Option<u64>,
    /// Facts in all.
    pub facts: u64,
    /// Simulated time, in milliseconds.
    pub simulated_ms: u64,
    /// What each check looked at; empty after a violation.
    pub seen: Vec<(&'static str, u64)>,
    /// What must not have happened.
    pub violation: Option<Violation>,
    /// What happened in the world, how often: to see that it does happen.
    pub tally: BTreeMap<&'static str, u64>,
    /// The last facts before the end.
    pub tail: Vec<(Moment, Fact)>,
}

/// Runs a seed with all checks.
pub fn run(seed: u64, options: Options) -> Report {
    let recorder = Recorder::new(checks::all(), options);
    let mut world = World::new(seed, recorder);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let simulated_ms = world.now_ms();
    let nature = world.describe();
    if let Err(panic) = ended {
        let at = Moment { ms: simulated_ms, step: world.recorder.steps() };
        world.recorder.violate(at, format!("panic: {}", text(panic.as_ref())));
    }
    let recorder = &world.recorder;
    Report {
        seed,
        nature,
        digest: recorder.digest(),
        facts: recorder.steps(),
        simulated_ms,
        seen: recorder.seen().to_vec(),
        violation: recorder.violation().cloned(),
        tally: recorder.tally().clone(),
        tail: recorder.tail().cloned().collect(),
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}

/// The first of the seeds 1..=`max_seeds` in which a check finds the planted bug.
#[cfg(feature = "planted")]
pub fn find(bug: ketch_base::planted::Bug, max_seeds: u64) -> Option<u64> {
    (1..=max_seeds).find(|seed| run_planted(*seed, bug, Options::default()).violation.is_some())
}

/// Runs a seed with a bug planted for as long as it lasts.
#[cfg(feature = "planted")]
pub fn run_planted(seed: u64, bug: ketch_base::planted::Bug, options: Options) -> Report {
    ketch_base::planted::plant(Some(bug));
    let report = run(seed, options);
    ketch_base::planted::plant(None);
    report
}
