//! What the transport asks of the member it serves, and the shapes that go with it.

use std::future::Future;
use std::io;

use bytes::Bytes;
use ketch_base::{Code, MemberId};
use ketch_proto::etcdserverpb::{LeaseKeepAliveResponse, Member};
use ketch_proto::leasepb::{LeaseInternalRequest, LeaseInternalResponse};
use ketch_raft_proto::raftpb::Message;

pub use crate::serve::SnapshotBody;

/// What the member answers and takes. Called on the transport's runtime: nothing here may block.
pub trait Ports: Send + Sync + 'static {
    /// A message came from another member. `false`: the mailbox is full; a posted message is then
    /// answered with 500, one on a stream is dropped.
    fn deliver(&self, message: Message) -> bool;
    /// A message to `peer` was dropped.
    fn unreachable(&self, peer: MemberId);
    /// Streams of `peer` broke, and its host refuses connections to all its URLs: its process has
    /// ended. Told once for each kind of stream. Whoever does not listen finds out later.
    fn gone(&self, _peer: MemberId) {}
    /// The snapshot sent to `peer` was taken by it, or not.
    fn snapshot_sent(&self, peer: MemberId, arrived: bool);
    /// The member was removed from the cluster for good.
    fn is_removed(&self, id: MemberId) -> bool;
    /// The member is in the cluster; its link comes by [`crate::Links::follow`].
    fn is_member(&self, id: MemberId) -> bool;
    /// Another member says that this one was removed: it must stop.
    fn removed_self(&self);

    /// Takes a snapshot: `message` is the `MsgSnap`, `body` the database. Returns once it is
    /// durable and handed to Raft.
    ///
    /// # Errors
    /// It could not be saved, or Raft could not take it; the sender is answered 500.
    fn receive_snapshot(
        &self,
        message: Message,
        body: SnapshotBody,
    ) -> impl Future<Output = Result<(), SnapshotRefused>> + Send;

    /// The membership as applied.
    fn members(&self) -> Vec<Member>;
    /// Promotes a learner on behalf of a member that is not the leader. `token` is that of the
    /// client who asked that member; whether it suffices is judged here.
    ///
    /// # Errors
    /// What the promotion fails with.
    fn promote(
        &self,
        id: u64,
        token: Option<Bytes>,
    ) -> impl Future<Output = Result<Vec<Member>, Code>> + Send;
    /// The hash of the key space at `revision`; 0 is the current one.
    ///
    /// # Errors
    /// The revision is compacted or yet to come.
    fn hash_kv(&self, revision: i64) -> impl Future<Output = Result<HashAnswer, Code>> + Send;
    /// Renews a lease on behalf of a member that is not the leader.
    ///
    /// # Errors
    /// No such lease, not the leader, or applying took too long.
    fn renew_lease(
        &self,
        id: i64,
    ) -> impl Future<Output = Result<LeaseKeepAliveResponse, Code>> + Send;
    /// What a lease has left, on behalf of a member that is not the leader.
    ///
    /// # Errors
    /// As [`Ports::renew_lease`].
    fn lease_internal(
        &self,
        request: LeaseInternalRequest,
    ) -> impl Future<Output = Result<LeaseInternalResponse, Code>> + Send;
    /// Whether a downgrade is going on, read linearizably.
    ///
    /// # Errors
    /// The read failed.
    fn downgrade_enabled(&self) -> impl Future<Output = Result<bool, Code>> + Send;
    /// What `/version` says.
    fn versions(&self) -> Versions;
}

/// The versions of a member, as `/version` gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The server's.
    pub server: String,
    /// The cluster's, `not_decided` while there is none.
    pub cluster: String,
    /// The storage schema's, empty if unknown.
    pub storage: String,
}

/// A hash of the key space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashAnswer {
    /// The current revision of the member that answered.
    pub header_revision: i64,
    /// The hash.
    pub hash: u32,
    /// The revision compacted to, -1 if never.
    pub compact_revision: i64,
    /// The revision the hash is of.
    pub hash_revision: i64,
}

/// Why a snapshot was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotRefused {
    /// The database could not be saved.
    #[error("failed to save KV snapshot ({0})")]
    Save(#[from] io::Error),
    /// Raft could not take the message.
    #[error("failed to process raft message ({0})")]
    Process(String),
}

/// The part of [`Ports`] the sending side needs, without generics.
pub(crate) trait Inward: Send + Sync {
    fn deliver(&self, message: Message) -> bool;
    fn unreachable(&self, peer: MemberId);
    fn gone(&self, peer: MemberId);
    fn snapshot_sent(&self, peer: MemberId, arrived: bool);
    fn removed_self(&self);
}

impl<P: Ports> Inward for P {
    fn deliver(&self, message: Message) -> bool {
        Ports::deliver(self, message)
    }
    fn unreachable(&self, peer: MemberId) {
        Ports::unreachable(self, peer);
    }
    fn gone(&self, peer: MemberId) {
        Ports::gone(self, peer);
    }
    fn snapshot_sent(&self, peer: MemberId, arrived: bool) {
        Ports::snapshot_sent(self, peer, arrived);
    }
    fn removed_self(&self) {
        Ports::removed_self(self);
    }
}

/// Chunks of a snapshot, in order.
pub(crate) type Chunks = Box<dyn Iterator<Item = io::Result<Bytes>> + Send>;
