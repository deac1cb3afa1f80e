//! Applying: the one who writes history, its turns, and the thread that takes most of them.
//!
//! The apply thread takes what is committed. What is brief the log thread may take, one at a time
//! with it, when it has nothing else to do: for one client's put it would wake a thread that works
//! for less time than its waking takes.

mod applier;
mod sinks;

use std::collections::VecDeque;

use ketch_apply::is_brief;
use parking_lot::Mutex;

use super::node::ApplyTask;
use crate::mailbox::Receiver;

pub(crate) use applier::Applier;
pub(crate) use sinks::Sinks;

/// Entries above which they are left to the apply thread, brief or not.
const FEW_ENTRIES: usize = 8;

/// The right to apply, and what waits for it.
pub(crate) struct Applying {
    tasks: Receiver<ApplyTask>,
    /// From the start of the apply thread to its end.
    applier: Mutex<Option<Applier>>,
}

impl Applying {
    /// For the apply thread that is to start.
    pub(crate) fn new(tasks: Receiver<ApplyTask>) -> Self {
        Self { tasks, applier: Mutex::default() }
    }

    /// Runs until told to stop.
    pub(crate) fn run(&self, applier: Applier) {
        *self.applier.lock() = Some(applier);
        let mut tasks = Vec::new();
        while self.tasks.wait_or_rest() {
            let mut place = self.applier.lock();
            let Some(applier) = place.as_mut() else { return };
            self.tasks.take(&mut tasks);
            if applier.work(&mut tasks) {
                *place = None;
                return;
            }
        }
    }

    /// Sees to what was put in quietly: applies it here if it is brief and this thread `is_free`,
    /// or wakes the apply thread.
    pub(crate) fn take_brief(&self, is_free: bool) {
        // Whoever is at it looks again when it is done.
        let Some(mut place) = self.applier.try_lock() else { return };
        if let Some(applier) = place.as_mut().filter(|applier| is_free && applier.has_room()) {
            let mut tasks = Vec::new();
            self.tasks.take_if(&mut tasks, are_brief);
            applier.work(&mut tasks);
        }
        drop(place);
        self.tasks.wake();
    }
}

fn are_brief(tasks: &VecDeque<ApplyTask>) -> bool {
    let mut entries = 0;
    tasks.iter().all(|task| {
        let ApplyTask::Entries(job) = task else { return false };
        entries += job.entries.len();
        entries <= FEW_ENTRIES && job.entries.iter().all(is_brief)
    })
}
