//! A snapshot for a member that is far behind: the state as of now, streamed from a view.

use std::io;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use ketch_base::MemberId;
use ketch_node::{Event, export};
use ketch_peer::Links;
use ketch_raft_proto::raftpb::{Message, Snapshot};
use ketch_snapshot::Export;
use tokio::runtime::Handle;

use crate::member::Member;

/// Sends whole states to members. Called on the node thread, works elsewhere.
#[derive(Clone)]
pub(crate) struct SnapshotSender {
    member: Arc<Member>,
    links: Links,
    runtime: Handle,
}

impl SnapshotSender {
    pub(super) fn new(member: Arc<Member>, links: Links, runtime: &Handle) -> Self {
        Self { member, links, runtime: runtime.clone() }
    }

    /// Fills in the message and sends the state behind it; the node hears how it ended.
    pub(crate) fn send(&self, mut message: Box<Message>) {
        let Self { member, links, runtime } = self.clone();
        runtime.spawn_blocking(move || {
            let to = MemberId(message.to());
            match describe(&member, &mut message) {
                Ok(chunks) => {
                    let index = message.snapshot.as_ref().and_then(|s| s.metadata.as_ref());
                    tracing::info!(
                        to = %to, snapshot_index = index.map_or(0, |place| place.index()),
                        "sending database snapshot"
                    );
                    links.send_snapshot(message, Box::new(chunks));
                }
                Err(error) => {
                    tracing::warn!(to = %to, error = %error, "failed to make a snapshot");
                    let failed = Event::SnapshotSent { peer: to, arrived: false };
                    member.node.send_above_limit(failed.into());
                }
            }
        });
    }
}

/// Puts the exact place of a view into the message; gives the file made of it.
fn describe(member: &Member, message: &mut Message) -> Result<Chunks> {
    let view = member.backend.view();
    let metadata = export::point(&view)?;
    let data = export::v2_json(&view)?;
    message.snapshot = Some(Snapshot { data: Some(data), metadata: Some(metadata) });
    Ok(Chunks(Export::plan(export::Buckets(view))?))
}

/// The database file in pieces. The digest that backups end with is left out, as in etcd.
struct Chunks(Export<export::Buckets>);

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_chunk().map_err(io::Error::other).transpose()
    }
}
