//! Revisions only grow: on a member from entry to entry, by one at most; for calls that a quorum
//! answers in real time over all clients; for reads of a member's own state as long as it lives.

use std::collections::BTreeMap;

use ketch_base::MemberId;

use super::answer::{is_local, revision, wrote};
use super::{Check, Violation, broken};
use crate::fact::{Call, CallId, Fact, Moment, Outcome};

const NAME: &str = "revision monotonic";

struct Open {
    client: u64,
    member: MemberId,
    local: bool,
    /// The highest revision that was answered before this call began.
    floor: i64,
}

#[derive(Default)]
pub(super) struct RevisionMonotonic {
    applied: BTreeMap<MemberId, i64>,
    /// The highest revision any member ever came to.
    ceiling: i64,
    answered: i64,
    /// By client and member: the highest revision that member's own state had for this client.
    local: BTreeMap<(u64, MemberId), i64>,
    open: BTreeMap<CallId, Open>,
    seen: u64,
}

impl RevisionMonotonic {
    fn applied(&mut self, member: MemberId, revision: i64) -> Result<(), String> {
        self.seen += 1;
        self.ceiling = self.ceiling.max(revision);
        match self.applied.insert(member, revision) {
            Some(before) if revision < before || revision > before + 1 => {
                Err(format!("{member} went from revision {before} to {revision} by one entry"))
            }
            _ => Ok(()),
        }
    }

    fn called(&mut self, call: CallId, client: u64, member: MemberId, what: &Call) {
        let local = is_local(what);
        let own = self.local.get(&(client, member)).copied().unwrap_or_default();
        let floor = if local { own } else { self.answered };
        self.open.insert(call, Open { client, member, local, floor });
    }

    fn returned(&mut self, call: CallId, outcome: &Outcome) -> Result<(), String> {
        let Some(open) = self.open.remove(&call) else { return Ok(()) };
        let Some(revision) = revision(outcome) else { return Ok(()) };
        self.seen += 1;
        let floor = open.floor;
        if revision < floor || (wrote(outcome) && revision == floor) {
            let (call, client) = (call.0, open.client);
            return Err(format!("call {call} of client {client} got {revision} after {floor}"));
        }
        if revision > self.ceiling {
            let (call, ceiling) = (call.0, self.ceiling);
            return Err(format!(
                "call {call} got revision {revision}, no member is past {ceiling}"
            ));
        }
        if open.local {
            let known = self.local.entry((open.client, open.member)).or_default();
            *known = revision.max(*known);
        } else {
            self.answered = self.answered.max(revision);
        }
        Ok(())
    }

    fn ended(&mut self, member: MemberId) {
        self.applied.remove(&member);
        self.local.retain(|(_, at), _| *at != member);
        self.open.retain(|_, open| !(open.local && open.member == member));
    }
}

impl Check for RevisionMonotonic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        let result = match fact {
            Fact::Applied { member, revision, .. } => self.applied(*member, *revision),
            Fact::Called { call, client, member, what, .. } => {
                self.called(*call, *client, *member, what);
                Ok(())
            }
            Fact::Returned { call, outcome } => self.returned(*call, outcome),
            Fact::Installed { member, .. } => {
                self.applied.remove(member);
                Ok(())
            }
            Fact::Started { member, .. } | Fact::Crashed { member } => {
                self.ended(*member);
                Ok(())
            }
            _ => Ok(()),
        };
        result.map_err(|what| broken(NAME, at, what))
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        Ok(self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::made::{applied, called, get, get_local, put, put_ok, range_ok, returned};
    use crate::checks::trial;

    fn run(facts: Vec<Fact>) -> Result<u64, String> {
        trial(Box::new(RevisionMonotonic::default()), facts)
    }

    #[test]
    fn growing_revisions_pass() {
        let facts = vec![
            called(1, 1, put("a", "x")),
            called(2, 2, get("a")),
            applied(1, 1, 2),
            applied(2, 1, 2),
            returned(1, put_ok(2)),
            returned(2, range_ok(1, &[])),
            called(3, 3, get_local("a")),
            returned(3, range_ok(1, &[])),
            called(4, 3, get_local("a")),
            returned(4, range_ok(2, &[])),
        ];
        assert_eq!(run(facts), Ok(6));
    }

    #[test]
    fn fires() {
        let start = || vec![called(1, 1, put("a", "x")), applied(1, 1, 2), returned(1, put_ok(2))];
        let cases = [
            ("after 2", vec![called(2, 2, get("a")), returned(2, range_ok(1, &[]))]),
            ("after 2", vec![called(2, 2, put("a", "y")), returned(2, put_ok(2))]),
            ("by one entry", vec![applied(1, 2, 4)]),
            ("by one entry", vec![applied(1, 2, 1)]),
            ("no member is past", vec![called(2, 2, get("a")), returned(2, range_ok(3, &[]))]),
            (
                "after 2",
                vec![
                    called(2, 2, get_local("a")),
                    returned(2, range_ok(2, &[])),
                    called(3, 2, get_local("a")),
                    returned(3, range_ok(1, &[])),
                ],
            ),
        ];
        for (expected, more) in cases {
            let found = run(start().into_iter().chain(more).collect()).expect_err(expected);
            assert!(found.contains(expected), "{found}");
        }
    }
}
