//! Clients' calls at a member, served as the server does.

use ketch_apply::Answer;
use ketch_auth::Caller;
use ketch_base::{Code, Index, LeaseId, RequestId};
use ketch_mvcc::Error;
use ketch_node::Event;
use ketch_proto::etcdserverpb::{self as pb, InternalRaftRequest, RequestHeader, request_op};
use ketch_proto::mvccpb::KeyValue;
use prost::Message;

use super::auth::{Errand, Pass};
use super::reads::Reading;
use crate::fact::{Call, CallId, Outcome};
use crate::world::World;
use crate::world::happening::What;

impl World {
    /// A call reaches a member.
    pub(crate) fn ask(&mut self, slot: usize, errand: Errand) {
        let id = self.seats[slot].id;
        if self.is_away(slot) {
            let delay_us = self.seats[slot].paused_until_us - self.now_us;
            self.after(delay_us, What::Ask { slot, errand });
            return;
        }
        let Some(life) = &self.seats[slot].life else {
            // Nobody listens.
            self.reply(errand.call, Outcome::Refused(Code::Stopped));
            return;
        };
        let learns = life.shared.membership().member(id).is_some_and(|member| member.is_learner);
        if learns && !is_local(&errand.what) {
            self.reply(errand.call, Outcome::Refused(Code::NotSupportedForLearner));
            return;
        }
        self.let_pass(slot, errand);
    }

    pub(crate) fn propose(
        &mut self,
        slot: usize,
        call: Option<CallId>,
        by: Option<Caller>,
        mut request: InternalRaftRequest,
    ) {
        let Some(life) = &mut self.seats[slot].life else { return };
        let id = life.ids.next();
        let Caller { user: username, revision: auth_revision } = by.unwrap_or_default();
        request.header = Some(RequestHeader { id: id.0, username, auth_revision });
        if let Some(call) = call {
            life.waiters.insert(id, call);
        }
        self.post(slot, Event::Propose { id, data: request.encode_to_vec().into() });
    }

    /// A proposal was not taken.
    pub(crate) fn refused(&mut self, slot: usize, id: RequestId, code: Code) {
        let Some(life) = &mut self.seats[slot].life else { return };
        if let Some(call) = life.waiters.remove(&id) {
            self.reply(call, Outcome::Refused(code));
        }
    }

    /// An entry was applied whose proposer may wait here.
    pub(crate) fn answer_waiter(
        &mut self,
        slot: usize,
        id: RequestId,
        index: Index,
        result: Result<Answer, Code>,
    ) {
        let header = self.header(slot);
        let Some(life) = &mut self.seats[slot].life else { return };
        let Some(call) = life.waiters.remove(&id) else { return };
        let outcome = match result {
            Ok(Answer::Authenticate { response, revision, .. }) => {
                return self.logged_in(slot, call, response.token, revision);
            }
            Ok(answer) => outcome(answer, header, index),
            Err(code) => Some(Outcome::Refused(code)),
        };
        match outcome {
            Some(outcome) => self.reply(call, outcome),
            None => self.violate(format!("call {call:?} got the answer to another question")),
        }
    }

    /// A read on the state as it is here and now.
    pub(crate) fn read_now(&mut self, slot: usize, call: CallId, what: &Call, pass: &Pass) {
        let header = self.header(slot);
        let Some(life) = &self.seats[slot].life else { return };
        let outcome = match what {
            Call::Range(request) => life.reader.range(request).map(|answer| {
                let kvs = answer.rows.into_iter().map(KeyValue::decode);
                let header = Some(pb::ResponseHeader { revision: answer.revision, ..header });
                let (more, count) = (answer.more, answer.count);
                let kvs: Vec<KeyValue> = kvs.filter_map(Result::ok).collect();
                Outcome::Range(pb::RangeResponse { header, kvs, more, count })
            }),
            Call::Txn(request) => ketch_apply::read::txn(&life.reader, request).map(|answer| {
                let header = completed(answer.header, header);
                Outcome::Txn(pb::TxnResponse { header, ..answer })
            }),
            _ => return,
        };
        match outcome {
            Ok(outcome) => {
                let outcome = life.holds(pass).map_or_else(Outcome::Refused, |()| outcome);
                self.reply(call, outcome);
            }
            Err(Error::Refused(code)) => self.reply(call, Outcome::Refused(code)),
            Err(error) => {
                self.reply(call, Outcome::Refused(Code::Corrupt));
                self.halt(slot, format!("read: {error}"));
            }
        }
    }

