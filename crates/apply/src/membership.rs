//! Who is in the cluster: members, the ids that may never return, version, downgrade.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ketch_backend::{Batch, Bucket};
use ketch_base::{Code, MemberId};
use ketch_raft_proto::raftpb::ConfChangeType;
use serde::{Deserialize, Serialize};

use crate::member::Member;

pub(crate) const CLUSTER_VERSION_KEY: &[u8] = b"clusterVersion";
pub(crate) const DOWNGRADE_KEY: &[u8] = b"downgrade";
const REMOVED_VALUE: &[u8] = b"removed";

/// The membership as of the last applied entry.
///
/// Invariant: no id is both a member and removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    members: BTreeMap<MemberId, Member>,
    removed: BTreeSet<MemberId>,
    version: Option<String>,
    downgrade: Downgrade,
}

/// The downgrade in progress, if any; field names are those of its row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downgrade {
    /// The version being gone back to; empty when none is.
    #[serde(default, rename = "target-version")]
    pub target_version: String,
    /// Whether one is in progress.
    #[serde(default)]
    pub enabled: bool,
}

/// A change of membership read from its entry, not yet judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberChange {
    /// A new member, voting or learning.
    Add(Member),
    /// A learner gets its vote.
    Promote(MemberId),
    /// The id leaves for good.
    Remove(MemberId),
    /// New peer URLs.
    Update(Member),
}

impl Membership {
    /// All members, by id.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    /// Those who vote, by id.
    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| !member.is_learner)
    }

    /// Those who only learn, by id.
    pub fn learners(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| member.is_learner)
    }

    /// Whether a member other than `except` is reached at one of the peer URLs.
    pub fn urls_taken(&self, peer_urls: &[String], except: Option<MemberId>) -> bool {
        let others = self.members.values().filter(|member| Some(member.id) != except);
        others.flat_map(|member| &member.peer_urls).any(|url| peer_urls.contains(url))
    }

    /// One member.
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// Whether the id was a member once; it may never be again.
    pub fn is_removed(&self, id: MemberId) -> bool {
        self.removed.contains(&id)
    }

    /// The version all members agreed to speak, as `3.7.0`; `None` until decided.
    pub fn cluster_version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The downgrade in progress.
    pub fn downgrade(&self) -> &Downgrade {
        &self.downgrade
    }

    /// Whether the change may be made, with etcd's error where not. Callable before proposing.
    pub(crate) fn judge(&self, change: &MemberChange, learners_max: usize) -> Result<(), Code> {
        let id = change.id();
        if self.is_removed(id) {
            return Err(Code::MemberNotFound);
        }
        match (change, self.members.get(&id)) {
            (MemberChange::Add(_), Some(_)) => Err(Code::MemberExist),
            (MemberChange::Add(new), None) => {
                self.judge_urls(new)?;
                if new.is_learner && self.learners().count() >= learners_max {
                    return Err(Code::TooManyLearners);
                }
                Ok(())
            }
            (_, None) => Err(Code::MemberNotFound),
            (MemberChange::Promote(_), Some(old)) if !old.is_learner => Err(Code::MemberNotLearner),
            (MemberChange::Update(new), Some(_)) => self.judge_urls(new),
            (MemberChange::Promote(_) | MemberChange::Remove(_), Some(_)) => Ok(()),
        }
    }

    fn judge_urls(&self, new: &Member) -> Result<(), Code> {
        let taken = self.urls_taken(&new.peer_urls, Some(new.id));
        if taken { Err(Code::PeerURLExist) } else { Ok(()) }
    }

    /// Makes a change that was judged, here and in the rows.
    pub(crate) fn make(&mut self, change: MemberChange, batch: &mut Batch) {
        match change {
            MemberChange::Add(member) => self.insert(member, batch),
            MemberChange::Promote(id) => self.edit(id, batch, |member| member.is_learner = false),
            MemberChange::Update(new) => {
                self.edit(new.id, batch, |member| member.peer_urls = new.peer_urls);
            }
            MemberChange::Remove(id) => {
                self.members.remove(&id);
                self.removed.insert(id);
                batch.delete(Bucket::Members, row_key(id));
                batch.put(Bucket::MembersRemoved, row_key(id), Bytes::from_static(REMOVED_VALUE));
            }
        }
    }

    /// A member published its name and client URLs; unknown and removed ones are passed over.
    pub(crate) fn set_attributes(
        &mut self,
        id: MemberId,
        name: String,
        client_urls: Vec<String>,
        batch: &mut Batch,
    ) {
        self.edit(id, batch, |member| {
            member.name = name;
            member.client_urls = client_urls;
        });
    }

    pub(crate) fn set_version(&mut self, version: String, batch: &mut Batch) {
        let value = Bytes::copy_from_slice(version.as_bytes());
        batch.put(Bucket::Cluster, Bytes::from_static(CLUSTER_VERSION_KEY), value);
        self.version = Some(version);
    }

    pub(crate) fn set_downgrade(&mut self, downgrade: Downgrade, batch: &mut Batch) {
        let value = serde_json::to_vec(&downgrade).expect("a text and a flag have a JSON form");
        batch.put(Bucket::Cluster, Bytes::from_static(DOWNGRADE_KEY), value.into());
        self.downgrade = downgrade;
    }

    /// Takes over one stored member.
    pub(crate) fn restore_member(&mut self, member: Member) {
        self.members.insert(member.id, member);
    }

    pub(crate) fn restore_removed(&mut self, id: MemberId) {
        self.removed.insert(id);
    }

    pub(crate) fn restore_cluster(&mut self, version: Option<String>, downgrade: Downgrade) {
        self.version = version;
        self.downgrade = downgrade;
    }

    fn insert(&mut self, member: Member, batch: &mut Batch) {
        batch.put(Bucket::Members, row_key(member.id), member.row());
        self.members.insert(member.id, member);
    }

    fn edit(&mut self, id: MemberId, batch: &mut Batch, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(&id) {
            change(member);
            batch.put(Bucket::Members, row_key(id), member.row());
        }
    }
}

impl MemberChange {
    pub(crate) fn id(&self) -> MemberId {
        match self {
            Self::Add(member) | Self::Update(member) => member.id,
            Self::Promote(id) | Self::Remove(id) => *id,
        }
    }

    /// Reads a change from its type, id and context. The id in the change itself rules; etcd
    /// writes the same one into the context.
    pub(crate) fn parse(
        kind: ConfChangeType,
        id: MemberId,
        context: &[u8],
    ) -> Result<Self, serde_json::Error> {
        if kind == ConfChangeType::ConfChangeRemoveNode {
            return Ok(Self::Remove(id));
        }
        let (mut member, promote) = Member::parse(context)?;
        member.id = id;
        Ok(match kind {
            ConfChangeType::ConfChangeUpdateNode => Self::Update(member),
            _ if promote => Self::Promote(id),
            ConfChangeType::ConfChangeAddLearnerNode => {
                member.is_learner = true;
                Self::Add(member)
            }
            _ => Self::Add(member),
        })
    }
}

fn row_key(id: MemberId) -> Bytes {
    id.to_string().into_bytes().into()
}

/// Reads the hexadecimal id of a members row.
pub(crate) fn parse_row_key(key: &[u8]) -> Option<MemberId> {
    u64::from_str_radix(std::str::from_utf8(key).ok()?, 16).ok().map(MemberId)
}
