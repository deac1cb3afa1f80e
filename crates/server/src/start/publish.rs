//! What a member tells the cluster once it can: its name and client URLs.
//!
//! The version of the cluster is the leader's to agree on; see `background::versions`.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use ketch_base::Code;
use ketch_proto::etcdserverpb::InternalRaftRequest;
use ketch_proto::membershippb::{Attributes, ClusterMemberAttrSetRequest};

use crate::config::Config;
use crate::member::Member;

/// Rest before a proposal that failed is made again.
const RETRY: Duration = Duration::from_millis(100);
/// Failed proposals between two warnings: without a leader each fails at once.
const WARN_EVERY: u32 = 20;

/// Proposes until it is done; then the receiver hears of it. Without a leader, or as a member that
/// was told nothing yet, that is only a matter of time.
pub(super) fn publish(
    member: &Arc<Member>,
    config: &Config,
    runtime: &tokio::runtime::Runtime,
) -> Receiver<()> {
    let (done, published) = sync_channel(1);
    let member = Arc::clone(member);
    let attributes =
        Attributes { name: config.name.clone(), client_urls: config.advertise_client_urls.clone() };
    runtime.spawn(async move {
        if until_done(&member, &attributes).await {
            tracing::info!(
                local_member_id = %member.id, cluster_id = %member.cluster,
                "published local member to cluster through raft"
            );
        }
        // Nobody listens any more if it took too long.
        let _ = done.try_send(());
    });
    published
}

/// Whether it was proposed and applied, rather than given up because the member stops.
async fn until_done(member: &Member, attributes: &Attributes) -> bool {
    let request = InternalRaftRequest {
        cluster_member_attr_set: Some(ClusterMemberAttrSetRequest {
            member_id: member.id.0,
            member_attributes: Some(attributes.clone()),
        }),
        ..Default::default()
    };
    let mut failures = 0;
    loop {
        match member.propose(request.clone()).await {
            Ok(_) => return true,
            Err(Code::Stopped) => return false,
            Err(code) => {
                if failures % WARN_EVERY == 0 {
                    tracing::warn!(
                        local_member_id = %member.id, error = %code,
                        "failed to publish local member to cluster through raft"
                    );
                }
                failures += 1;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
