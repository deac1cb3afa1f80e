//! The first start: founding a cluster with others, or joining one that runs.

use bytes::Bytes;
use ketch_base::{ClusterId, Index, MemberId};
use ketch_raft_proto::raftpb::{ConfChange, ConfChangeType, Entry, EntryType, HardState};
use ketch_wal::Writer;
use prost::Message;

use super::{Opened, RecoverError};

/// A member of a cluster that is to be founded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founder {
    /// Its id.
    pub id: MemberId,
    /// What its entry carries for the membership: JSON, as in `disk.md` 3.5.
    pub context: Bytes,
}

/// A cluster that is to be founded, as seen from one of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founding {
    /// This member.
    pub member: MemberId,
    /// The cluster.
    pub cluster: ClusterId,
    /// All members; at least this one.
    pub founders: Vec<Founder>,
}

/// What a member without a log is to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// One of those that found a cluster.
    Found(Founding),
    /// One more in a cluster that runs, to which it was added already. It has an empty log and
    /// waits to be told everything.
    Join {
        /// This member.
        member: MemberId,
        /// The cluster.
        cluster: ClusterId,
    },
}

impl Begin {
    pub(super) fn ids(&self) -> (MemberId, ClusterId) {
        match self {
            Self::Found(founding) => (founding.member, founding.cluster),
            Self::Join { member, cluster } => (*member, *cluster),
        }
    }

    /// Goes on with a log that has nothing but its metadata.
    pub(super) fn carry_out(&self, writer: Writer) -> Result<Opened, RecoverError> {
        match self {
            Self::Found(founding) => found(founding, writer),
            Self::Join { member, cluster } => {
                Ok(first(*member, *cluster, Vec::new(), HardState::default(), writer))
            }
        }
    }
}

/// Writes the entries that add the founders. Their commit needs no vote: everyone begins so.
fn found(founding: &Founding, mut writer: Writer) -> Result<Opened, RecoverError> {
    let mut founders: Vec<&Founder> = founding.founders.iter().collect();
    founders.sort_by_key(|founder| founder.id);
    let entry = |(place, founder): (usize, &&Founder)| Entry {
        r#type: Some(EntryType::EntryConfChange as i32),
        term: Some(1),
        index: Some(place as u64 + 1),
        data: Some(addition(founder).encode_to_vec().into()),
    };
    let entries: Vec<Entry> = founders.iter().enumerate().map(entry).collect();
    let commit = Some(entries.len() as u64);
    let hard_state = HardState { term: Some(1), vote: None, commit };
    writer.save(&entries, Some(&hard_state))?;
    writer.sync()?;
    Ok(first(founding.member, founding.cluster, entries, hard_state, writer))
}

fn first(
    member: MemberId,
    cluster: ClusterId,
    entries: Vec<Entry>,
    hard_state: HardState,
    writer: Writer,
) -> Opened {
    Opened {
        member,
        cluster,
        is_new: true,
        repaired: None,
        read_from: Index(0),
        hard_state,
        entries,
        from_term: None,
        snapshots: Vec::new(),
        writer,
    }
}

fn addition(founder: &Founder) -> ConfChange {
    ConfChange {
        r#type: Some(ConfChangeType::ConfChangeAddNode as i32),
        node_id: Some(founder.id.0),
        context: Some(founder.context.clone()),
        id: None,
    }
}
