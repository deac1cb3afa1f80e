//! What one watch stream tells the audit log: each watch when it is made or refused, and when it
//! ends before the stream.

use std::collections::VecDeque;

use ketch_base::{Code, GrpcCode};

use super::trail::{Asked, Scribe};
use crate::limits::AUDIT_WATCHES_PENDING;
use crate::ports::{Part, WatchOutput};
use crate::status::{self, Status};

/// What one watch stream tells.
pub(super) struct Notes {
    scribe: Scribe,
    /// Watches asked for that nothing was heard of yet. The hub answers in order.
    pending: VecDeque<Asked>,
}

impl Notes {
    pub(super) fn new(scribe: Scribe) -> Self {
        Self { scribe, pending: VecDeque::new() }
    }

    /// Whether another watch may be asked for now.
    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < AUDIT_WATCHES_PENDING
    }

    pub(super) fn scribe(&self) -> &Scribe {
        &self.scribe
    }

    /// A watch was asked of the hub.
    pub(super) fn asked(&mut self, asked: Asked) {
        self.pending.push_back(asked);
    }

    /// The gate refused a watch.
    pub(super) fn refused(&self, asked: &Asked, code: Code) {
        self.scribe.tell(asked, Part::WatchCreated(-1), code.grpc() as u8, code.text());
    }

    /// The hub has spoken.
    pub(super) fn heard(&mut self, outputs: &[WatchOutput]) {
        for output in outputs {
            match output {
                WatchOutput::Created { watch_id, .. } => {
                    self.came_out(*watch_id, status::OK, "");
                }
                WatchOutput::Canceled { watch_id, created: true, reason, .. } => {
                    self.came_out(*watch_id, number_of(reason), reason);
                }
                WatchOutput::Canceled { watch_id, compact_revision, reason, .. } => {
                    let (number, text) = match (compact_revision, reason.as_str()) {
                        (0, "") => (status::OK, ""),
                        (0, reason) => (number_of(reason), reason),
                        _ => (Code::Compacted.grpc() as u8, Code::Compacted.text()),
                    };
                    let part = Part::WatchCanceled(*watch_id);
                    self.scribe.tell(&Asked::nothing(), part, number, text);
                }
                WatchOutput::Events { .. } | WatchOutput::Progress { .. } => {}
            }
        }
    }

    fn came_out(&mut self, watch_id: i64, number: u8, text: &str) {
        if let Some(asked) = self.pending.pop_front() {
            self.scribe.tell(&asked, Part::WatchCreated(watch_id), number, text);
        }
    }

    /// The stream ends, and not by the client.
    pub(super) fn broke(&self, end: &Status) {
        self.scribe.broke(end);
    }
}

/// The hub gives words alone.
fn number_of(reason: &str) -> u8 {
    let known = Code::ALL.iter().find(|code| code.text() == reason);
    known.map_or(GrpcCode::Unknown, |code| code.grpc()) as u8
}
