//! Log matching: entries of one index and term are the same everywhere, and so is all before them.
//!
//! Each entry is compared with what any member ever logged at its index and term, together with
//! the term of the entry before it; by induction everything before is the same too. Also: no gaps,
//! terms only grow along a log, and a leader never replaces entries of its own.
//!
//! What only one member ever had, and lost with a crash, binds nobody: a sole voter begins a term
//! with the first entry of it, and may begin it twice.

use std::collections::BTreeMap;

use ketch_base::{Index, MemberId, Term};

use super::logs::Logs;
use super::{Check, Violation, broken};
use crate::fact::{EntryMark, Fact, Moment};

const NAME: &str = "log matching";

/// What an index and a term stand for.
struct Known {
    digest: u32,
    /// The term of the entry before, if anyone knew it.
    before: Option<Term>,
    /// Who had it first.
    first: MemberId,
    /// Whether others have had it too.
    shared: bool,
}

#[derive(Default)]
pub(super) struct LogMatching {
    logs: Logs,
    known: BTreeMap<(Index, Term), Known>,
    leads: BTreeMap<MemberId, Term>,
    compared: u64,
}

impl LogMatching {
    fn logged(
        &mut self,
        member: MemberId,
        entries: &[EntryMark],
        term: Term,
    ) -> Result<(), String> {
        if self.leads.get(&member).is_some_and(|led| *led < term) {
            self.leads.remove(&member);
        }
        let Some(first) = entries.first() else { return Ok(()) };
        if let Some(last) = self.logs.last(member) {
            if first.index.0 > last.index.0 + 1 {
                return Err(format!("{member} logs {} after {}: a gap", first.index, last.index));
            }
            let replaces = first.index <= last.index;
            if replaces && self.leads.contains_key(&member) {
                return Err(format!("leader {member} of {term} replaces its own {}", first.index));
            }
        }
        let mut before = self.logs.at(member, Index(first.index.0.saturating_sub(1)));
        for entry in entries {
            if before.is_some_and(|before| before.index.0 + 1 != entry.index.0) {
                return Err(format!("{member} logs {} out of turn", entry.index));
            }
            if entry.term > term || before.is_some_and(|before| before.term > entry.term) {
                return Err(format!("{member} logs {} with term {}", entry.index, entry.term));
            }
            self.compare(member, entry, before.map(|before| before.term))?;
            before = Some(*entry);
        }
        self.logs.append(member, entries);
        Ok(())
    }

    /// A log that comes back from the disk is compared like one that goes to it.
    fn recovered(
        &mut self,
        member: MemberId,
        from: Index,
        entries: &[EntryMark],
    ) -> Result<(), String> {
        let mut before = self.logs.at(member, from);
        for entry in entries {
            self.compare(member, entry, before.map(|before| before.term))?;
            before = Some(*entry);
        }
        let kept = entries.last().map_or(from, |last| last.index);
        for lost in self.logs.span(member, kept, Index(u64::MAX)) {
            let place = (lost.index, lost.term);
            if self.known.get(&place).is_some_and(|known| known.first == member && !known.shared) {
                self.known.remove(&place);
            }
        }
        self.logs.recovered(member, from, entries);
        Ok(())
    }

    fn compare(
        &mut self,
        by: MemberId,
        entry: &EntryMark,
        before: Option<Term>,
    ) -> Result<(), String> {
        let place = (entry.index, entry.term);
        let Some(known) = self.known.get_mut(&place) else {
            let known = Known { digest: entry.digest, before, first: by, shared: false };
            self.known.insert(place, known);
            return Ok(());
        };
        self.compared += 1;
        known.shared |= known.first != by;
        if known.digest != entry.digest {
            return Err(format!("{by} has another entry at {} of term {}", place.0, place.1));
        }
        match (known.before, before) {
            (Some(one), Some(other)) if one != other => Err(format!(
                "before {} of term {} stands term {other} on {by}, elsewhere {one}",
                place.0, place.1
            )),
            (None, _) => {
                known.before = before;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Check for LogMatching {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        match fact {
            Fact::Logged { member, entries, term, .. } => {
                self.logged(*member, entries, *term).map_err(|what| broken(NAME, at, what))?;
            }
            Fact::Leads { member, term } => {
                self.leads.insert(*member, *term);
            }
            Fact::Crashed { member } | Fact::Halted { member, .. } => {
                self.leads.remove(member);
            }
            Fact::Recovered { member, before, entries, .. } => {
                self.recovered(*member, *before, entries).map_err(|what| broken(NAME, at, what))?;
            }
            Fact::Received { member, index, term } => self.logs.installed(*member, *index, *term),
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        Ok(self.compared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::trial;

    fn logged(member: u64, entries: &[(u64, u64, u32)]) -> Fact {
        let mark =
            |&(index, term, digest)| EntryMark { index: Index(index), term: Term(term), digest };
        Fact::Logged {
            member: MemberId(member),
            entries: entries.iter().map(mark).collect(),
            term: Term(9),
            vote: MemberId(0),
            commit: Index(0),
        }
    }

    fn run(facts: Vec<Fact>) -> Result<u64, String> {
        trial(Box::new(LogMatching::default()), facts)
    }

    /// A member starts and finds nothing.
    fn recovered(member: u64) -> Fact {
        Fact::Recovered {
            member: MemberId(member),
            before: Index(0),
            entries: Vec::new(),
            term: Term(9),
            vote: MemberId(0),
            commit: Index(0),
            applied: Index(0),
        }
    }

    #[test]
    fn what_nobody_else_had_may_be_lost() {
        let lost = || vec![logged(1, &[(1, 1, 7)]), recovered(1)];
        assert_eq!(run([lost(), vec![logged(1, &[(1, 1, 8)])]].concat()), Ok(0));
        let shared = [vec![logged(1, &[(1, 1, 7)]), logged(2, &[(1, 1, 7)])], lost()].concat();
        assert!(run([shared, vec![logged(1, &[(1, 1, 8)])]].concat()).is_err());
    }

    #[test]
    fn equal_logs_pass() {
        let facts = vec![
            logged(1, &[(1, 1, 7), (2, 1, 8)]),
            logged(2, &[(1, 1, 7), (2, 1, 8)]),
            logged(2, &[(2, 2, 9)]),
            recovered(2),
            logged(2, &[(1, 1, 7)]),
        ];
        assert_eq!(run(facts), Ok(3));
    }

    #[test]
    fn fires() {
        let leads = Fact::Leads { member: MemberId(1), term: Term(9) };
        let cases = [
            ("another entry", vec![logged(1, &[(1, 1, 7)]), logged(2, &[(1, 1, 6)])]),
            (
                "stands term",
                vec![logged(1, &[(1, 1, 7), (2, 3, 8)]), logged(2, &[(1, 2, 7), (2, 3, 8)])],
            ),
            ("a gap", vec![logged(1, &[(1, 1, 7)]), logged(1, &[(3, 1, 7)])]),
            ("with term", vec![logged(1, &[(1, 3, 7), (2, 1, 8)])]),
            ("its own", vec![logged(1, &[(1, 1, 7)]), leads, logged(1, &[(1, 9, 7)])]),
        ];
        for (expected, facts) in cases {
            let found = run(facts).expect_err(expected);
            assert!(found.contains(expected), "{found}");
        }
    }
}
