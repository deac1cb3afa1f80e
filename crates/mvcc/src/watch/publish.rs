//! The live path: a commit to the watches that hear of commits as they come.

use ketch_base::planted::{self, Bug};

use super::Hub;
use super::encode::SharedEvent;
use super::intervals::Owner;
use super::output::responses;
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

    /// Live watches that want something of a commit, with the places of their events noted.
    fn find_live(&mut self, committed: &Committed) -> Vec<Owner> {
        let mut touched = Vec::new();
        let mut hits = std::mem::take(&mut self.hits);
        for (place, event) in (0..).zip(committed.events.iter()) {
            self.matcher.hits(&event.key, &mut hits);
            for owner in &hits {
                let Some(watcher) = self.watchers.get_mut(*owner) else { continue };
                let live = watcher.behind.is_none() && watcher.start <= committed.revision;
                if live && watcher.passes(event.tombstone) {
                    if watcher.hits.is_empty() {
                        touched.push(*owner);
                    }
                    watcher.hits.push(place);
                }
            }
        }
        self.hits = hits;
        touched.sort_unstable();
        touched
    }

    /// Queues the noted events of a watch; true if there was room. Without, the watch falls
    /// behind, or stays so, at its first event.
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
        if self.is_full(id) {
            self.fall_behind(owner, revision);
            return Ok(false);
        }
        let Some(watcher) = self.watchers.get(owner) else { return Ok(true) };
        let mut told = Vec::with_capacity(hits.len());
        for place in hits {
            let event = &mut events[place as usize];
            let main = event.revision.main;
            let with_previous = watcher.wants.prev_kv && main > watcher.floor;
            let bytes = if with_previous { event.full(&self.reader)? } else { event.plain() };
            told.push((main, bytes));
        }
        self.events += told.len() as u64;
        let (watch_id, fragment) = (watcher.id(), watcher.wants.fragment);
        for output in responses(&self.config, watch_id, revision, fragment, told) {
            self.push(id, output);
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
        }
    }
}
