//! Leases: none ends by time before its time is over since it was last answered for, and each
//! that nobody keeps alive does end.
//!
//! Time counts from when the client called: the member took the grant or keep-alive up later, so
//! a lease that ends earlier than call + TTL ended early by any honest clock. A lease that someone
//! asked to revoke may end at any time from then on.

use std::collections::{BTreeMap, BTreeSet};

use ketch_base::LeaseId;

use super::liveness::RECOVERED_WITHIN_MS;
use super::{Check, Violation, broken};
use crate::fact::{Call, CallId, Fact, Moment, Outcome};

const NAME: &str = "lease";

struct Lease {
    /// It may not end before.
    not_before_ms: u64,
    /// When its owner last heard of it.
    heard_ms: u64,
    ttl_ms: u64,
}

#[derive(Default)]
pub(super) struct LeaseTime {
    open: BTreeMap<CallId, (Moment, Call)>,
    leases: BTreeMap<LeaseId, Lease>,
    /// Someone asked for their end.
    revoked: BTreeSet<LeaseId>,
    gone: BTreeSet<LeaseId>,
    healed: Option<Moment>,
    last: Moment,
    compared: u64,
}

impl LeaseTime {
    fn called(&mut self, at: Moment, call: CallId, what: &Call) {
        match what {
            Call::LeaseRevoke(request) => {
                self.revoked.insert(LeaseId(request.id));
            }
            Call::LeaseGrant(_) | Call::LeaseKeepAlive(_) => {
                self.open.insert(call, (at, what.clone()));
            }
            _ => {}
        }
    }

    fn returned(&mut self, at: Moment, call: CallId, outcome: &Outcome) -> Result<(), String> {
        let Some((began, what)) = self.open.remove(&call) else { return Ok(()) };
        let (id, ttl_s) = match (what, outcome) {
            (_, Outcome::LeaseGrant { id, ttl_s }) => (*id, *ttl_s),
            (Call::LeaseKeepAlive(id), Outcome::LeaseKeepAlive { ttl_s }) => (id, *ttl_s),
            _ => return Ok(()),
        };
        if ttl_s <= 0 {
            return self.ends(at, id, "was not found");
        }
        let ttl_ms = ttl_s as u64 * 1000;
        let not_before_ms = began.ms + ttl_ms;
        let lease =
            self.leases.entry(id).or_insert(Lease { not_before_ms, heard_ms: at.ms, ttl_ms });
        lease.not_before_ms = lease.not_before_ms.max(not_before_ms);
        lease.heard_ms = at.ms;
        Ok(())
    }

    fn ends(&mut self, at: Moment, id: LeaseId, how: &str) -> Result<(), String> {
        if self.revoked.contains(&id) || self.gone.contains(&id) {
            return Ok(());
        }
        let Some(lease) = self.leases.get(&id) else { return Ok(()) };
        self.compared += 1;
        if at.ms < lease.not_before_ms {
            let early = lease.not_before_ms - at.ms;
            return Err(format!("lease {id} {how} {early} ms before its time"));
        }
        Ok(())
    }

    fn left(&self) -> Option<(&LeaseId, u64)> {
        let healed = self.healed?;
        let over =
            |lease: &Lease| lease.heard_ms.max(healed.ms) + 2 * lease.ttl_ms + RECOVERED_WITHIN_MS;
        let live = self.leases.iter().filter(|(id, _)| !self.gone.contains(id));
        live.map(|(id, lease)| (id, over(lease))).find(|(_, over)| *over < self.last.ms)
    }
}

impl Check for LeaseTime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, at: Moment, fact: &Fact) -> Result<(), Violation> {
        self.last = at;
        let result = match fact {
            Fact::Called { call, what, .. } => {
                self.called(at, *call, what);
                Ok(())
            }
            Fact::Returned { call, outcome } => self.returned(at, *call, outcome),
            Fact::LeaseGone { lease, .. } => {
                let result = self.ends(at, *lease, "ended");
                self.gone.insert(*lease);
                result
            }
            Fact::FaultsEnded => {
                self.healed = Some(at);
                Ok(())
            }
            _ => Ok(()),
        };
        result.map_err(|what| broken(NAME, at, what))
    }

    fn finish(&mut self) -> Result<u64, Violation> {
        if let Some((id, over)) = self.left() {
            let what = format!("lease {id} lives on, its time was over at {over} ms at the latest");
            return Err(broken(NAME, self.last, what));
        }
        Ok(self.compared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::made::{called, rest, returned};
    use crate::checks::trial_at;
    use ketch_base::MemberId;
    use ketch_proto::etcdserverpb::{LeaseGrantRequest, LeaseRevokeRequest};

    const ID: LeaseId = LeaseId(7);

    fn gone(ms: u64) -> (u64, Fact) {
        (ms, Fact::LeaseGone { member: MemberId(1), lease: ID })
    }

    fn run(more: Vec<(u64, Fact)>) -> Result<u64, String> {
        let grant = Call::LeaseGrant(LeaseGrantRequest { id: 7, ttl: 2 });
        let granted = Outcome::LeaseGrant { id: ID, ttl_s: 2 };
        let start = [(0, called(1, 1, grant)), (100, returned(1, granted))];
        trial_at(Box::new(LeaseTime::default()), start.into_iter().chain(more).collect())
    }

    fn kept_alive(ms: u64, ttl_s: i64) -> [(u64, Fact); 2] {
        let kept = Outcome::LeaseKeepAlive { ttl_s };
        [(ms, called(2, 1, Call::LeaseKeepAlive(ID))), (ms + 100, returned(2, kept))]
    }

    #[test]
    fn in_time_or_revoked() {
        assert_eq!(run(vec![gone(2000)]), Ok(1));
        let revoke = Call::LeaseRevoke(LeaseRevokeRequest { id: 7 });
        assert_eq!(run(vec![(500, called(3, 1, revoke)), gone(501)]), Ok(0));
        let kept = kept_alive(1000, 2).into_iter().chain([gone(3000), (3200, rest(1, 1))]);
        assert_eq!(run(kept.collect()), Ok(1));
        let mut late = vec![(0, Fact::FaultsEnded), gone(2500)];
        late.push((90_000, rest(1, 1)));
        assert_eq!(run(late), Ok(1));
    }

    #[test]
    fn fires() {
        let late = vec![(0, Fact::FaultsEnded), (90_000, rest(1, 1))];
        let cases = [
            ("ended 1 ms before", vec![gone(1999)]),
            ("ended 500 ms before", kept_alive(1000, 2).into_iter().chain([gone(2500)]).collect()),
            ("was not found", kept_alive(1000, -1).to_vec()),
            ("lives on", late),
        ];
        for (expected, more) in cases {
            let found = run(more).expect_err(expected);
            assert!(found.contains(expected), "{found}");
        }
    }
}
