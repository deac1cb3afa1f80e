//! A client with a lease: takes one, ties keys to it, keeps it alive, and lets go.

use bytes::Bytes;
use ketch_base::{Code, LeaseId};
use ketch_proto::etcdserverpb::{LeaseGrantRequest, LeaseRevokeRequest, PutRequest, RangeRequest};

use super::Kind;
use crate::fact::{Call, Outcome};
use crate::world::World;
use crate::world::plan::SECOND;

/// The lease a client has.
#[derive(Default)]
pub(crate) struct Tenancy {
    lease: Option<LeaseId>,
    ttl_s: i64,
    keys: u64,
    /// Renewals it still means to make.
    renewals: u64,
    renew_at_us: u64,
    /// Nothing more is done for the lease; from here on the client waits to see it go.
    left_at_us: Option<u64>,
}

impl World {
    pub(crate) fn lessees_wish(&mut self, client: usize) -> Option<Call> {
        let now_us = self.now_us;
        let fresh = LeaseId(10_000 + self.next_value as i64);
        let number = self.clients[client].number;
        let Kind::Lessee(tenancy) = &mut self.clients[client].kind else { return None };
        let Some(lease) = tenancy.lease else {
            self.next_value += 1;
            tenancy.renewals = self.rng.below(6);
            let ttl = 1 + self.rng.below(4) as i64;
            return Some(Call::LeaseGrant(LeaseGrantRequest { ttl, id: fresh.0 }));
        };
        if tenancy.keys < 2 {
            tenancy.keys += 1;
            let key = Bytes::from(format!("k/lease-{number}-{}", tenancy.keys));
            let value = self.new_value();
            return Some(Call::Put(PutRequest {
                key,
                value,
                lease: lease.0,
                ..Default::default()
            }));
        }
        if let Some(left_us) = tenancy.left_at_us {
            if now_us > left_us + 3 * tenancy.ttl_s as u64 * SECOND {
                tenancy.lease = None;
            }
            let key = Bytes::from(format!("k/lease-{number}-1"));
            return Some(Call::Range(RangeRequest { key, ..Default::default() }));
        }
        if tenancy.renewals == 0 {
            tenancy.left_at_us = Some(now_us);
            // Mostly it is left to run out.
            return self
                .rng
                .once_in(3)
                .then_some(Call::LeaseRevoke(LeaseRevokeRequest { id: lease.0 }));
        }
        if now_us < tenancy.renew_at_us {
            return None;
        }
        tenancy.renewals -= 1;
        Some(Call::LeaseKeepAlive(lease))
    }
}

impl Tenancy {
    pub(super) fn learn(&mut self, what: &Call, outcome: &Outcome, now_us: u64) {
        match (what, outcome) {
            (Call::LeaseGrant(_), Outcome::LeaseGrant { id, ttl_s }) => {
                let renewals = self.renewals;
                *self = Self { lease: Some(*id), ttl_s: *ttl_s, renewals, ..Self::default() };
                self.renew_later(now_us);
            }
            (Call::LeaseKeepAlive(_), Outcome::LeaseKeepAlive { .. }) => self.renew_later(now_us),
            (Call::LeaseRevoke(_), Outcome::LeaseRevoke { .. })
            | (_, Outcome::Refused(Code::LeaseNotFound)) => *self = Self::default(),
            _ => {}
        }
    }

    fn renew_later(&mut self, now_us: u64) {
        self.renew_at_us = now_us + self.ttl_s as u64 * SECOND / 3;
    }
}
