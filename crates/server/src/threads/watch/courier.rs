//! Couriers: one task in each lane takes what the watch thread has for the lane's streams, and
//! hands it out a little at a time.
//!
//! A commit that ten thousand watch is work for milliseconds. Handed out at once it would stand
//! before every call of the lane; so the courier rests after each portion until the lane has run
//! what there was and has looked at its sockets. Other threads that wait for the lane's processor
//! (the log, or a client of this machine whose answer has just been sent) go first, too.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use ketch_api::ports::WatchOutput;
use tokio::sync::mpsc;

/// Bytes handed out before the rest of the lane has its turn.
const PORTION_BYTES: usize = 64 * 1024;

static NUMBERS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static HERE: RefCell<Option<Courier>> = const { RefCell::new(None) };
}

/// One batch for one stream.
pub(crate) struct Parcel {
    /// Has room: there is one place, and the stream has said that it is free.
    pub(crate) to: mpsc::Sender<Vec<WatchOutput>>,
    pub(crate) batch: Vec<WatchOutput>,
    /// About.
    pub(crate) bytes: usize,
}

/// The way to the streams of one lane.
#[derive(Clone)]
pub(crate) struct Courier {
    /// Which one it is.
    pub(crate) number: u64,
    /// Not bounded by itself: each stream has at most one parcel on the way.
    parcels: mpsc::UnboundedSender<Vec<Parcel>>,
}

impl Courier {
    /// The one of the lane that asks; the first to ask starts it. Must run in its runtime.
    pub(crate) fn here() -> Self {
        HERE.with_borrow_mut(|here| match here {
            Some(courier) if !courier.parcels.is_closed() => courier.clone(),
            _ => here.insert(Self::start()).clone(),
        })
    }

    fn start() -> Self {
        let (parcels, arriving) = mpsc::unbounded_channel();
        tokio::spawn(hand_out(arriving));
        Self { number: NUMBERS.fetch_add(1, Ordering::Relaxed), parcels }
    }

    /// Takes parcels along. If the lane has ended, so have its streams.
    pub(crate) fn send(&self, parcels: Vec<Parcel>) {
        let _ = self.parcels.send(parcels);
    }
}

async fn hand_out(mut arriving: mpsc::UnboundedReceiver<Vec<Parcel>>) {
    let mut bytes = 0;
    while let Some(parcels) = arriving.recv().await {
        for parcel in parcels {
            bytes += parcel.bytes;
            // Closed means that the client left, and its Close is on the way.
            let _ = parcel.to.try_send(parcel.batch);
            if bytes >= PORTION_BYTES {
                bytes = 0;
                thread::yield_now();
                tokio::task::yield_now().await;
            }
        }
    }
}
