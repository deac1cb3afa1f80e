//! Liveness: once nothing fails any more, calls are answered again within a bound, writes among
//! them, and the run comes to rest.

use std::collections::BTreeMap;

use super::{Check, Violation, broken};
use crate::fact::{Call, CallId, Fact, Moment, Outcome};

const NAME: &str = "liveness";

/// How long after the last fault a cluster may take to answer again: several elections, and the
/// transfer of a snapshot.
pub const RECOVERED_WITHIN_MS: u64 = 20_000;

#[derive(Default)]
pub(super) struct Liveness {
    healed: Option<Moment>,
    open: BTreeMap<CallId, (Moment, &'static str)>,
    answered: u64,
    written: u64,
    at_rest: bool,
    last: Moment,
}

fn name_of(call: &Call) -> &'static str {
    match call {
        Call::Put(_) => "put",
        Call::Range(_) => "range",
        Call::DeleteRange(_) => "delete",
        Call::Txn(_) => "txn",
        Call::Compact(_) => "compact",
        Call::LeaseGrant(_) => "lease grant",
        Call::LeaseRevoke(_) => "lease revoke",
        Call::LeaseKeepAlive(_) => "lease keep-alive",
        Call::Auth(_) => "auth",
        Call::Authenticate { .. } => "login",
    }
}

impl Liveness {
    fn returned(&mut self, at: Moment, call: CallId, outcome: &Outcome) -> Result<(), Violation> {
        let Some((began, name)) = self.open.remove(&call) else { return Ok(()) };
        let Some(healed) = self.healed else { return Ok(()) };
        if *outcome == Outcome::Unknown {
            if began.ms < healed.ms + RECOVERED_WITHIN_MS {
                return Ok(());
            }
            let waited = at.ms - began.ms;
            let what =
                format!("{name} call {} had no answer for {waited} ms without faults", call.0);
            return Err(broken(NAME, at, what));
        }
        self.answered += 1;
        let wrote = matches!(outcome, Outcome::Put(_) | Outcome::Txn(_) | Outcome::DeleteRange(_));
        self.written += u64::from(wrote);
        Ok(())
    }
}

impl Check for Liveness {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        self.last = at;
        match fact {
            Fact::FaultsEnded => self.healed = Some(at),
            Fact::AtRest { .. } => self.at_rest = true,
            Fact::Called { call, what, .. } => {
                self.open.insert(*call, (at, name_of(what)));
            }
            Fact::Returned { call, outcome } => self.returned(at, *call, outcome)?,
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        if self.healed.is_none() {
            return Ok(0);
        }
        if !self.at_rest {
            return Err(broken(NAME, self.last, "the run did not come to rest"));
        }
        if self.written == 0 {
            let what =
                format!("{} answers after the last fault, no write among them", self.answered);
            return Err(broken(NAME, self.last, what));
        }
        Ok(self.answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::made::{called, put, put_ok, rest, returned};
    use crate::checks::trial_at;

    fn run(facts: Vec<(u64, Fact)>) -> Result<u64, String> {
        trial_at(Box::new(Liveness::default()), facts)
    }

    #[test]
    fn answers_after_the_last_fault() {
        let facts = vec![
            (0, called(1, 1, put("a", "x"))),
            (5, Fact::FaultsEnded),
            (6, returned(1, Outcome::Unknown)),
            (7, called(2, 1, put("a", "x"))),
            (9, returned(2, put_ok(2))),
            (10, rest(1, 2)),
        ];
        assert_eq!(run(facts), Ok(1));
        assert_eq!(run(vec![(0, called(1, 1, put("a", "x")))]), Ok(0));
    }

    #[test]
    fn fires() {
        let late = RECOVERED_WITHIN_MS + 1;
        let unknown =
            || vec![(late, called(1, 1, put("a", "x"))), (late + 9, returned(1, Outcome::Unknown))];
        let cases = [
            ("no answer", unknown()),
            ("did not come to rest", Vec::new()),
            ("no write", vec![(3, rest(1, 2))]),
        ];
        for (expected, more) in cases {
            let facts = [(0, Fact::FaultsEnded)].into_iter().chain(more).collect();
            let found = run(facts).expect_err(expected);
            assert!(found.contains(expected), "{found}");
        }
    }
}
