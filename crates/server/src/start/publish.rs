//! What a member tells the cluster once it can: its name and client URLs, and the version.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use ketch_base::Code;
use ketch_proto::etcdserverpb::InternalRaftRequest;
use ketch_proto::membershippb::{
    Attributes, ClusterMemberAttrSetRequest, ClusterVersionSetRequest,
};

use crate::config::Config;
use crate::member::Member;

/// Rest before a proposal that failed is made again.
const RETRY: Duration = Duration::from_millis(500);
/// The cluster version that this release agrees on when it is alone.
const CLUSTER_VERSION: &str = "3.7.0";

/// Proposes until it is done; then the receiver hears of it.
pub(super) fn publish(
    member: &Member,
    config: &Config,
    runtime: &tokio::runtime::Runtime,
) -> Receiver<()> {
    let (done, published) = sync_channel(1);
    let member = member.clone();
    let attributes =
        Attributes { name: config.name.clone(), client_urls: config.advertise_client_urls.clone() };
    runtime.spawn(async move {
        let request = InternalRaftRequest {
            cluster_member_attr_set: Some(ClusterMemberAttrSetRequest {
                member_id: member.id.0,
                member_attributes: Some(attributes),
            }),
            ..Default::default()
        };
        until_done(&member, request).await;
        tracing::info!(
            local_member_id = %member.id, cluster_id = %member.cluster,
            "published local member to cluster through raft"
        );
        if member.shared.membership().cluster_version().is_none() {
            let request = InternalRaftRequest {
                cluster_version_set: Some(ClusterVersionSetRequest {
                    ver: CLUSTER_VERSION.to_owned(),
                }),
                ..Default::default()
            };
            until_done(&member, request).await;
            tracing::info!(cluster_version = "3.7", "set initial cluster version");
        }
        // Nobody listens any more if it took too long.
        let _ = done.try_send(());
    });
    published
}

async fn until_done(member: &Member, request: InternalRaftRequest) {
    loop {
        match member.propose(request.clone()).await {
            Ok(_) | Err(Code::Stopped) => return,
            Err(code) => {
                tracing::warn!(error = %code, "failed to publish; trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
