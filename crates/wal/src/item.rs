//! What the log holds, decoded.

use bytes::Bytes;
use ketch_base::{ClusterId, MemberId};
use ketch_raft_proto::raftpb::{Entry, HardState};
use ketch_raft_proto::walpb::Snapshot;
use prost::Message;

use crate::error::Fault;
use crate::scan::Record;

pub(crate) const METADATA: i64 = 1;
pub(crate) const ENTRY: i64 = 2;
pub(crate) const STATE: i64 = 3;
pub(crate) const CRC: i64 = 4;
pub(crate) const SNAPSHOT: i64 = 5;

/// Whose log it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The member.
    pub member: MemberId,
    /// Its cluster.
    pub cluster: ClusterId,
}

/// The message of a metadata record.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Stored {
    #[prost(uint64, tag = "1")]
    node_id: u64,
    #[prost(uint64, tag = "2")]
    cluster_id: u64,
}

impl Metadata {
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        let stored = Stored { node_id: self.member.0, cluster_id: self.cluster.0 };
        stored.encode_raw(out);
    }
}

/// One record of the log, checksum verified.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Head of every segment.
    Metadata(Metadata),
    /// A log entry; one with an index met before replaces it and all behind it.
    Entry(Entry),
    /// Term, vote and commit index as of here.
    HardState(HardState),
    /// A snapshot was taken at that place.
    Snapshot(Snapshot),
}

impl Item {
    /// `None` for the records that only carry the checksum on.
    ///
    /// The checksum covers the data but not the type, and one changed bit makes an entry's type
    /// that of a hard state. So the data must be just what that type is written as.
    pub(crate) fn decode(record: &Record) -> Result<Option<Self>, Fault> {
        let data = record.data.clone();
        let item = match record.kind {
            METADATA => exact::<Stored>(data).map(|stored| {
                let (member, cluster) = (MemberId(stored.node_id), ClusterId(stored.cluster_id));
                Self::Metadata(Metadata { member, cluster })
            }),
            ENTRY => exact(data).filter(is_entry).map(Self::Entry),
            STATE => exact(data).filter(|s: &HardState| s.term() > 0).map(Self::HardState),
            SNAPSHOT => Snapshot::decode(data).ok().map(Self::Snapshot),
            CRC => return Ok(None),
            kind => return Err(Fault::Kind { kind }),
        };
        item.map(Some).ok_or(Fault::Undecodable { kind: record.kind })
    }
}

/// Decodes a message that has no field we do not know.
fn exact<M: Message + Default>(data: Bytes) -> Option<M> {
    let length = data.len();
    M::decode(data).ok().filter(|message| message.encoded_len() == length)
}

/// A hard state read as an entry has its term for the entry's type, and no data.
fn is_entry(entry: &Entry) -> bool {
    let kind = entry.r#type.unwrap_or_default();
    entry.index() > 0 && (kind == 0 || (1..=2).contains(&kind) && !entry.data().is_empty())
}
