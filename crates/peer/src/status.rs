//! What can be told of a link at any time.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use ketch_base::MemberId;

/// One member as the transport sees it. Counters run from the link's opening.
#[derive(Clone, Debug, Default)]
pub struct LinkStatus {
    /// The member.
    pub id: MemberId,
    /// Since when it has been reachable; `None` while it is not.
    pub active_since: Option<Instant>,
    /// Streams we read from it: 2 when all is well.
    pub streams_in: u64,
    /// Streams it reads from us: 2 when all is well.
    pub streams_out: u64,
    /// Times it went from reachable to not.
    pub disconnects: u64,
    /// The last probe's round trip.
    pub rtt_ms: Option<f64>,
    /// Probes answered; a change says that `rtt_ms` is new.
    pub probes: u64,
    /// Message bytes sent, snapshots included.
    pub sent_bytes: u64,
    /// Message bytes received, snapshots included.
    pub received_bytes: u64,
    /// Messages dropped or not delivered.
    pub send_failures: u64,
    /// Messages that came and could not be read or taken.
    pub receive_failures: u64,
    /// Snapshots being sent to it.
    pub snapshots_sending: u64,
    /// Snapshots it took.
    pub snapshots_sent: u64,
    /// Snapshots it did not take.
    pub snapshot_send_failures: u64,
    /// How long all snapshots it took were under way together.
    pub snapshot_send_ms: u64,
    /// Snapshots being received from it.
    pub snapshots_receiving: u64,
    /// Snapshots received from it.
    pub snapshots_received: u64,
    /// Snapshots from it that failed.
    pub snapshot_receive_failures: u64,
    /// How long all snapshots received were under way together.
    pub snapshot_receive_ms: u64,
}

/// The same, counted up by many tasks.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Since when active, and the last round trip.
    state: Mutex<(Option<Instant>, Option<f64>)>,
    pub(crate) streams_in: AtomicU64,
    pub(crate) streams_out: AtomicU64,
    pub(crate) disconnects: AtomicU64,
    pub(crate) probes: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
    pub(crate) received_bytes: AtomicU64,
    pub(crate) send_failures: AtomicU64,
    pub(crate) receive_failures: AtomicU64,
    pub(crate) sending: Snapshots,
    pub(crate) receiving: Snapshots,
}

/// Snapshots of one direction.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    under_way: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    ms: AtomicU64,
}

impl Snapshots {
    pub(crate) fn begin(&self) -> Instant {
        self.under_way.fetch_add(1, Relaxed);
        Instant::now()
    }

    pub(crate) fn end(&self, begun: Instant, well: bool) {
        self.under_way.fetch_sub(1, Relaxed);
        if well {
            self.done.fetch_add(1, Relaxed);
            let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.ms.fetch_add(ms, Relaxed);
        } else {
            self.failed.fetch_add(1, Relaxed);
        }
    }
}

impl Counters {
    pub(crate) fn take(counter: &AtomicU64) {
        counter.fetch_sub(1, Relaxed);
    }

    pub(crate) fn add(counter: &AtomicU64, amount: usize) {
        counter.fetch_add(amount as u64, Relaxed);
    }

    /// Something went through. Returns whether the member was unreachable before.
    pub(crate) fn activate(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let was_down = state.0.is_none();
        state.0.get_or_insert_with(Instant::now);
        was_down
    }

    /// Something broke. Returns whether the member was reachable before.
    pub(crate) fn deactivate(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let was_up = state.0.take().is_some();
        if was_up {
            self.disconnects.fetch_add(1, Relaxed);
        }
        was_up
    }

    pub(crate) fn probed(&self, rtt_ms: f64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(rtt_ms);
        self.probes.fetch_add(1, Relaxed);
    }

    pub(crate) fn active_since(&self) -> Option<Instant> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn status(&self, id: MemberId) -> LinkStatus {
        let (active_since, rtt_ms) = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        LinkStatus {
            id,
            active_since,
            rtt_ms,
            streams_in: self.streams_in.load(Relaxed),
            streams_out: self.streams_out.load(Relaxed),
            disconnects: self.disconnects.load(Relaxed),
            probes: self.probes.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            send_failures: self.send_failures.load(Relaxed),
            receive_failures: self.receive_failures.load(Relaxed),
            snapshots_sending: self.sending.under_way.load(Relaxed),
            snapshots_sent: self.sending.done.load(Relaxed),
            snapshot_send_failures: self.sending.failed.load(Relaxed),
            snapshot_send_ms: self.sending.ms.load(Relaxed),
            snapshots_receiving: self.receiving.under_way.load(Relaxed),
            snapshots_received: self.receiving.done.load(Relaxed),
            snapshot_receive_failures: self.receiving.failed.load(Relaxed),
            snapshot_receive_ms: self.receiving.ms.load(Relaxed),
        }
    }
}
