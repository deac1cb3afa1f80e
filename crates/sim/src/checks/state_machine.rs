//! State machine safety: at each index every member applies the same entry and comes to the same
//! revision, and within one life each index once and in order.

use std::collections::BTreeMap;

use ketch_base::{Index, MemberId};

use super::{Check, Violation, broken};
use crate::fact::{EntryMark, Fact, Moment};

const NAME: &str = "state machine safety";

#[derive(Clone, Copy, Default)]
struct Applied {
    /// The last index in this life.
    now: Option<Index>,
    /// The highest index in any life.
    ever: Index,
}

#[derive(Default)]
pub(super) struct StateMachine {
    entries: BTreeMap<Index, (EntryMark, i64)>,
    members: BTreeMap<MemberId, Applied>,
    compared: u64,
}

impl StateMachine {
    fn applied(
        &mut self,
        member: MemberId,
        entry: &EntryMark,
        revision: i64,
    ) -> Result<(), String> {
        let index = entry.index;
        let applied = self.members.entry(member).or_default();
        match applied.now {
            Some(last) if index.0 != last.0 + 1 => {
                return Err(format!("{member} applies {index} after {last}"));
            }
            None if applied.ever != Index(0) && index.0 > applied.ever.0 + 1 => {
                return Err(format!("{member} goes on at {index}, had applied {}", applied.ever));
            }
            _ => {}
        }
        applied.now = Some(index);
        applied.ever = applied.ever.max(index);
        let Some((known, known_revision)) = self.entries.get(&index) else {
            self.entries.insert(index, (*entry, revision));
            return Ok(());
        };
        self.compared += 1;
        if known != entry {
            return Err(format!("{member} applies another entry at {index}: {entry:?}, {known:?}"));
        }
        if *known_revision != revision {
            return Err(format!(
                "{member} stands at revision {revision} after {index}, another at {known_revision}"
            ));
        }
        Ok(())
    }

    fn installed(&mut self, member: MemberId, index: Index) -> Result<(), String> {
        let applied = self.members.entry(member).or_default();
        if let Some(last) = applied.now.filter(|last| *last >= index) {
            return Err(format!("{member} installs {index}, had applied {last}"));
        }
        applied.now = Some(index);
        applied.ever = applied.ever.max(index);
        Ok(())
    }
}

impl Check for StateMachine {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        let result = match fact {
            Fact::Started { member, .. } => {
                self.members.entry(*member).or_default().now = None;
                Ok(())
            }
            Fact::Recovered { member, applied, .. } => {
                // It may be ahead: a received snapshot is taken up at a start too.
                let known = self.members.entry(*member).or_default();
                known.now = Some(*applied);
                known.ever = known.ever.max(*applied);
                Ok(())
            }
            Fact::Applied { member, entry, revision } => self.applied(*member, entry, *revision),
            Fact::Installed { member, index, .. } => self.installed(*member, *index),
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
    use ketch_base::Term;

    fn applied(member: u64, index: u64, digest: u32, revision: i64) -> Fact {
        let entry = EntryMark { index: Index(index), term: Term(1), digest };
        Fact::Applied { member: MemberId(member), entry, revision }
    }

    fn started(member: u64) -> Fact {
        Fact::Started { member: MemberId(member), first: false }
    }

    fn installed(member: u64, index: u64) -> Fact {
        Fact::Installed { member: MemberId(member), index: Index(index), term: Term(1) }
    }

    fn run(facts: Vec<Fact>) -> Result<u64, String> {
        trial(Box::new(StateMachine::default()), facts)
    }

    #[test]
    fn the_same_on_all_and_again_after_a_crash() {
        let facts = vec![
            applied(1, 1, 5, 1),
            applied(1, 2, 6, 2),
            applied(2, 1, 5, 1),
            applied(2, 2, 6, 2),
            started(1),
            applied(1, 2, 6, 2),
            installed(2, 9),
            applied(2, 10, 1, 3),
        ];
        assert_eq!(run(facts), Ok(3));
    }

    #[test]
    fn fires() {
        let cases = [
            ("another entry", vec![applied(1, 1, 5, 1), applied(2, 1, 6, 1)]),
            ("stands at revision 3", vec![applied(1, 1, 5, 2), started(1), applied(1, 1, 5, 3)]),
            ("after 1", vec![applied(1, 1, 5, 1), applied(1, 1, 5, 1)]),
            ("after 1", vec![applied(1, 1, 5, 1), applied(1, 3, 5, 1)]),
            ("goes on at 3", vec![applied(1, 1, 5, 1), started(1), applied(1, 3, 5, 1)]),
            ("installs 1", vec![applied(1, 1, 5, 1), installed(1, 1)]),
        ];
        for (expected, facts) in cases {
            let found = run(facts).expect_err(expected);
            assert!(found.contains(expected), "{found}");
        }
    }
}
