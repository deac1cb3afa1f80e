//! From the bytes of an entry to one request, and what alarms and quota say to it.

use bytes::Bytes;
use ketch_auth::Caller;
use ketch_auth::gate;
use ketch_backend::Batch;
use ketch_base::planted::{self, Bug};
use ketch_base::{Code, RequestId};
use ketch_proto::etcdserverpb::{self as pb, AlarmType, InternalRaftRequest};
use ketch_proto::membershippb;
use prost::Message;

use crate::answer::Answer;
use crate::auth::{self, LeaseKeys};
use crate::machine::{Handled, Machine};
use crate::quota;

/// What has no name in etcd's metrics.
pub(crate) const OP_UNKNOWN: &str = "unknown";

/// One entry's request.
#[derive(Debug)]
pub(crate) struct Request {
    id: u64,
    /// Who asks, as the member says that proposed it; empty for members themselves.
    caller: Caller,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// Nothing to do: a new leader's first entry, or a request of no effect.
    Empty,
    Range(pb::RangeRequest),
    Put(pb::PutRequest),
    DeleteRange(pb::DeleteRangeRequest),
    Txn(pb::TxnRequest),
    Compaction(pb::CompactionRequest),
    LeaseGrant(pb::LeaseGrantRequest),
    LeaseRevoke(pb::LeaseRevokeRequest),
    LeaseCheckpoint(pb::LeaseCheckpointRequest),
    Alarm(pb::AlarmRequest),
    ClusterVersion(membershippb::ClusterVersionSetRequest),
    MemberAttributes(membershippb::ClusterMemberAttrSetRequest),
    Downgrade(membershippb::DowngradeInfoSetRequest),
    /// As members up to 3.5 wrote attributes and cluster version.
    V2(pb::Request),
    Auth(auth::Request),
    /// What no release has made.
    Unimplemented,
}

impl Request {
    /// `None` for bytes that are no request of any release.
    pub(crate) fn decode(data: Bytes) -> Option<Self> {
        if data.is_empty() {
            return Some(Self { id: 0, caller: Caller::default(), body: Body::Empty });
        }
        if let Some(request) = v2(&data) {
            let id = request.id();
            return Some(Self { id, caller: Caller::default(), body: Body::V2(request) });
        }
        let mut request = InternalRaftRequest::decode(data).ok()?;
        let header = request.header.take().unwrap_or_default();
        let id = if request.id == 0 { header.id } else { request.id };
        let caller = Caller { user: header.username, revision: header.auth_revision };
        Some(Self { id, caller, body: body(request) })
    }

    /// Who waits, if anybody.
    pub(crate) fn id(&self) -> Option<RequestId> {
        (self.id != 0).then_some(RequestId(self.id))
    }

    /// Its name in etcd's metrics.
    pub(crate) fn op(&self) -> &'static str {
        match self.body {
            Body::Range(_) => "Range",
            Body::Put(_) => "Put",
            Body::DeleteRange(_) => "DeleteRange",
            Body::Txn(_) => "Txn",
            Body::Compaction(_) => "Compaction",
            Body::LeaseGrant(_) => "LeaseGrant",
            Body::LeaseRevoke(_) => "LeaseRevoke",
            Body::LeaseCheckpoint(_) => "LeaseCheckpoint",
            Body::Alarm(_) => "Alarm",
            Body::ClusterVersion(_) => "ClusterVersionSet",
            Body::MemberAttributes(_) => "ClusterMemberAttrSet",
            Body::Downgrade(_) => "DowngradeInfoSet",
            Body::Auth(ref request) => request.op(),
            Body::Empty | Body::V2(_) | Body::Unimplemented => OP_UNKNOWN,
        }
    }

    /// As the gate knows it.
    fn judged(&self) -> gate::Request<'_> {
        match &self.body {
            Body::Range(range) => gate::Request::Range(range),
            Body::Put(put) => gate::Request::Put(put),
            Body::DeleteRange(delete) => gate::Request::DeleteRange(delete),
            Body::Txn(txn) => gate::Request::Txn(txn),
            Body::Compaction(_) => gate::Request::Compact,
            Body::LeaseGrant(_) => gate::Request::LeaseGrant,
            Body::LeaseRevoke(revoke) => gate::Request::LeaseRevoke(revoke),
            Body::Alarm(alarm) => gate::Request::Alarm(alarm),
            Body::Auth(request) => request.judged(),
            Body::LeaseCheckpoint(_) | Body::ClusterVersion(_) => gate::Request::Internal,
            Body::MemberAttributes(_) | Body::Downgrade(_) => gate::Request::Internal,
            Body::Empty | Body::V2(_) | Body::Unimplemented => gate::Request::Internal,
        }
    }

    /// Bytes the request is reckoned to add, 0 if it adds none.
    fn cost(&self) -> i64 {
        match &self.body {
            Body::Put(put) => quota::cost_put(put),
            Body::Txn(txn) => quota::cost_txn(txn),
            Body::LeaseGrant(_) => quota::cost_lease_grant(),
            _ => 0,
        }
    }

    /// Whether a corrupt member refuses it: all that reads or changes keys and leases.
    fn touches_data(&self) -> bool {
        matches!(
            self.body,
            Body::Range(_)
                | Body::Put(_)
                | Body::DeleteRange(_)
                | Body::Txn(_)
                | Body::Compaction(_)
                | Body::LeaseGrant(_)
                | Body::LeaseRevoke(_)
        )
    }
}

