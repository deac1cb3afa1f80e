//! Clients that watch, and go on elsewhere when their stream breaks.

use bytes::Bytes;
use ketch_base::KeyRange;
use ketch_mvcc::watch::{Create, Output};
use ketch_proto::mvccpb::Event;
use prost::Message;

use super::keys::{PREFIX, PREFIX_END};
use crate::fact::{Fact, WatchKey};
use crate::world::World;
use crate::world::ending::Phase;
use crate::world::happening::{Place, What};
use crate::world::member::WatchJob;
use crate::world::plan::{MS, SECOND};

/// A logical watch.
pub(crate) struct Watcher {
    pub(crate) key: WatchKey,
    from: Bytes,
    to: Bytes,
    prev_kv: bool,
    /// The next revision it is to be told; 0 if whatever comes.
    next: i64,
    /// The member it is at.
    pub(crate) slot: usize,
    /// Which of its streams is the one in use.
    pub(crate) epoch: u64,
    created: bool,
}

impl World {
    pub(crate) fn new_watcher(&mut self) {
        let one = self.rng.once_in(3);
        let (from, to) = if one {
            (self.some_key(), Bytes::new())
        } else {
            (Bytes::from_static(PREFIX), Bytes::from_static(PREFIX_END))
        };
        let next = if self.rng.once_in(3) { 0 } else { 1 + self.rng.below(3) as i64 };
        let watcher = Watcher {
            key: WatchKey(self.next_watch),
            from,
            to,
            prev_kv: self.rng.once_in(3),
            next,
            slot: 0,
            epoch: 0,
            created: false,
        };
        self.next_watch += 1;
        self.watchers.push(watcher);
        let watch = self.watchers.len() - 1;
        let delay_us = self.rng.below(4 * SECOND);
        self.after(delay_us, What::WatchMove { watch, epoch: 0 });
    }

    /// The stream is gone, or the client wants another: it goes on at some member.
    pub(crate) fn watch_move(&mut self, watch: usize, epoch: u64) {
        if self.watchers[watch].epoch != epoch {
            return;
        }
        let old = self.watchers[watch].slot;
        self.watch_job(old, WatchJob::Close { watch, epoch });
        let Some(slot) = self.someone() else {
            self.after(300 * MS, What::WatchMove { watch, epoch });
            return;
        };
        let watcher = &mut self.watchers[watch];
        watcher.epoch += 1;
        watcher.slot = slot;
        watcher.created = false;
        let epoch = watcher.epoch;
        let create = Create {
            watch_id: 0,
            range: KeyRange::new(watcher.from.clone(), watcher.to.clone()),
            start_revision: watcher.next,
            progress_notify: true,
            no_put: false,
            no_delete: false,
            prev_kv: watcher.prev_kv,
            fragment: false,
        };
        let fact = Fact::Watching {
            watch: watcher.key,
            member: self.seats[slot].id,
            key: watcher.from.clone(),
            range_end: watcher.to.clone(),
            from: watcher.next,
        };
        self.note(fact);
        let delay_us = 20 + self.rng.below(MS);
        self.after(delay_us, What::WatchOpen { slot, watch, epoch, create });
        // Watches go over to other members now and then, without need.
        if self.phase == Phase::Storm {
            let stay_us = SECOND + self.rng.below(10 * SECOND);
            self.after(stay_us, What::WatchMove { watch, epoch });
        }
    }

    /// A response has come.
    pub(crate) fn watch_told(&mut self, from: Place, watch: usize, epoch: u64, output: Output) {
        if self.watchers[watch].epoch != epoch {
            return;
        }
        if from == self.place(from.slot) {
            self.watch_read(from.slot, watch, epoch);
        }
        let key = self.watchers[watch].key;
        match output {
            Output::Created { revision, .. } => {
                let watcher = &mut self.watchers[watch];
                watcher.created = true;
                if watcher.next == 0 {
                    watcher.next = revision + 1;
                }
                self.note(Fact::WatchCreated { watch: key, revision });
            }
            Output::Events { revision, events, .. } => {
                self.watch_events(watch, revision, &events);
            }
            Output::Progress { revision, .. } => {
                let watcher = &mut self.watchers[watch];
                watcher.next = watcher.next.max(revision + 1);
                self.note(Fact::WatchProgress { watch: key, revision });
            }
            Output::Canceled { compact_revision, .. } => {
                self.recorder.count("watch canceled");
                self.note(Fact::WatchCanceled { watch: key, compact_revision });
                self.watch_anew(watch, compact_revision);
            }
        }
        if self.rng.once_in(20) {
            self.watch_job(from.slot, WatchJob::Ask { watch, epoch });
        }
    }

    fn watch_events(&mut self, watch: usize, header_revision: i64, events: &[Bytes]) {
        let decoded: Result<Vec<Event>, _> =
            events.iter().map(|event| Event::decode(event.clone())).collect();
        let events = match decoded {
            Ok(events) => events,
            Err(error) => return self.violate(format!("an event cannot be decoded: {error}")),
        };
        let watcher = &mut self.watchers[watch];
        let last =
            events.last().and_then(|event| event.kv.as_ref()).map_or(0, |kv| kv.mod_revision);
        watcher.next = watcher.next.max(last + 1);
        let watch = watcher.key;
        self.note(Fact::Watched { watch, header_revision, events });
    }

    /// What was between is gone: the client begins a new watch where it can.
    fn watch_anew(&mut self, watch: usize, compact_revision: i64) {
        let Watcher { slot, epoch, .. } = self.watchers[watch];
        self.watch_job(slot, WatchJob::Close { watch, epoch });
        let watcher = &mut self.watchers[watch];
        watcher.key = WatchKey(self.next_watch);
        self.next_watch += 1;
        watcher.next = compact_revision.max(0);
        // What still comes on the old stream is not for the new watch.
        watcher.epoch += 1;
        watcher.created = false;
        let epoch = watcher.epoch;
        let delay_us = self.rng.below(500 * MS);
        self.after(delay_us, What::WatchMove { watch, epoch });
    }

    /// Every watch has been told everything; up to which revision each.
    pub(crate) fn watches_at_rest(&self) -> Option<Vec<(WatchKey, i64)>> {
        let settled = |(watch, watcher): (usize, &Watcher)| {
            let revision = self.watch_settled(watcher.slot, watch, watcher.epoch)?;
            watcher.created.then_some((watcher.key, revision))
        };
        self.watchers.iter().enumerate().map(settled).collect()
    }
}
