//! The live path: a commit to the watches that hear of commits as they come.

use ketch_base::planted::{self, Bug};

use super::Hub;
use super::encode::SharedEvent;
use super::intervals::Owner;
use super::output::{Output, responses};
use super::stream::Queue;
use crate::error::Error;
use crate::event::Committed;

impl Hub {
    /// Hands a commit to its watches. Every commit must come here, in order, before the answer of
    /// its request leaves.
    ///
    /// # Errors
    /// The storage failed while a previous pair was read: the member must stop.
    pub fn publish(&mut self, committed: &Committed) -> Result<(), Error> {
        if committed.revision <= self.revision {
            return Ok(());
        }
        let revision = committed.revision;
        let mut events: Vec<_> = committed.events.iter().map(SharedEvent::committed).collect();
        let touched = self.find_live(committed);
        self.revision = revision;
        for owner in touched {
            self.hand_out(owner, &mut events, revision)?;
        }
        if self.behind.is_empty() {
            self.move_pin();
        }
        Ok(())
    }

    /// Live watches that want something of a commit, with the places of their events noted where
    /// there are several.
    fn find_live(&mut self, committed: &Committed) -> Vec<Owner> {
        let mut touched = Vec::new();
        let mut hits = std::mem::take(&mut self.hits);
        let single = committed.events.len() == 1;
        for (place, event) in (0..).zip(committed.events.iter()) {
            self.matcher.hits(&event.key, &mut hits);
            for owner in &hits {
                let Some(watcher) = self.watchers.get_mut(*owner) else { continue };
                let live = watcher.behind.is_none() && watcher.start <= committed.revision;
                if live && watcher.passes(event.tombstone) {
                    if watcher.hits.is_empty() {
                        touched.push(*owner);
                    }
                    if !single {
                        watcher.hits.push(place);
                    }
                }
            }
        }
        self.hits = hits;
        touched.sort_unstable();
        touched
    }

    /// Queues the noted events of a watch, of a single event that one; true if there was room.
    /// Without, the watch falls behind, or stays so, at its first event.
    pub(super) fn hand_out(
        &mut self,
        owner: Owner,
        events: &mut [SharedEvent],
        revision: i64,
    ) -> Result<bool, Error> {
        let Some(watcher) = self.watchers.get_mut(owner) else { return Ok(true) };
        let hits = std::mem::take(&mut watcher.hits);
        watcher.idle = false;
        let id = watcher.stream;
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(true) };
        if stream.queued_bytes() >= self.config.stream_queue_bytes {
            self.fall_behind(owner, revision);
            return Ok(false);
        }
        let (watch_id, fragment) = (watcher.id(), watcher.wants.fragment);
        let mut queue = Queue { ready: &mut self.ready, pending: &mut self.pending, id, stream };
        if let [event] = events {
            let told = vec![watcher.told(event, &self.reader)?];
            self.events += 1;
            queue.push(Output::Events { watch_id, revision, events: told, fragment: false });
            return Ok(true);
        }
        let mut told = Vec::with_capacity(hits.len());
        for place in hits {
            let event = &mut events[place as usize];
            told.push((event.revision.main, watcher.told(event, &self.reader)?));
        }
        self.events += told.len() as u64;
        for output in responses(&self.config, watch_id, revision, fragment, told) {
            queue.push(output);
        }
        Ok(true)
    }

    fn fall_behind(&mut self, owner: Owner, revision: i64) {
        let Some(watcher) = self.watchers.get_mut(owner) else { return };
        if watcher.behind.is_none() {
            watcher.behind = Some(revision - i64::from(planted::is(Bug::WatchRepeat)));
            // The pin is still at the revision before this one.
            watcher.floor = revision - 1;
            self.behind.insert(owner);
            self.stuck = false;
        }
    }
}