/// A request of the old store has its id and then its method, in a field that no request of today
/// has.
fn v2(data: &Bytes) -> Option<pb::Request> {
    let rest = data.strip_prefix(&[0x08])?;
    let id_end = rest.iter().position(|byte| byte & 0x80 == 0)?;
    (*rest.get(id_end + 1)? == 0x12).then(|| pb::Request::decode(data.clone()).ok())?
}

fn body(mut request: InternalRaftRequest) -> Body {
    if let Some(request) = auth::Request::take(&mut request) {
        return Body::Auth(request);
    }
    let InternalRaftRequest { put, txn, delete_range, range, compaction, .. } = request;
    let InternalRaftRequest { lease_grant, lease_revoke, lease_checkpoint, alarm, .. } = request;
    let InternalRaftRequest { cluster_version_set, cluster_member_attr_set, .. } = request;
    let found = put
        .map(Body::Put)
        .or_else(|| txn.map(Body::Txn))
        .or_else(|| delete_range.map(Body::DeleteRange))
        .or_else(|| range.map(Body::Range))
        .or_else(|| compaction.map(Body::Compaction))
        .or_else(|| lease_grant.map(Body::LeaseGrant))
        .or_else(|| lease_revoke.map(Body::LeaseRevoke))
        .or_else(|| lease_checkpoint.map(Body::LeaseCheckpoint))
        .or_else(|| alarm.map(Body::Alarm))
        .or_else(|| cluster_version_set.map(Body::ClusterVersion))
        .or_else(|| cluster_member_attr_set.map(Body::MemberAttributes))
        .or_else(|| request.downgrade_info_set.map(Body::Downgrade))
        .or_else(|| request.downgrade_version_test.map(|_| Body::Empty));
    found.unwrap_or(Body::Unimplemented)
}

impl Machine {
    /// The alarms in force decide first.
    pub(crate) fn guard(&self, request: &Request) -> Result<(), Code> {
        let alarms = self.shared.alarms();
        if alarms.active(AlarmType::Corrupt) && request.touches_data() {
            return Err(Code::Corrupt);
        }
        if alarms.active(AlarmType::Nospace) && request.cost() > 0 {
            return Err(Code::NoSpace);
        }
        Ok(())
    }

    /// The gate decides next, on the state as of this entry.
    pub(crate) fn pass(&self, request: &Request) -> Result<(), Code> {
        if planted::is(Bug::UnjudgedApply) {
            return Ok(());
        }
        let leases = LeaseKeys(self.lessor.clone());
        gate::judge_applied(&self.auth, &request.caller, &request.judged(), &leases)
    }

    /// Whether the local file has room for the request.
    pub(crate) fn fits(&self, request: &Request) -> bool {
        let cost = request.cost();
        cost == 0 || self.shared.quota().available(cost, self.backend.size_file())
    }

    /// Whoever changes the history takes the batch and commits it; others leave it.
    pub(crate) fn handle(&mut self, request: Request, batch: &mut Batch) -> Handled {
        match request.body {
            Body::Empty => Ok(Ok(Answer::Empty).into()),
            Body::Range(range) => self.range(&range),
            Body::Put(put) => self.put(put, batch),
            Body::DeleteRange(delete) => self.delete_range(&delete, batch),
            Body::Txn(txn) => self.txn(&txn, batch),
            Body::Compaction(compaction) => Ok(self.compact(&compaction, batch).into()),
            Body::LeaseGrant(grant) => Ok(self.lease_grant(&grant, batch).into()),
            Body::LeaseRevoke(revoke) => self.lease_revoke(&revoke, batch),
            Body::LeaseCheckpoint(checkpoint) => Ok(self.lease_checkpoint(&checkpoint, batch)),
            Body::Alarm(alarm) => Ok(self.alarm(&alarm, batch)),
            Body::ClusterVersion(set) => Ok(self.set_cluster_version(set.ver, batch)),
            Body::MemberAttributes(set) => Ok(self.set_attributes(set, batch)),
            Body::Downgrade(set) => Ok(self.set_downgrade(set, batch)),
            Body::V2(request) => Ok(self.v2(&request, batch)),
            Body::Auth(request) => Ok(self.authenticate(&request, batch).into()),
            Body::Unimplemented => Ok(Ok(Answer::Unimplemented).into()),
        }
    }
}
