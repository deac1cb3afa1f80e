//! The apply worker: committed entries through the state machine, in order, each once.

use ketch_apply::{Applied, Error, Machine};
use ketch_base::Index;

use crate::effect::ApplyJob;
use crate::event::{AppliedChange, Event};

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

    /// The machine, for its read sides.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }
}
