//! What waits to be written: lines, in one piece of memory for each thread that leaves some.
//!
//! Threads that share a piece, or even the memory that tells of it, would hand cache lines to and
//! fro with every entry.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ketch_api::ports::Entry;
use parking_lot::{Condvar, Mutex};

use crate::limits::{GRANT_BYTES, QUEUE_BYTES_MAX, URGENT_BYTES};
use crate::line::{Lines, Methods};

/// Room for most lines.
const USUAL_BYTES: usize = 512;

/// What waits, between the calls and the writer.
pub(crate) struct Queue {
    shards: Vec<Shard>,
    /// Bytes that no shard was given.
    room_bytes: AtomicUsize,
    orders: Mutex<Orders>,
    news: Condvar,
    /// Entries lost, ever.
    dropped: AtomicU64,
    epoch: Instant,
}

/// On cache lines of its own.
#[repr(align(128))]
struct Shard(Mutex<Waiting>);

struct Waiting {
    lines: Lines,
    batch: Batch,
    granted_bytes: usize,
    is_closed: bool,
}

/// What the writer takes at a time.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) lines: Vec<u8>,
    pub(crate) entries: u64,
    /// Lost behind these entries.
    pub(crate) dropped: u64,
}

/// What the writer is to do besides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Orders {
    pub(crate) reopen: bool,
    pub(crate) stop: bool,
    /// Much waits.
    is_urgent: bool,
}

impl Queue {
    /// For so many threads; more share.
    pub(crate) fn new(threads: usize) -> Self {
        let (epoch, wall, methods) = (Instant::now(), SystemTime::now(), Arc::new(Methods::new()));
        let shard = |_| {
            let lines = Lines::new(Arc::clone(&methods), epoch, wall);
            let batch = Batch::default();
            Shard(Mutex::new(Waiting { lines, batch, granted_bytes: 0, is_closed: false }))
        };
        Self {
            shards: (0..threads.max(1)).map(shard).collect(),
            room_bytes: AtomicUsize::new(QUEUE_BYTES_MAX),
            orders: Mutex::default(),
            news: Condvar::new(),
            dropped: AtomicU64::new(0),
            epoch,
        }
    }

    /// Keeps the line of an entry if there is room and somebody to write it.
    pub(crate) fn push(&self, entry: &Entry<'_>) {
        let shard = &self.shards[own_number() % self.shards.len()];
        let (before, after) = {
            let waiting = &mut *shard.0.lock();
            let before = waiting.batch.lines.len();
            if waiting.is_closed || !self.has_room(waiting, before + USUAL_BYTES) {
                return self.drop_one(waiting);
            }
            waiting.lines.append(&mut waiting.batch.lines, entry);
            let after = waiting.batch.lines.len();
            if !self.has_room(waiting, after) {
                waiting.batch.lines.truncate(before);
                return self.drop_one(waiting);
            }
            waiting.batch.entries += 1;
            (before, after)
        };
        if before < URGENT_BYTES && after >= URGENT_BYTES {
            self.order(Orders { is_urgent: true, ..Orders::default() });
        }
    }

    /// Whether a shard may hold so much; takes from the room that is left.
    fn has_room(&self, waiting: &mut Waiting, bytes: usize) -> bool {
        while waiting.granted_bytes < bytes {
            let less = |room: usize| room.checked_sub(GRANT_BYTES);
            if self.room_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
                return false;
            }
            waiting.granted_bytes += GRANT_BYTES;
        }
        true
    }

    fn drop_one(&self, waiting: &mut Waiting) {
        waiting.batch.dropped += 1;
        self.lose(1);
    }

    /// Counts entries that will not be written.
    pub(crate) fn lose(&self, entries: u64) {
        self.dropped.fetch_add(entries, Ordering::Relaxed);
    }

    /// Entries lost, ever.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits for `period`, or until much waits, or for an order.
    pub(crate) fn wait(&self, period: Duration) -> Orders {
        let mut orders = self.orders.lock();
        if !orders.any() && !orders.is_urgent {
            self.news.wait_for(&mut orders, period);
        }
        orders.is_urgent = false;
        orders.given()
    }

    /// Takes all that waits, each thread's by itself. `batches` give their memory, each for the
    /// same thread again: it is there already, and its size is the usual one.
    pub(crate) fn take(&self, batches: &mut Vec<Batch>) {
        // By the clock of now, whatever was done to it since the start.
        let wall = SystemTime::now().checked_sub(self.epoch.elapsed());
        batches.resize_with(self.shards.len(), Batch::default);
        for (shard, batch) in self.shards.iter().zip(batches) {
            // What a storm took is given back when that is over.
            if batch.lines.capacity() > URGENT_BYTES.max(4 * batch.lines.len()) {
                batch.lines = Vec::new();
            }
            batch.lines.clear();
            (batch.entries, batch.dropped) = (0, 0);
            let mut waiting = shard.0.lock();
            waiting.lines.set_epoch(wall.unwrap_or(SystemTime::UNIX_EPOCH));
            std::mem::swap(&mut waiting.batch, batch);
            let granted_bytes = std::mem::take(&mut waiting.granted_bytes);
            drop(waiting);
            self.room_bytes.fetch_add(granted_bytes, Ordering::Relaxed);
        }
    }

    /// Waits for an order, leaving what waits where it is.
    pub(crate) fn rest(&self, period: Duration) -> Orders {
        let mut orders = self.orders.lock();
        let until = Instant::now() + period;
        while !orders.any() && !self.news.wait_until(&mut orders, until).timed_out() {}
        orders.given()
    }

    /// Asks the writer for something. Nothing is kept after an order to stop.
    pub(crate) fn order(&self, order: Orders) {
        if order.stop {
            for shard in &self.shards {
                shard.0.lock().is_closed = true;
            }
        }
        let mut orders = self.orders.lock();
        orders.reopen |= order.reopen;
        orders.stop |= order.stop;
        orders.is_urgent |= order.is_urgent;
        self.news.notify_one();
    }
}

impl Orders {
    pub(crate) const REOPEN: Self = Self { reopen: true, stop: false, is_urgent: false };
    pub(crate) const STOP: Self = Self { reopen: false, stop: true, is_urgent: false };

    fn any(self) -> bool {
        self.reopen || self.stop
    }

    /// An order to stop stands.
    fn given(&mut self) -> Self {
        let given = *self;
        self.reopen = false;
        given
    }
}

/// A number that the calling thread shares with no other.
fn own_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<Option<usize>> = const { Cell::new(None) };
    }
    OWN.with(|own| {
        own.get().unwrap_or_else(|| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            own.set(Some(number));
            number
        })
    })
}
