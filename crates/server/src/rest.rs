//! What a thread does when it comes to rest: it gives back the memory its work took.
//!
//! The allocator keeps a list of free memory for each thread and looks through it only while that
//! thread asks for more. One that sleeps after a burst would keep, for every size it ever asked
//! for, up to 4 MiB that nobody uses.

use std::hint::black_box;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

/// How long nothing comes before a thread is taken to be at rest.
const QUIET: Duration = Duration::from_secs(1);
/// Work of a lane that is worth it.
const WORK: Duration = Duration::from_millis(50);
/// A lane that does less in [`QUIET`] is at rest.
const IDLE: Duration = Duration::from_millis(10);
/// How often memory is asked for: each thousandth time the allocator counts once for what is free,
/// and what it has counted sixteen times goes; each ten thousandth time it takes note of what
/// others freed.
const ASKED: usize = 17_000;
/// So much: what is smaller is served from a shorter list and not counted.
const ASKED_BYTES: usize = 2048;

/// Makes the allocator look through what this thread has free; 0.3 ms. Afterwards the memory
/// belongs to no thread; it goes back to the system when it was not used for a second.
pub(crate) fn give_back() {
    let ask = || black_box(Vec::<u8>::with_capacity(ASKED_BYTES));
    // Held, so that what is asked for has a place that is never wholly free.
    let _held = ask();
    for _ in 0..ASKED {
        drop(ask());
    }
}

/// Does the same for a lane, on whose runtime it runs, for ever.
pub(crate) async fn on_lane() {
    let metrics = Handle::current().metrics();
    let busy = || metrics.worker_total_busy_duration(0);
    let mut tick = interval(QUIET);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut given_back) = (busy(), busy());
    loop {
        tick.tick().await;
        let now = busy();
        if now - last < IDLE && now - given_back > WORK {
            give_back();
            given_back = now;
        }
        last = now;
    }
}
