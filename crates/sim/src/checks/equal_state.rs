//! Equal state: with everything still, all members stand at the same index and revision, have
//! compacted as far, and their HashKV is the same.

use ketch_base::{Index, MemberId};

use super::{Check, Violation, broken};
use crate::fact::{Fact, Moment};

const NAME: &str = "equal state";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    applied: Index,
    revision: i64,
    compacted: i64,
    hash: u32,
}

#[derive(Default)]
pub(super) struct EqualState {
    first: Option<(MemberId, State)>,
    members: u64,
}

impl Check for EqualState {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        let Fact::AtRest { member, applied, revision, compacted, hash } = fact else {
            return Ok(());
        };
        let (applied, revision, compacted, hash) = (*applied, *revision, *compacted, *hash);
        let state = State { applied, revision, compacted, hash };
        self.members += 1;
        let (other, known) = *self.first.get_or_insert((*member, state));
        if known != state {
            let what = format!("{member} ends with {state:?}, {other} with {known:?}");
            return Err(broken(NAME, at, what));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        Ok(self.members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::trial;

    fn rest(member: u64, revision: i64, hash: u32) -> Fact {
        Fact::AtRest { member: MemberId(member), applied: Index(9), revision, compacted: 2, hash }
    }

    #[test]
    fn fires_on_any_difference() {
        let run = |facts| trial(Box::new(EqualState::default()), facts);
        assert_eq!(run(vec![rest(1, 5, 7), rest(2, 5, 7), rest(3, 5, 7)]), Ok(3));
        assert!(run(vec![rest(1, 5, 7), rest(2, 5, 8)]).is_err());
        assert!(run(vec![rest(1, 5, 7), rest(2, 6, 7)]).is_err());
    }
}
