//! The log a restored member starts from: one entry per member, all committed.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ketch_env::{Disk, real::RealDisk};
use ketch_raft_proto::raftpb::{
    ConfChange, ConfChangeType, ConfState, Entry, EntryType, HardState,
};
use ketch_raft_proto::walpb;
use ketch_wal::{Config, Metadata, Writer};
use prost::Message;

use super::cluster::Cluster;
use super::import::TERM;
use crate::failure::Failure;

/// Makes the log directory: an AddNode entry per member, a hard state that commits them, and the
/// mark of a snapshot behind them.
pub(super) fn create(dir: &Path, cluster: &Cluster) -> Result<(), Failure> {
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        RealDisk.create_dir_all(parent).map_err(|error| Failure::io("mkdir", parent, &error))?;
    }
    write(dir, cluster).map_err(Failure::error)
}

fn write(dir: &Path, cluster: &Cluster) -> Result<(), ketch_wal::Error> {
    let metadata = Metadata { member: cluster.local, cluster: cluster.id };
    let mut writer = Writer::create(Arc::new(RealDisk), dir, metadata, Config::default())?;
    let entries = entries(cluster);
    let last = entries.len() as u64;
    let vote = cluster.members.first().map_or(0, |member| member.id.0);
    let state = HardState { term: Some(TERM), vote: Some(vote), commit: Some(last) };
    writer.save(entries.iter(), Some(&state))?;
    writer.mark_snapshot(&walpb::Snapshot {
        index: Some(last),
        term: Some(TERM),
        conf_state: Some(ConfState {
            voters: cluster.members.iter().map(|member| member.id.0).collect(),
            ..ConfState::default()
        }),
    })?;
    writer.sync()?;
    Ok(())
}

fn entries(cluster: &Cluster) -> Vec<Entry> {
    let entry = |(index, member): (u64, &ketch_apply::Member)| {
        let change = ConfChange {
            r#type: Some(ConfChangeType::ConfChangeAddNode.into()),
            node_id: Some(member.id.0),
            context: Some(member.context_json(None)),
            id: None,
        };
        Entry {
            r#type: Some(EntryType::EntryConfChange.into()),
            term: Some(TERM),
            index: Some(index),
            data: Some(Bytes::from(change.encode_to_vec())),
        }
    };
    (1..).zip(&cluster.members).map(entry).collect()
}
