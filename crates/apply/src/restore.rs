//! The machine's own buckets, read back at start.

use bytes::Bytes;
use ketch_backend::{Bucket, View};
use ketch_base::{Index, Term};
use ketch_proto::etcdserverpb::AlarmMember;
use ketch_raft_proto::raftpb::ConfState;
use prost::Message;

use crate::alarms::Alarms;
use crate::conf::{CONF_STATE_KEY, conf_state_from_json};
use crate::error::OpenError;
use crate::machine::{INDEX_KEY, TERM_KEY};
use crate::member::Member;
use crate::membership::{CLUSTER_VERSION_KEY, DOWNGRADE_KEY, Downgrade, Membership, parse_row_key};

/// The last entry applied; (0, 0) for a new database.
pub(crate) fn progress(view: &View) -> Result<(Index, Term), OpenError> {
    Ok((Index(number(view, INDEX_KEY)?), Term(number(view, TERM_KEY)?)))
}

pub(crate) fn conf_state(view: &View) -> Result<ConfState, OpenError> {
    match view.get(Bucket::Meta, CONF_STATE_KEY)? {
        None => Ok(ConfState::default()),
        Some(json) => {
            conf_state_from_json(&json).ok_or_else(|| unreadable(Bucket::Meta, CONF_STATE_KEY))
        }
    }
}

pub(crate) fn membership(view: &View) -> Result<Membership, OpenError> {
    let mut membership = Membership::default();
    for row in view.iter(Bucket::Members) {
        let (key, value) = row?;
        let id = parse_row_key(&key).ok_or_else(|| unreadable(Bucket::Members, &key))?;
        match Member::parse(&value) {
            Ok((member, _)) if member.id == id => membership.restore_member(member),
            _ => return Err(unreadable(Bucket::Members, &key)),
        }
    }
    for row in view.iter(Bucket::MembersRemoved) {
        let (key, _) = row?;
        let id = parse_row_key(&key).ok_or_else(|| unreadable(Bucket::MembersRemoved, &key))?;
        membership.restore_removed(id);
    }
    let version = view.get(Bucket::Cluster, CLUSTER_VERSION_KEY)?;
    let version = version.map(|text| String::from_utf8(text.to_vec())).transpose();
    let version = version.map_err(|_| unreadable(Bucket::Cluster, CLUSTER_VERSION_KEY))?;
    membership.restore_cluster(version, downgrade(view)?);
    Ok(membership)
}

pub(crate) fn alarms(view: &View) -> Result<Alarms, OpenError> {
    let mut alarms = Alarms::default();
    for row in view.iter(Bucket::Alarm) {
        let (key, _) = row?;
        let alarm = AlarmMember::decode(key.clone());
        alarms.activate(alarm.map_err(|_| unreadable(Bucket::Alarm, &key))?);
    }
    Ok(alarms)
}

fn downgrade(view: &View) -> Result<Downgrade, OpenError> {
    match view.get(Bucket::Cluster, DOWNGRADE_KEY)? {
        None => Ok(Downgrade::default()),
        Some(json) => {
            serde_json::from_slice(&json).map_err(|_| unreadable(Bucket::Cluster, DOWNGRADE_KEY))
        }
    }
}

fn number(view: &View, key: &'static [u8]) -> Result<u64, OpenError> {
    let Some(bytes) = view.get(Bucket::Meta, key)? else { return Ok(0) };
    let bytes = bytes.as_ref().try_into().map_err(|_| unreadable(Bucket::Meta, key))?;
    Ok(u64::from_be_bytes(bytes))
}

fn unreadable(bucket: Bucket, key: &[u8]) -> OpenError {
    OpenError::Row { bucket: bucket.name(), key: Bytes::copy_from_slice(key) }
}
