//! The store has another history: watches go on in it from where they were.

use super::Hub;
use super::intervals::Owner;

impl Hub {
    /// To be called after [`crate::Store::reload`], in turn with the commits before and after it.
    /// Every watch goes on at its own next revision, by [`Hub::catch_up`], which is to be called
    /// again; one whose next revision is compacted is canceled. A commit that is published late
    /// and is in the new history already is passed over.
    pub fn reloaded(&mut self) {
        // In this order: the generation of a history stands after its revisions.
        self.generation = self.reader.generation();
        let next = self.revision.saturating_add(1);
        self.revision = self.reader.revision();
        self.compacted = self.reader.compact_revision();
        let all: Vec<Owner> = self.watchers.iter().map(|(owner, _)| owner).collect();
        for owner in all {
            self.turn_back(owner, next);
        }
        // Rows of the earlier history are not held any more.
        self.pin = None;
        self.cancel_overtaken();
        self.move_pin();
        let streams: Vec<_> = self.streams.keys().copied().collect();
        for id in streams {
            self.settle_progress(id);
        }
    }

    /// A watch that heard of commits as they came has heard of all before `next`.
    fn turn_back(&mut self, owner: Owner, next: i64) {
        let Some(watcher) = self.watchers.get_mut(owner) else { return };
        let next = next.max(watcher.start);
        if watcher.behind.is_none() && next <= self.revision {
            watcher.behind = Some(next);
            watcher.floor = next - 1;
            self.behind.insert(owner);
            self.stuck = false;
        }
        watcher.floor = watcher.floor.max(self.compacted);
    }
}
