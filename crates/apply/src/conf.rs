//! Configuration changes: members come and go.

use bytes::Bytes;
use ketch_backend::{Batch, Bucket};
use ketch_base::planted::{self, Bug};
use ketch_base::{Code, Index, MemberId, RequestId};
use ketch_raft_proto::raftpb::{
    ConfChange, ConfChangeType, ConfChangeV2, ConfState, Entry, EntryType,
};
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Change};
use crate::error::Error;
use crate::machine::Machine;
use crate::membership::MemberChange;

pub(crate) const CONF_STATE_KEY: &[u8] = b"confState";

type Changed = (Option<RequestId>, Result<Answer, Code>, Change);

impl Machine {
    pub(crate) fn change_members(
        &mut self,
        entry: &Entry,
        batch: &mut Batch,
    ) -> Result<Changed, Error> {
        let mut change = single(entry)?;
        let index = Index(entry.index());
        let undecodable = || Error::Undecodable { index };
        let id = MemberId(change.node_id());
        let kind = ConfChangeType::try_from(change.r#type.unwrap_or_default())
            .map_err(|_| undecodable())?;
        let result = if id.0 == 0 {
            Ok(())
        } else {
            let parsed =
                MemberChange::parse(kind, id, change.context()).map_err(|_| undecodable())?;
            self.try_change(parsed, batch)
        };
        if result.is_err() {
            change.node_id = Some(0);
        }
        reconfigure(&mut self.conf_state, kind, change.node_id());
        if !planted::is(Bug::LostConfChange) {
            batch.put(
                Bucket::Meta,
                Bytes::from_static(CONF_STATE_KEY),
                conf_state_to_json(&self.conf_state),
            );
        }
        let removed_self = kind == ConfChangeType::ConfChangeRemoveNode
            && result.is_ok()
            && id == self.config.local;
        let request = (change.id() != 0).then(|| RequestId(change.id()));
        let conf_state = self.conf_state.clone();
        let answer = result.map(|()| self.members());
        Ok((request, answer, Change { change, conf_state, removed_self }))
    }

    fn try_change(&self, change: MemberChange, batch: &mut Batch) -> Result<(), Code> {
        self.shared.membership().judge(&change, self.config.learners_max)?;
        self.shared.edit_membership(|membership| membership.make(change, batch));
        Ok(())
    }

    fn members(&self) -> Answer {
        let membership = self.shared.membership();
        Answer::Members(membership.members().map(|member| member.to_proto()).collect())
    }
}

/// The one change of an entry, in either form.
fn single(entry: &Entry) -> Result<ConfChange, Error> {
    let index = Index(entry.index());
    let data = entry.data.clone().unwrap_or_default();
    let undecodable = |_| Error::Undecodable { index };
    if entry.r#type() == EntryType::EntryConfChange {
        return ConfChange::decode(data).map_err(undecodable);
    }
    let many = ConfChangeV2::decode(data).map_err(undecodable)?;
    match many.changes.as_slice() {
        [] => Ok(ConfChange { context: many.context, ..ConfChange::default() }),
        [one] => {
            let (r#type, node_id) = (one.r#type, one.node_id);
            Ok(ConfChange { r#type, node_id, context: many.context, id: None })
        }
        _ => Err(Error::JointChange { index }),
    }
}

/// What one change makes of a configuration; ids stay sorted, as Raft writes them.
fn reconfigure(conf: &mut ConfState, kind: ConfChangeType, id: u64) {
    // Written even when false, as etcd does.
    conf.auto_leave.get_or_insert(false);
    if id == 0 || kind == ConfChangeType::ConfChangeUpdateNode {
        return;
    }
    conf.voters.retain(|known| *known != id);
    conf.learners.retain(|known| *known != id);
    match kind {
        ConfChangeType::ConfChangeAddNode => conf.voters.push(id),
        ConfChangeType::ConfChangeAddLearnerNode => conf.learners.push(id),
        ConfChangeType::ConfChangeRemoveNode | ConfChangeType::ConfChangeUpdateNode => {}
    }
    conf.voters.sort_unstable();
    conf.learners.sort_unstable();
}

/// The row of the configuration in bucket meta, field by field as etcd writes it.
#[derive(Default, Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    voters: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    learners: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    voters_outgoing: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    learners_next: Vec<u64>,
    #[serde(default)]
    auto_leave: bool,
}

/// The value of the configuration's row in bucket meta.
pub fn conf_state_to_json(conf: &ConfState) -> Bytes {
    let stored = Stored {
        voters: conf.voters.clone(),
        learners: conf.learners.clone(),
        voters_outgoing: conf.voters_outgoing.clone(),
        learners_next: conf.learners_next.clone(),
        auto_leave: conf.auto_leave(),
    };
    serde_json::to_vec(&stored).expect("numbers always have a JSON form").into()
}

/// Reads the row back; `None` if it is not one.
pub fn conf_state_from_json(json: &[u8]) -> Option<ConfState> {
    let stored: Stored = serde_json::from_slice(json).ok()?;
    Some(ConfState {
        voters: stored.voters,
        learners: stored.learners,
        voters_outgoing: stored.voters_outgoing,
        learners_next: stored.learners_next,
        auto_leave: Some(stored.auto_leave),
    })
}
