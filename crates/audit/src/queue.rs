//! What waits to be written: packed entries in one piece of memory, under a leaf lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ketch_api::ports::Entry;
use parking_lot::{Condvar, Mutex};

use crate::limits::{QUEUE_BYTES_MAX, QUEUE_ENTRIES_MAX};
use crate::pack::{PACKED_BYTES_MAX, pack};

/// The writer is woken before its time when so much waits.
const URGENT_BYTES: usize = QUEUE_BYTES_MAX / 8;

/// What waits, between the calls and the writer.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    news: Condvar,
    /// Entries lost, ever.
    dropped: AtomicU64,
    epoch: Instant,
}

#[derive(Default)]
struct Waiting {
    batch: Batch,
    orders: Orders,
}

/// What the writer takes at a time.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) packed: Vec<u8>,
    pub(crate) entries: usize,
    /// Lost behind these entries.
    pub(crate) dropped: u64,
}

/// What the writer is to do besides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Orders {
    pub(crate) reopen: bool,
    pub(crate) stop: bool,
}

impl Queue {
    pub(crate) fn new(epoch: Instant) -> Self {
        let (waiting, news) = (Mutex::default(), Condvar::new());
        Self { waiting, news, dropped: AtomicU64::new(0), epoch }
    }

    /// The moment from which entries count their time.
    pub(crate) fn epoch(&self) -> Instant {
        self.epoch
    }

    /// Keeps an entry if there is room and somebody to write it.
    pub(crate) fn push(&self, entry: &Entry<'_>) {
        let mut waiting = self.waiting.lock();
        let Waiting { batch, orders } = &mut *waiting;
        let has_room = batch.entries < QUEUE_ENTRIES_MAX
            && batch.packed.len() + PACKED_BYTES_MAX <= QUEUE_BYTES_MAX;
        if !has_room || orders.stop {
            batch.dropped += 1;
            self.lose(1);
            return;
        }
        let before = batch.packed.len();
        pack(&mut batch.packed, entry, self.epoch);
        batch.entries += 1;
        if before < URGENT_BYTES && batch.packed.len() >= URGENT_BYTES {
            self.news.notify_one();
        }
    }

    /// Counts entries that will not be written.
    pub(crate) fn lose(&self, entries: u64) {
        self.dropped.fetch_add(entries, Ordering::Relaxed);
    }

    /// Entries lost, ever.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes all that waits, after `period` or as soon as it is much; `batch` gives its memory.
    pub(crate) fn take(&self, batch: &mut Batch, period: Duration) -> Orders {
        batch.packed.clear();
        (batch.entries, batch.dropped) = (0, 0);
        let mut waiting = self.waiting.lock();
        if !waiting.is_urgent() {
            self.news.wait_for(&mut waiting, period);
        }
        std::mem::swap(&mut waiting.batch, batch);
        waiting.orders.given()
    }

    /// Waits for an order, leaving what waits where it is.
    pub(crate) fn rest(&self, period: Duration) -> Orders {
        let mut waiting = self.waiting.lock();
        let until = Instant::now() + period;
        while !waiting.orders.any() && !self.news.wait_until(&mut waiting, until).timed_out() {}
        waiting.orders.given()
    }

    /// Asks the writer for something.
    pub(crate) fn order(&self, order: Orders) {
        let mut waiting = self.waiting.lock();
        waiting.orders.reopen |= order.reopen;
        waiting.orders.stop |= order.stop;
        self.news.notify_one();
    }
}

impl Waiting {
    fn is_urgent(&self) -> bool {
        self.orders.any() || self.batch.packed.len() >= URGENT_BYTES
    }
}

impl Orders {
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
