//! Progress: telling a client how far it is without a change to tell.

use ketch_base::planted::{self, Bug};

use super::intervals::Owner;
use super::output::Output;
use super::{Hub, StreamId};

/// Speaks for every watch of a stream.
const WHOLE_STREAM: i64 = -1;

impl Hub {
    /// A client asks how far its stream is. Answered once every watch of it is caught up: at once,
    /// or when the last one is. As in etcd there is no answer on a stream without watches, or
    /// while one of them has yet to begin.
    pub fn request_progress(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let begun = |owner| {
            self.watchers.get(owner).is_some_and(|watcher| watcher.has_begun(self.revision))
        };
        if stream.watchers().next().is_some() && stream.watchers().all(begun) {
            stream.progress_wanted = true;
            self.settle_progress(id);
        }
    }

    /// The interval of `progress_notify` is over: every watch that asked for it, is caught up and
    /// had no event since the last call is told how far it is.
    pub fn tick_progress(&mut self) {
        let revision = self.revision;
        let asked = self.watchers.iter().filter(|(_, watcher)| watcher.wants.progress_notify);
        let asked: Vec<Owner> = asked.map(|(owner, _)| owner).collect();
        for owner in asked {
            let Some(watcher) = self.watchers.get_mut(owner) else { continue };
            let was_idle = std::mem::replace(&mut watcher.idle, true);
            let (id, watch_id) = (watcher.stream, watcher.id());
            let current = watcher.is_current(revision);
            if was_idle && current && !self.is_full(id) {
                self.push(id, Output::Progress { watch_id, revision });
            }
        }
    }

    /// Gives the answer that waited until all watches of a stream are caught up, if they are.
    pub(super) fn settle_progress(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !stream.progress_wanted {
            return;
        }
        let current = |owner| self.watchers.get(owner).is_some_and(|w| w.is_current(self.revision));
        if stream.watchers().all(current) || planted::is(Bug::EarlyProgress) {
            stream.progress_wanted = false;
            if stream.watchers().next().is_some() {
                let revision = self.revision;
                self.push(id, Output::Progress { watch_id: WHOLE_STREAM, revision });
            }
        }
    }
}
