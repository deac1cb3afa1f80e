//! Majorities, single and joint: what is committed, who is elected.

/// The state of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tally {
    /// Can still go either way.
    Open,
    /// A quorum said yes.
    Won,
    /// A quorum of yes is no longer possible.
    Lost,
}

/// A set of voters of whom more than half decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Majority {
    /// Invariant: ascending, without repeats.
    voters: Vec<u64>,
}

impl Majority {
    pub(crate) fn new(mut voters: Vec<u64>) -> Self {
        voters.sort_unstable();
        voters.dedup();
        Self { voters }
    }

    pub(crate) fn voters(&self) -> &[u64] {
        &self.voters
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.voters.is_empty()
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.voters.binary_search(&id).is_ok()
    }

    pub(crate) fn insert(&mut self, id: u64) {
        if let Err(at) = self.voters.binary_search(&id) {
            self.voters.insert(at, id);
        }
    }

    pub(crate) fn remove(&mut self, id: u64) {
        if let Ok(at) = self.voters.binary_search(&id) {
            self.voters.remove(at);
        }
    }

    /// The highest value that more than half have reached. An empty set stops nobody.
    pub(crate) fn reached(&self, of: impl Fn(u64) -> u64) -> u64 {
        match self.voters.as_slice() {
            [] => u64::MAX,
            [sole] => of(*sole),
            voters => {
                let mut values: Vec<u64> = voters.iter().map(|id| of(*id)).collect();
                values.sort_unstable();
                values[(values.len() - 1) / 2]
            }
        }
    }

    /// Counts votes; an empty set has always won.
    pub(crate) fn tally(&self, vote: impl Fn(u64) -> Option<bool>) -> Tally {
        let needed = self.voters.len() / 2 + 1;
        let (mut yes, mut no) = (0, 0);
        for id in &self.voters {
            match vote(*id) {
                Some(true) => yes += 1,
                Some(false) => no += 1,
                None => {}
            }
        }
        if self.voters.is_empty() || yes >= needed {
            Tally::Won
        } else if self.voters.len() - no < needed {
            Tally::Lost
        } else {
            Tally::Open
        }
    }
}

/// Two majorities that must agree; outside of a joint change the second is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Joint {
    pub(crate) incoming: Majority,
    pub(crate) outgoing: Majority,
}

impl Joint {
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.incoming.contains(id) || self.outgoing.contains(id)
    }

    /// Whether `id` alone is the quorum.
    pub(crate) fn is_sole(&self, id: u64) -> bool {
        self.outgoing.is_empty() && self.incoming.voters() == [id]
    }

    /// Every voter of either half, ascending.
    pub(crate) fn voters(&self) -> Vec<u64> {
        let both = self.incoming.voters().iter().chain(self.outgoing.voters());
        Majority::new(both.copied().collect()).voters
    }

    pub(crate) fn reached(&self, of: impl Fn(u64) -> u64) -> u64 {
        self.incoming.reached(&of).min(self.outgoing.reached(&of))
    }

    pub(crate) fn tally(&self, vote: impl Fn(u64) -> Option<bool>) -> Tally {
        match (self.incoming.tally(&vote), self.outgoing.tally(&vote)) {
            (Tally::Lost, _) | (_, Tally::Lost) => Tally::Lost,
            (Tally::Won, Tally::Won) => Tally::Won,
            _ => Tally::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joint(incoming: &[u64], outgoing: &[u64]) -> Joint {
        Joint {
            incoming: Majority::new(incoming.to_vec()),
            outgoing: Majority::new(outgoing.to_vec()),
        }
    }

    #[test]
    fn reached_is_the_median_from_below() {
        // Acknowledged index of member n is acks[n - 1].
        let check = |incoming: &[u64], outgoing: &[u64], acks: &[u64], want: u64| {
            let got = joint(incoming, outgoing).reached(|id| acks[id as usize - 1]);
            assert_eq!(got, want, "{incoming:?} {outgoing:?} {acks:?}");
        };
        check(&[], &[], &[], u64::MAX);
        check(&[1], &[], &[7], 7);
        check(&[1, 2], &[], &[7, 3], 3);
        check(&[1, 2, 3], &[], &[7, 3, 5], 5);
        check(&[1, 2, 3, 4], &[], &[7, 3, 5, 9], 5);
        check(&[1, 2, 3, 4, 5], &[], &[1, 2, 3, 4, 5], 3);
        check(&[1, 2, 3], &[3, 4, 5], &[9, 9, 9, 2, 4], 4);
        check(&[1, 2, 3], &[1], &[3, 9, 9], 3);
    }

    #[test]
    fn tallies() {
        // One letter a member: y, n or -.
        let check = |incoming: &[u64], outgoing: &[u64], votes: &str, want: Tally| {
            let vote = |id: u64| match votes.as_bytes()[id as usize - 1] {
                b'y' => Some(true),
                b'n' => Some(false),
                _ => None,
            };
            assert_eq!(joint(incoming, outgoing).tally(vote), want, "{votes}");
        };
        check(&[1], &[], "-", Tally::Open);
        check(&[1], &[], "y", Tally::Won);
        check(&[1, 2], &[], "yn", Tally::Lost);
        check(&[1, 2, 3], &[], "y-n", Tally::Open);
        check(&[1, 2, 3], &[], "yny", Tally::Won);
        check(&[1, 2, 3], &[], "nn-", Tally::Lost);
        check(&[1, 2, 3], &[3, 4, 5], "yy---", Tally::Open);
        check(&[1, 2, 3], &[3, 4, 5], "yy-yy", Tally::Won);
        check(&[1, 2, 3], &[3, 4, 5], "yy-nn", Tally::Lost);
    }
}
