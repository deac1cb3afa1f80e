//! The checks: each reads the facts of a run in order and says what must not have happened.
//!
//! A check keeps its own picture of the run and shares nothing with the members it judges. It
//! also says how much it looked at: one that never saw anything proves nothing, and whoever runs
//! many seeds sums these numbers and fails on a zero.

use crate::fact::{Fact, Moment};

mod answer;
mod book;
mod durability;
mod election;
mod equal_rights;
mod equal_state;
mod leader_completeness;
mod lease;
pub mod linearizability;
mod liveness;
mod log_matching;
mod logs;
#[cfg(test)]
mod made;
mod permissions;
mod revision;
mod rights;
mod serializable;
mod state_machine;
mod tokens;
mod watch;

pub use liveness::RECOVERED_WITHIN_MS;

/// Something happened that must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {what} (at {} ms, fact {})", at.ms, at.step)]
pub struct Violation {
    /// The name of the check that found it.
    pub check: &'static str,
    /// The fact at which it was found; the last one for what shows only at the end.
    pub at: Moment,
    /// What is wrong, with the numbers to look for.
    pub what: String,
}

/// One property of a run.
pub trait Check {
    /// A short name, in the words of the property.
    fn name(&self) -> &'static str;

    /// Takes the next fact.
    ///
    /// # Errors
    ///
    /// The fact contradicts an earlier one.
    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation>;

    /// Judges the whole run, after its last fact. The number says how many things were compared;
    /// zero means that nothing was proved.
    ///
    /// # Errors
    ///
    /// The run as a whole breaks the property.
    fn finish(&mut self) -> Result<u64, Violation>;
}

/// Every check, fresh for one run.
pub fn all() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(election::Election::default()),
        Box::new(log_matching::LogMatching::default()),
        Box::new(leader_completeness::LeaderCompleteness::default()),
        Box::new(state_machine::StateMachine::default()),
        Box::new(revision::RevisionMonotonic::default()),
        Box::new(linearizability::Linearizability::default()),
        Box::new(durability::Durability::default()),
        Box::new(serializable::Serializable::default()),
        Box::new(watch::WatchGuarantees::default()),
        Box::new(lease::LeaseTime::default()),
        Box::new(equal_state::EqualState::default()),
        Box::new(liveness::Liveness::default()),
        Box::new(equal_rights::EqualRights::default()),
        Box::new(permissions::Permissions::default()),
        Box::new(tokens::TokensEverywhere::default()),
    ]
}

/// A violation, shortly.
fn broken(check: &'static str, at: Moment, what: impl Into<String>) -> Violation {
    Violation { check, at, what: what.into() }
}

/// Runs one check over made-up facts, a millisecond apart.
#[cfg(test)]
fn trial(check: Box<dyn Check>, facts: Vec<Fact>) -> Result<u64, String> {
    let timed = facts.into_iter().zip(0..).map(|(fact, ms)| (ms, fact)).collect();
    trial_at(check, timed)
}

/// Runs one check over made-up facts at given milliseconds.
#[cfg(test)]
fn trial_at(mut check: Box<dyn Check>, facts: Vec<(u64, Fact)>) -> Result<u64, String> {
    for (step, (ms, fact)) in facts.iter().enumerate() {
        let at = Moment { ms: *ms, step: step as u64 };
        check.see(at, fact).map_err(|violation| violation.to_string())?;
    }
    check.finish().map_err(|violation| violation.to_string())
}
