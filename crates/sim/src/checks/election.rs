//! Election safety: a term has one leader, and within one life a member votes once in a term.
//!
//! A vote handed to the log and lost with a crash was never told to anyone, so a second vote in
//! another life is no violation by itself; if the first one was told, two leaders are what shows.

use std::collections::BTreeMap;

use ketch_base::{MemberId, Term};

use super::{Check, Violation};
use crate::fact::{Fact, Moment};

const NAME: &str = "election safety";

#[derive(Default)]
pub(super) struct Election {
    leaders: BTreeMap<Term, MemberId>,
    /// What each member last handed to its log, in this life.
    votes: BTreeMap<MemberId, (Term, MemberId)>,
    seen: u64,
}

impl Election {
    fn leads(&mut self, at: Moment, member: MemberId, term: Term) -> Result<(), Violation> {
        self.seen += 1;
        match self.leaders.insert(term, member) {
            Some(other) if other != member => Err(super::broken(
                NAME,
                at,
                format!("term {term} has two leaders: {other} and {member}"),
            )),
            _ => Ok(()),
        }
    }

    fn votes(
        &mut self,
        at: Moment,
        member: MemberId,
        now: (Term, MemberId),
    ) -> Result<(), Violation> {
        let before = self.votes.insert(member, now);
        let Some(before) = before else { return Ok(()) };
        if now.0 < before.0 {
            let what = format!("{member} went back from term {} to {}", before.0, now.0);
            return Err(super::broken(NAME, at, what));
        }
        if now.0 == before.0 && before.1 != MemberId(0) && now.1 != before.1 {
            let what = format!("{member} voted in term {} for {} and {}", now.0, before.1, now.1);
            return Err(super::broken(NAME, at, what));
        }
        Ok(())
    }
}

impl Check for Election {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        match fact {
            Fact::Leads { member, term } => self.leads(at, *member, *term),
            Fact::Logged { member, term, vote, .. } => self.votes(at, *member, (*term, *vote)),
            // What was lost with a crash binds nobody; what is still there does.
            Fact::Recovered { member, term, vote, .. } => {
                self.votes.insert(*member, (*term, *vote));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        Ok(self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::trial;
    use ketch_base::Index;

    fn leads(member: u64, term: u64) -> Fact {
        Fact::Leads { member: MemberId(member), term: Term(term) }
    }

    fn vote(member: u64, term: u64, vote: u64) -> Fact {
        Fact::Logged {
            member: MemberId(member),
            entries: Vec::new(),
            term: Term(term),
            vote: MemberId(vote),
            commit: Index(0),
        }
    }

    fn run(facts: Vec<Fact>) -> Result<u64, String> {
        trial(Box::new(Election::default()), facts)
    }

    #[test]
    fn one_leader_per_term_and_one_vote() {
        let recovered = Fact::Recovered {
            member: MemberId(1),
            before: Index(0),
            entries: Vec::new(),
            term: Term(1),
            vote: MemberId(0),
            commit: Index(0),
            applied: Index(0),
        };
        let good = vec![vote(1, 1, 0), vote(1, 1, 2), leads(2, 1), vote(1, 1, 2), leads(3, 2)];
        assert_eq!(run(good), Ok(2));
        assert_eq!(run(vec![vote(1, 1, 2), recovered, vote(1, 1, 3), leads(3, 1)]), Ok(1));
    }

    #[test]
    fn fires() {
        let two = run(vec![leads(1, 4), leads(2, 4)]).expect_err("two leaders");
        assert!(two.contains("term 4 has two leaders"), "{two}");
        let twice = run(vec![vote(1, 4, 2), vote(1, 4, 3)]).expect_err("two votes");
        assert!(twice.contains("voted in term 4"), "{twice}");
        assert!(run(vec![vote(1, 4, 2), vote(1, 3, 2)]).is_err());
    }
}