    /// A renewal: the leader's matter, wherever it came in.
    pub(crate) fn renew_somewhere(&mut self, slot: usize, call: CallId, lease: LeaseId) {
        let Some(life) = &self.seats[slot].life else { return };
        if life.leads {
            self.renew(slot, call, lease);
            return;
        }
        let Some(leader) = life.node.status().leader.and_then(|id| self.slot_of(id.0)) else {
            self.reply(call, Outcome::Refused(Code::NoLeader));
            return;
        };
        if !self.network.is_cut(slot, leader) {
            let delay_us = self.network.flight_us(&self.plan, &mut self.rng);
            self.after(delay_us, What::Renew { slot: leader, call, lease });
        }
    }

    /// A renewal reaches who is taken for the leader.
    pub(crate) fn renew(&mut self, slot: usize, call: CallId, lease: LeaseId) {
        if self.is_away(slot) {
            return;
        }
        match &self.seats[slot].life {
            Some(life) if life.leads => self.read(slot, Reading::Renew(call, lease)),
            Some(_) => self.reply(call, Outcome::Refused(Code::NotLeader)),
            None => {}
        }
    }

    fn header(&self, slot: usize) -> pb::ResponseHeader {
        let seat = &self.seats[slot];
        let Some(life) = &seat.life else { return pb::ResponseHeader::default() };
        pb::ResponseHeader {
            cluster_id: 1,
            member_id: seat.id.0,
            revision: life.reader.revision(),
            raft_term: life.node.status().term.0,
        }
    }

    /// Sends an outcome on its way; it may be lost.
    pub(crate) fn reply(&mut self, call: CallId, outcome: Outcome) {
        let is_lost = !self.network.calm && self.rng.below(1000) < self.plan.loss / 4;
        if !is_lost {
            let delay_us = 20 + self.rng.below(500);
            self.after(delay_us, What::Answer { call, outcome });
        }
    }
}

/// Whether it needs nobody else.
pub(crate) fn is_local(what: &Call) -> bool {
    matches!(what, Call::Range(range) if range.serializable)
}

pub(crate) fn reads_only(what: &Call) -> bool {
    match what {
        Call::Range(_) => true,
        Call::Txn(txn) => txn
            .success
            .iter()
            .chain(&txn.failure)
            .all(|op| matches!(&op.request, Some(request_op::Request::RequestRange(_)))),
        _ => false,
    }
}

pub(crate) fn request(what: Call) -> InternalRaftRequest {
    let mut request = InternalRaftRequest::default();
    match what {
        Call::Put(put) => request.put = Some(put),
        Call::Range(range) => request.range = Some(range),
        Call::DeleteRange(delete) => request.delete_range = Some(delete),
        Call::Txn(txn) => request.txn = Some(txn),
        Call::Compact(compaction) => request.compaction = Some(compaction),
        Call::LeaseGrant(grant) => request.lease_grant = Some(grant),
        Call::LeaseRevoke(revoke) => request.lease_revoke = Some(revoke),
        Call::Auth(change) => request = *change,
        // These go other ways.
        Call::LeaseKeepAlive(_) | Call::Authenticate { .. } => {}
    }
    request
}

/// The header of an answer: a revision of 0 is for the edge to fill in.
fn completed(
    header: Option<pb::ResponseHeader>,
    edge: pb::ResponseHeader,
) -> Option<pb::ResponseHeader> {
    let revision = header.map_or(0, |header| header.revision);
    Some(if revision == 0 { edge } else { pb::ResponseHeader { revision, ..edge } })
}

fn outcome(answer: Answer, edge: pb::ResponseHeader, index: Index) -> Option<Outcome> {
    let complete = |header| completed(header, edge);
    Some(match answer {
        Answer::Put(put) => Outcome::Put(pb::PutResponse { header: complete(put.header), ..put }),
        Answer::DeleteRange(delete) => {
            let header = complete(delete.header);
            Outcome::DeleteRange(pb::DeleteRangeResponse { header, ..delete })
        }
        Answer::Txn(txn) => Outcome::Txn(pb::TxnResponse { header: complete(txn.header), ..txn }),
        Answer::Compaction(_) => Outcome::Compact,
        Answer::LeaseGrant(grant) => {
            Outcome::LeaseGrant { id: LeaseId(grant.id), ttl_s: grant.ttl }
        }
        Answer::LeaseRevoke(revoke) => {
            let revision = complete(revoke.header).map_or(0, |header| header.revision);
            Outcome::LeaseRevoke { revision }
        }
        Answer::AuthEnable(_) | Answer::AuthDisable(_) => Outcome::Auth { index },
        Answer::UserAdd(_) | Answer::UserDelete(_) => Outcome::Auth { index },
        Answer::UserChangePassword(_) | Answer::UserGrantRole(_) => Outcome::Auth { index },
        Answer::UserRevokeRole(_) | Answer::RoleAdd(_) => Outcome::Auth { index },
        Answer::RoleDelete(_) | Answer::RoleGrantPermission(_) => Outcome::Auth { index },
        Answer::RoleRevokePermission(_) => Outcome::Auth { index },
        _ => return None,
    })
}
