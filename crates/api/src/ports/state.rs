//! What the edge looks up without asking for work: identity, leadership, alarms, versions.

use std::future::Future;

use ketch_proto::etcdserverpb::{AlarmMember, ResponseHeader};

/// Cheap looks at the member's state; none of them blocks or fails.
pub trait State: Send + Sync + 'static {
    /// Identity, the store's revision and the term, now.
    fn header(&self) -> ResponseHeader;

    /// Whether a leader is known.
    fn has_leader(&self) -> bool;

    /// Resolves when no leader has been known for three election timeouts: streams that asked
    /// for one (`hasleader`) are then ended.
    fn leader_lost(&self) -> impl Future<Output = ()> + Send;

    /// Whether this member only listens.
    fn is_learner(&self) -> bool;

    /// The alarms now raised, anywhere in the cluster.
    fn alarms(&self) -> Vec<AlarmMember>;

    /// Version numbers for `/version`.
    fn versions(&self) -> Versions;

    /// The body of `/debug/vars`: one JSON object.
    fn debug_vars(&self) -> String;
}

/// Version numbers for `/version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// This program speaks etcd of this version, e.g. `3.7.1`.
    pub server: &'static str,
    /// `not_decided` until the cluster has agreed.
    pub cluster: Option<String>,
    /// `unknown` until the storage says.
    pub storage: Option<String>,
}
