//! The watch side of a member: its hub, and the streams of its clients.

use ketch_mvcc::Committed;
use ketch_mvcc::watch::{Create, StreamId};

use crate::world::World;
use crate::world::happening::{What, Work};
use crate::world::plan::{MS, SECOND};

/// Responses on their way to a client before it must have read some.
const WINDOW: usize = 4;
/// Bytes taken from a stream's queue at a time.
const TAKE_BYTES: usize = 2_000;

/// Something for the watch hub.
pub(crate) enum WatchJob {
    Committed(Committed),
    Open {
        watch: usize,
        epoch: u64,
        create: Create,
    },
    /// The client is gone.
    Close {
        watch: usize,
        epoch: u64,
    },
    /// A client asks how far it is.
    Ask {
        watch: usize,
        epoch: u64,
    },
    Reloaded,
    ProgressTick,
    /// A client has read.
    Read(StreamId),
}

/// A client's stream.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) watch: usize,
    pub(crate) epoch: u64,
    /// Responses sent and not read.
    pub(crate) flying: usize,
    /// When the last one sent arrives.
    pub(crate) last_us: u64,
}

impl World {
    pub(crate) fn watch_job(&mut self, slot: usize, job: WatchJob) {
        let Some(life) = &mut self.seats[slot].life else { return };
        life.watch_jobs.push_back(job);
        self.wake_watch(slot, 200);
    }

    fn wake_watch(&mut self, slot: usize, delay_us: u64) {
        let Some(life) = &mut self.seats[slot].life else { return };
        if !std::mem::replace(&mut life.watch_due, true) {
            let slow = self.rng.once_in(40);
            let most_us = if slow { 100 * MS } else { delay_us };
            let delay_us = self.rng.below(most_us);
            self.later(slot, delay_us, Work::Watch);
        }
    }

    /// A client's request reaches the member.
    pub(crate) fn watch_open(&mut self, slot: usize, watch: usize, epoch: u64, create: Create) {
        if self.seats[slot].life.is_some() {
            self.watch_job(slot, WatchJob::Open { watch, epoch, create });
        } else {
            let delay_us = self.rng.below(SECOND);
            self.after(delay_us, What::WatchMove { watch, epoch });
        }
    }

    pub(crate) fn watch_turn(&mut self, slot: usize) {
        let Some(life) = &mut self.seats[slot].life else { return };
        life.watch_due = false;
        while let Some(job) = life.watch_jobs.pop_front() {
            if let Err(error) = life.take_watch_job(job) {
                self.halt(slot, format!("watch: {error}"));
                return;
            }
        }
        match life.hub.catch_up() {
            Ok(false) => {}
            Ok(true) => self.wake_watch(slot, 2_000),
            Err(error) => {
                self.halt(slot, format!("watch: {error}"));
                return;
            }
        }
        self.tell(slot);
    }

    /// Sends what there is to tell, as far as clients keep up.
    fn tell(&mut self, slot: usize) {
        let now_us = self.now_us;
        let from = self.place(slot);
        let Some(life) = &mut self.seats[slot].life else { return };
        life.told.extend(life.hub.ready());
        let mut sent = Vec::new();
        let mut rest = Vec::new();
        for id in std::mem::take(&mut life.told) {
            let Some(stream) = life.streams.get_mut(&id) else { continue };
            if stream.flying < WINDOW {
                for output in life.hub.take(id, TAKE_BYTES) {
                    let delay_us = 50 + self.rng.below(1_000);
                    stream.last_us = stream.last_us.max(now_us + delay_us);
                    stream.flying += 1;
                    let (watch, epoch) = (stream.watch, stream.epoch);
                    sent.push((
                        stream.last_us - now_us,
                        What::WatchTold { from, watch, epoch, output },
                    ));
                }
            }
            if life.hub.has_output(id) {
                rest.push(id);
            }
        }
        life.told.extend(rest);
        for (delay_us, what) in sent {
            self.after(delay_us, what);
        }
    }

    /// A client has read a response.
    pub(crate) fn watch_read(&mut self, slot: usize, watch: usize, epoch: u64) {
        let Some(life) = &mut self.seats[slot].life else { return };
        if let Some(id) = life.stream_of(watch, epoch) {
            self.watch_job(slot, WatchJob::Read(id));
        }
    }

    /// Whether everything a watch asked for was told and has arrived, and up to which revision.
    pub(crate) fn watch_settled(&self, slot: usize, watch: usize, epoch: u64) -> Option<i64> {
        let life = self.seats[slot].life.as_ref()?;
        let id = life.stream_of(watch, epoch)?;
        let still = life.watch_jobs.is_empty()
            && life.hub.stats().lagging == 0
            && !life.hub.has_output(id)
            && life.streams.get(&id)?.flying == 0;
        still.then(|| life.hub.revision())
    }
}

impl super::Life {
    fn take_watch_job(&mut self, job: WatchJob) -> Result<(), ketch_mvcc::Error> {
        match job {
            WatchJob::Committed(committed) => self.hub.publish(&committed)?,
            WatchJob::Open { watch, epoch, create } => {
                let id = self.hub.open_stream();
                self.streams.insert(id, Stream { watch, epoch, flying: 0, last_us: 0 });
                self.hub.create(id, create);
            }
            WatchJob::Close { watch, epoch } => {
                if let Some(id) = self.stream_of(watch, epoch) {
                    self.streams.remove(&id);
                    self.hub.close_stream(id);
                }
            }
            WatchJob::Ask { watch, epoch } => {
                if let Some(id) = self.stream_of(watch, epoch) {
                    self.hub.request_progress(id);
                }
            }
            WatchJob::Reloaded => self.hub.reloaded(),
            WatchJob::ProgressTick => self.hub.tick_progress(),
            WatchJob::Read(id) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.flying = stream.flying.saturating_sub(1);
                    self.told.insert(id);
                }
            }
        }
        Ok(())
    }

    /// All watches at this member, those included that it has not looked at yet.
    pub(super) fn watches(&self) -> Vec<(usize, u64)> {
        let asked = self.watch_jobs.iter().filter_map(|job| match job {
            WatchJob::Open { watch, epoch, .. } => Some((*watch, *epoch)),
            _ => None,
        });
        let open = self.streams.values().map(|stream| (stream.watch, stream.epoch));
        open.chain(asked).collect()
    }

    fn stream_of(&self, watch: usize, epoch: u64) -> Option<StreamId> {
        let found = self.streams.iter().find(|(_, s)| (s.watch, s.epoch) == (watch, epoch));
        found.map(|(id, _)| *id)
    }
}
