//! Leader completeness: an entry that was committed in a term stands in the log of every leader of
//! a later one; so no later leader puts another entry in its place, on any member.
//!
//! "Committed in term k" is what a member whose term is k says by its commit index. An entry at
//! the same index with another term above k can come only from a leader that lacked it.

use std::collections::{BTreeMap, BTreeSet};

use ketch_base::{Index, MemberId, Term};

use super::logs::Logs;
use super::{Check, Violation, broken};
use crate::fact::{EntryMark, Fact, Moment};

const NAME: &str = "leader completeness";

#[derive(Clone, Copy)]
struct Committed {
    /// The term of the entry.
    of: Term,
    /// The lowest term in which a member knew that it was committed.
    known_in: Term,
}

#[derive(Default)]
pub(super) struct LeaderCompleteness {
    logs: Logs,
    /// Up to where each member's commit was taken in.
    taken: BTreeMap<MemberId, Index>,
    terms: BTreeMap<MemberId, Term>,
    committed: BTreeMap<Index, Committed>,
    /// All terms that ever stood at an index.
    stood: BTreeMap<Index, BTreeSet<Term>>,
    compared: u64,
}

impl LeaderCompleteness {
    fn logged(&mut self, member: MemberId, entries: &[EntryMark]) -> Result<(), String> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        for entry in entries {
            self.stood.entry(entry.index).or_default().insert(entry.term);
            let Some(committed) = self.committed.get(&entry.index) else { continue };
            if entry.term != committed.of && entry.term > committed.known_in {
                return Err(lost(member, entry.index, entry.term, committed));
            }
        }
        for (index, committed) in self.committed.range(first.index..) {
            let had = self.logs.at(member, *index).is_some_and(|had| had.term == committed.of);
            let place = (index.0 - first.index.0) as usize;
            let has = entries.get(place).is_some_and(|entry| entry.term == committed.of);
            if had && !has {
                return Err(format!("{member} gives the committed entry {index} up ({last:?})"));
            }
        }
        self.logs.append(member, entries);
        Ok(())
    }

    fn commits(&mut self, member: MemberId, commit: Index, term: Term) -> Result<(), String> {
        let taken = self.taken.entry(member).or_default();
        let after = std::mem::replace(taken, commit.max(*taken));
        for entry in self.logs.span(member, after, commit) {
            let found = Committed { of: entry.term, known_in: term };
            let known = self.committed.entry(entry.index).or_insert(found);
            self.compared += 1;
            if known.of != entry.term {
                let (index, of) = (entry.index, known.of);
                return Err(format!("{member} commits {index} of {}, not of {of}", entry.term));
            }
            known.known_in = known.known_in.min(term);
            let stood = self.stood.get(&entry.index).into_iter().flatten();
            let later = stood.copied().find(|t| *t > known.known_in && *t != known.of);
            if let Some(later) = later {
                return Err(lost(member, entry.index, later, known));
            }
        }
        Ok(())
    }

    fn leads(&self, member: MemberId, term: Term) -> Result<(), String> {
        for (index, committed) in &self.committed {
            let before = committed.known_in < term;
            let has = self.logs.at(member, *index);
            if before && has.is_some_and(|entry| entry.term != committed.of) {
                return Err(lost(member, *index, term, committed));
            }
        }
        let committed = self.committed.iter().rev().find(|(_, mark)| mark.known_in < term);
        match committed.zip(self.logs.last(member)) {
            Some(((index, mark), last)) if *index > last.index => {
                Err(lost(member, *index, term, mark))
            }
            _ => Ok(()),
        }
    }
}

fn lost(member: MemberId, index: Index, term: Term, committed: &Committed) -> String {
    format!(
        "entry {index} of term {} was committed in term {}; term {term} lacks it (seen on {member})",
        committed.of, committed.known_in
    )
}

impl Check for LeaderCompleteness {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        let result = match fact {
            Fact::Logged { member, entries, term, commit, .. } => {
                self.terms.insert(*member, *term);
                self.logged(*member, entries).and_then(|()| self.commits(*member, *commit, *term))
            }
            Fact::Applied { member, entry, .. } => {
                let term = self.terms.get(member).copied().unwrap_or(entry.term).max(entry.term);
                self.commits(*member, entry.index, term)
            }
            Fact::Leads { member, term } => self.leads(*member, *term),
            Fact::Recovered { member, before, entries, .. } => {
                self.logs.recovered(*member, *before, entries);
                Ok(())
            }
            Fact::Received { member, index, term } => {
                self.logs.installed(*member, *index, *term);
                Ok(())
            }
            _ => Ok(()),
        };
        result.map_err(|what| broken(NAME, at, what))
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        Ok(self.compared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::trial;

    fn logged(member: u64, term: u64, commit: u64, entries: &[(u64, u64)]) -> Fact {
        let mark = |&(index, term)| EntryMark { index: Index(index), term: Term(term), digest: 0 };
        Fact::Logged {
            member: MemberId(member),
            entries: entries.iter().map(mark).collect(),
            term: Term(term),
            vote: MemberId(0),
            commit: Index(commit),
        }
    }

    /// Its log is as it was at first.
    fn recovered(member: u64) -> Fact {
        let entries = vec![EntryMark { index: Index(1), term: Term(1), digest: 0 }];
        Fact::Recovered {
            member: MemberId(member),
            before: Index(0),
            entries,
            term: Term(1),
            vote: MemberId(0),
            commit: Index(1),
            applied: Index(0),
        }
    }

    fn leads(member: u64, term: u64) -> Fact {
        Fact::Leads { member: MemberId(member), term: Term(term) }
    }

    fn run(facts: Vec<Fact>) -> Result<u64, String> {
        trial(Box::new(LeaderCompleteness::default()), facts)
    }

    #[test]
    fn what_was_not_committed_may_go() {
        let facts = vec![
            logged(1, 1, 1, &[(1, 1), (2, 1)]),
            logged(2, 1, 1, &[(1, 1)]),
            leads(2, 2),
            logged(2, 2, 1, &[(2, 2)]),
            logged(1, 2, 2, &[(2, 2)]),
        ];
        assert_eq!(run(facts), Ok(3));
    }

    #[test]
    fn a_leader_of_an_older_term_may_come_late() {
        let facts =
            vec![logged(1, 6, 2, &[(1, 1), (2, 6)]), logged(2, 5, 1, &[(1, 1)]), leads(2, 5)];
        assert_eq!(run(facts), Ok(3));
    }

    #[test]
    fn fires() {
        let start = || vec![logged(1, 1, 2, &[(1, 1), (2, 1)]), logged(2, 1, 1, &[(1, 1)])];
        let cases = [
            vec![leads(2, 2)],
            vec![logged(2, 3, 1, &[(2, 3)])],
            vec![logged(2, 1, 1, &[(2, 1)]), recovered(2), leads(2, 2)],
            vec![logged(1, 1, 1, &[(1, 1)])],
            vec![logged(3, 2, 2, &[(1, 1), (2, 2)])],
            vec![logged(1, 1, 2, &[(2, 0)])],
        ];
        for (number, more) in cases.into_iter().enumerate() {
            let facts = start().into_iter().chain(more).collect();
            assert!(run(facts).is_err(), "case {number}");
        }
    }
}
