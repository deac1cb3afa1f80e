//! `wal dump`: the records of a log, one a line. Our own command; etcdutl has none.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ketch_base::Index;
use ketch_env::real::RealDisk;
use ketch_proto::etcdserverpb::InternalRaftRequest;
use ketch_raft_proto::raftpb::{ConfChange, Entry, EntryType};
use ketch_wal::{Item, Reader};
use prost::Message;

use crate::failure::Failure;
use crate::line::Line;
use crate::output;

/// The command. The log is neither locked nor changed, so a running member's may be read; its
/// last record may then be half written.
pub(crate) fn run(line: &Line) -> Result<(), Failure> {
    let [dir] = line.words() else {
        return Err(Failure::bad_args("wal dump requires exactly one argument"));
    };
    // The reader gives what lies behind an index.
    let behind = Index(line.uint("start-index").saturating_sub(1));
    let mut reader =
        Reader::inspect(Arc::new(RealDisk), Path::new(dir), behind).map_err(Failure::error)?;
    while let Some(item) = reader.next().map_err(Failure::error)? {
        output::say(&format!("{}\n", text(&item)));
    }
    match reader.torn() {
        Some(torn) => Err(Failure::error(torn)),
        None => Ok(()),
    }
}

fn text(item: &Item) -> String {
    match item {
        Item::Metadata(metadata) => {
            format!("metadata member={} cluster={}", metadata.member, metadata.cluster)
        }
        Item::HardState(state) => {
            let vote = state.vote();
            format!("state term={} vote={vote:x} commit={}", state.term(), state.commit())
        }
        Item::Snapshot(mark) => format!("snapshot term={} index={}", mark.term(), mark.index()),
        Item::Entry(entry) => {
            let (term, index) = (entry.term(), entry.index());
            format!("entry term={term} index={index} {}", entry_text(entry))
        }
    }
}

fn entry_text(entry: &Entry) -> String {
    let data = entry.data.clone().unwrap_or_default();
    let bytes = data.len();
    let text = match entry.r#type() {
        EntryType::EntryNormal if data.is_empty() => Some("empty".to_owned()),
        EntryType::EntryNormal => request_text(data),
        EntryType::EntryConfChange => change_text(data),
        EntryType::EntryConfChangeV2 => Some(format!("change-v2 bytes={bytes}")),
    };
    text.unwrap_or_else(|| format!("undecoded bytes={bytes}"))
}

fn change_text(data: Bytes) -> Option<String> {
    let change = ConfChange::decode(data).ok()?;
    let (kind, node) = (change.r#type().as_str_name(), change.node_id());
    let context = String::from_utf8_lossy(change.context()).into_owned();
    Some(format!("{kind} node={node:x} {context}"))
}

fn request_text(data: Bytes) -> Option<String> {
    let bytes = data.len();
    let request = InternalRaftRequest::decode(data).ok()?;
    let header_id = request.header.as_ref().map_or(0, |header| header.id);
    let id = if header_id == 0 { request.id } else { header_id };
    let key = |key: &[u8]| format!(" key=\"{}\"", key.escape_ascii());
    let name = if let Some(put) = &request.put {
        format!("put{}", key(&put.key))
    } else if let Some(delete) = &request.delete_range {
        format!("delete{}", key(&delete.key))
    } else if let Some(compaction) = &request.compaction {
        format!("compaction revision={}", compaction.revision)
    } else if let Some(grant) = &request.lease_grant {
        format!("lease-grant lease={:x} ttl={}", grant.id, grant.ttl)
    } else if let Some(revoke) = &request.lease_revoke {
        format!("lease-revoke lease={:x}", revoke.id)
    } else {
        other_name(&request).to_owned()
    };
    Some(format!("{name} id={id:x} bytes={bytes}"))
}

fn other_name(request: &InternalRaftRequest) -> &'static str {
    let names = [
        (request.txn.is_some(), "txn"),
        (request.alarm.is_some(), "alarm"),
        (request.range.is_some(), "range"),
        (request.lease_checkpoint.is_some(), "lease-checkpoint"),
        (request.cluster_version_set.is_some(), "cluster-version"),
        (request.cluster_member_attr_set.is_some(), "member-attributes"),
        (request.downgrade_info_set.is_some(), "downgrade"),
    ];
    names.iter().find(|(is_set, _)| *is_set).map_or("other", |(_, name)| name)
}
