//! What a leader sends: appends within each follower's window, heartbeats, snapshots.

use bytes::Bytes;
use ketch_raft_proto::raftpb::{Message, MessageType, Snapshot, SnapshotMetadata};

use crate::log::entry_bytes;
use crate::message::{self, nonzero};
use crate::progress::FlowState;
use crate::raft::{Raft, Role};

impl Raft {
    /// Brings every follower as far as its window allows; once per ready, so that all that was
    /// proposed and acknowledged in between travels together.
    pub(crate) fn replicate(&mut self) {
        if self.role != Role::Leader || !std::mem::take(&mut self.replicate_due) {
            return;
        }
        let peers: Vec<u64> = self.progress.keys().copied().filter(|id| *id != self.id).collect();
        for peer in peers {
            while self.send_append(peer, false) {}
            let commit = self.log.committed();
            if self.progress.get(&peer).is_some_and(|p| p.wants_commit(commit)) {
                self.send_append(peer, true);
            }
        }
    }

    /// Sends what comes next to `to`; with `even_empty` also a message that only carries the
    /// commit or looks for the place to go on. `false` if nothing was sent.
    pub(crate) fn send_append(&mut self, to: u64, even_empty: bool) -> bool {
        if to == self.id {
            return false;
        }
        let (committed, last) = (self.log.committed(), self.log.last());
        let Some(progress) = self.progress.get_mut(&to) else { return false };
        // A full window of a replicating follower still lets the commit through.
        let full = progress.flow == FlowState::Replicate && progress.inflight.is_full();
        if progress.is_paused() && !(full && even_empty) {
            return false;
        }
        let prev = progress.next - 1;
        let Some(prev_term) = self.log.term(prev) else {
            return self.send_snapshot(to);
        };
        let max_bytes = self.config.max_message_bytes;
        let entries =
            if full { Vec::new() } else { self.log.slice(progress.next, last, max_bytes) };
        if entries.is_empty() && !even_empty {
            return false;
        }
        progress.sent_entries(entries.len(), entries.iter().map(entry_bytes).sum());
        progress.sent_commit = progress.sent_commit.max(committed);
        self.send(Message {
            index: nonzero(prev),
            log_term: nonzero(prev_term),
            commit: nonzero(committed),
            entries,
            ..message::to(to, MessageType::MsgApp)
        });
        true
    }

    /// Offers the applied state in place of entries that are gone. The driver puts the state
    /// itself behind this message, possibly a newer one.
    fn send_snapshot(&mut self, to: u64) -> bool {
        let index = self.log.applied();
        let Some(progress) = self.progress.get_mut(&to) else { return false };
        let Some(term) = self.log.term(index) else { return false };
        // To someone silent it would be work for nothing.
        if !progress.active || index == 0 {
            return false;
        }
        progress.snapshot(index);
        let metadata = SnapshotMetadata {
            conf_state: Some(self.members.to_conf_state()),
            index: Some(index),
            term: Some(term),
        };
        self.send(Message {
            snapshot: Some(Snapshot { data: None, metadata: Some(metadata) }),
            ..message::to(to, MessageType::MsgSnap)
        });
        true
    }

    pub(crate) fn heartbeat_all(&mut self, context: Option<Bytes>) {
        let committed = self.log.committed();
        let mut beats = Vec::with_capacity(self.progress.len());
        for (id, progress) in &mut self.progress {
            if *id == self.id {
                continue;
            }
            // Not beyond what it is known to hold: it might lack the rest.
            let commit = progress.matched.min(committed);
            progress.sent_commit = progress.sent_commit.max(commit);
            beats.push(Message {
                commit: nonzero(commit),
                context: context.clone(),
                ..message::to(*id, MessageType::MsgHeartbeat)
            });
        }
        for beat in beats {
            self.send(beat);
        }
    }
}
