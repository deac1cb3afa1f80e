//! Leases as far as they are replicated.

use std::mem;

use ketch_backend::Batch;
use ketch_base::{Code, KeyRange, LeaseId};
use ketch_proto::etcdserverpb as pb;

use crate::answer::Answer;
use crate::kv::header;
use crate::machine::{Handled, Machine, Outcome};

impl Machine {
    pub(crate) fn lease_grant(
        &mut self,
        request: &pb::LeaseGrantRequest,
        batch: &mut Batch,
    ) -> Result<Answer, Code> {
        let ttl = self.lessor.grant(LeaseId(request.id), request.ttl, batch)?;
        let header = header(self.store.revision());
        Ok(Answer::LeaseGrant(pb::LeaseGrantResponse {
            header,
            id: request.id,
            ttl,
            error: String::new(),
        }))
    }

    /// All keys of the lease go in one revision, in byte order.
    pub(crate) fn lease_revoke(
        &mut self,
        request: &pb::LeaseRevokeRequest,
        batch: &mut Batch,
    ) -> Handled {
        let keys = self.lessor.revoke(LeaseId(request.id), batch)?;
        let mut txn = self.store.write();
        for key in keys {
            txn.delete_range(&KeyRange::Key(key));
        }
        let committed = txn.commit(mem::take(batch));
        let header = header(committed.revision);
        let answer = Answer::LeaseRevoke(pb::LeaseRevokeResponse { header });
        Ok(Outcome::committed(answer, committed))
    }

    pub(crate) fn lease_checkpoint(
        &mut self,
        request: &pb::LeaseCheckpointRequest,
        batch: &mut Batch,
    ) -> Outcome {
        for checkpoint in &request.checkpoints {
            self.lessor.checkpoint(LeaseId(checkpoint.id), checkpoint.remaining_ttl, batch);
        }
        let header = header(self.store.revision());
        Ok(Answer::LeaseCheckpoint(pb::LeaseCheckpointResponse { header })).into()
    }
}
