//! The apply worker: committed entries through the state machine, in order, each once.

use ketch_apply::{Applied, Error, Machine, OpenError};
use ketch_base::Index;
use ketch_raft_proto::raftpb::SnapshotMetadata;

use crate::effect::ApplyJob;
use crate::event::{AppliedChange, Event};

/// Why a state that was put in place cannot be gone on from; the member must stop.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Its rows cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is not the one that was announced.
    #[error("installed state is at entry {found}, expected {wanted}")]
    Elsewhere {
        /// Where its rows say it stands.
        found: Index,
        /// Where the snapshot's message said it stands.
        wanted: Index,
    },
}

/// Drives the state machine; its only writer.
pub struct ApplyWorker {
    machine: Machine,
}

impl ApplyWorker {
    /// Goes on with a state machine.
    pub fn new(machine: Machine) -> Self {
        Self { machine }
    }

    /// Applies a job; each outcome goes to `sink` before the next entry is begun. Entries that
    /// the machine has already (after a restart) are skipped. Returns what to tell the node.
    ///
    /// # Errors
    /// The state is not what the log says: the member must stop.
    pub fn run(&mut self, job: ApplyJob, sink: &mut dyn FnMut(Applied)) -> Result<Event, Error> {
        let mut changes = Vec::new();
        for entry in &job.entries {
            if entry.index() <= self.machine.applied().0.0 {
                continue;
            }
            let applied = self.machine.apply(entry)?;
            if let Some(change) = &applied.change {
                let (index, change) = (applied.index, change.change.clone());
                changes.push(AppliedChange { index, change });
            }
            sink(applied);
        }
        let index = Index(job.entries.last().map_or(0, |entry| entry.index()));
        Ok(Event::Applied { index, changes })
    }

    /// Goes on with the state of a received snapshot, which the backend has taken up already.
    /// Called in order with [`ApplyWorker::run`]. Returns what to tell the node.
    ///
    /// # Errors
    /// [`ReloadError`].
    pub fn install(&mut self, metadata: &SnapshotMetadata) -> Result<Event, ReloadError> {
        self.machine.reload()?;
        let (found, wanted) = (self.machine.applied().0, Index(metadata.index()));
        if found != wanted {
            return Err(ReloadError::Elsewhere { found, wanted });
        }
        Ok(Event::Installed { index: wanted })
    }

    /// The machine, for its read sides.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }
}
