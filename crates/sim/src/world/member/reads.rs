//! What waits for a leader's word, and for its index to be applied.

use ketch_base::{Code, Index, LeaseId};
use ketch_node::Event;
use ketch_proto::etcdserverpb::{self as pb, InternalRaftRequest};

use super::auth::{Errand, Pass};
use crate::fact::{Call, CallId, Outcome};
use crate::world::World;
use crate::world::happening::Work;
use crate::world::plan::MS;

/// Expired leases proposed for revocation at a time.
const LEASES_MAX: usize = 100;

/// Who asked.
pub(crate) enum Reading {
    /// A client reads.
    Call(CallId, Call),
    /// A client's call is judged by what is newest.
    Judge(Errand),
    /// A client logs in: user and password.
    LogIn(CallId, String, String),
    /// A client renews a lease; the leader makes sure that it leads.
    Renew(CallId, LeaseId),
    /// The leader makes sure that it leads before it proposes to revoke.
    Revoke(Vec<LeaseId>),
}

impl World {
    /// Asks for an index.
    pub(crate) fn read(&mut self, slot: usize, reading: Reading) {
        let Some(life) = &mut self.seats[slot].life else { return };
        if let Some(from) = life.node.alone_from().filter(|from| *from <= life.applied) {
            life.unapplied.push((from, reading));
            self.serve_applied(slot);
            return;
        }
        let token = life.next_token;
        life.next_token += 1;
        life.reads.insert(token, reading);
        self.post(slot, Event::Read { token });
    }

    pub(crate) fn read_ready(&mut self, slot: usize, token: u64, index: Index) {
        let Some(life) = &mut self.seats[slot].life else { return };
        let Some(reading) = life.reads.remove(&token) else { return };
        life.unapplied.push((index, reading));
        self.serve_applied(slot);
    }

    pub(crate) fn read_refused(&mut self, slot: usize, token: u64, code: Code) {
        let Some(life) = &mut self.seats[slot].life else { return };
        match life.reads.remove(&token) {
            Some(
                Reading::Call(call, _)
                | Reading::Judge(Errand { call, .. })
                | Reading::LogIn(call, ..)
                | Reading::Renew(call, _),
            ) => {
                self.reply(call, Outcome::Refused(code));
            }
            Some(Reading::Revoke(_)) | None => {}
        }
    }

    /// Serves the reads whose index is applied by now.
    pub(crate) fn serve_applied(&mut self, slot: usize) {
        let Some(life) = &mut self.seats[slot].life else { return };
        let applied = life.applied;
        let (due, waiting) =
            std::mem::take(&mut life.unapplied).into_iter().partition(|(at, _)| *at <= applied);
        life.unapplied = waiting;
        let due: Vec<(Index, Reading)> = due;
        for (_, reading) in due {
            match reading {
                Reading::Call(call, what) => self.read_now(slot, call, &what, &Pass::default()),
                Reading::Judge(errand) => self.judge_now(slot, errand),
                Reading::LogIn(call, user, password) => self.log_in(slot, call, user, password),
                Reading::Renew(call, lease) => self.renew_now(slot, call, lease),
                Reading::Revoke(leases) => self.revoke(slot, leases),
            }
        }
    }

    /// The leader looks for leases that ran out.
    pub(crate) fn look_for_leases(&mut self, slot: usize) {
        self.later(slot, 500 * MS, Work::Leases);
        self.dial(slot);
        let now_ms = self.lease_clock_ms(slot);
        let token_now_ms = self.now_ms();
        let Some(life) = &mut self.seats[slot].life else { return };
        life.auth.tokens().tick(token_now_ms);
        if !life.leads {
            return;
        }
        let expired = life.lessor.expired(now_ms, LEASES_MAX);
        if !expired.is_empty() {
            self.read(slot, Reading::Revoke(expired));
        }
    }

    fn revoke(&mut self, slot: usize, leases: Vec<LeaseId>) {
        let life = self.seats[slot].life.as_ref().filter(|life| life.leads);
        let Some(root) = life.map(|life| life.root()) else { return };
        for lease in leases {
            let lease_revoke = Some(pb::LeaseRevokeRequest { id: lease.0 });
            let request = InternalRaftRequest { lease_revoke, ..Default::default() };
            self.propose(slot, None, root.clone(), request);
        }
    }

    /// A renewal at the leader, which has just proved itself.
    fn renew_now(&mut self, slot: usize, call: CallId, lease: LeaseId) {
        let now_ms = self.lease_clock_ms(slot);
        let Some(life) = &mut self.seats[slot].life else { return };
        match life.lessor.renew(lease, now_ms) {
            Ok(renewed) => {
                self.reply(call, Outcome::LeaseKeepAlive { ttl_s: renewed.ttl_s });
                if renewed.clear_checkpoint {
                    self.forget_checkpoint(slot, lease);
                }
            }
            Err(code) => self.reply(call, Outcome::Refused(code)),
        }
    }

    /// A later leader must not count from a checkpoint before the renewal.
    fn forget_checkpoint(&mut self, slot: usize, lease: LeaseId) {
        let checkpoint = pb::LeaseCheckpoint { id: lease.0, remaining_ttl: 0 };
        let lease_checkpoint = Some(pb::LeaseCheckpointRequest { checkpoints: vec![checkpoint] });
        let request = InternalRaftRequest { lease_checkpoint, ..Default::default() };
        self.propose(slot, None, None, request);
    }
}
