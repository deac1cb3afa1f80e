//! The bound on handshakes that are not finished: beyond it the oldest gives way, so that silent
//! connections cannot keep others out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::limits::{HALF_OPEN_MAX_HANDSHAKES, HALF_OPEN_PATIENCE};

/// The seats of one listener.
#[derive(Debug)]
pub(crate) struct HalfOpen {
    seats: Arc<Semaphore>,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, (Instant, oneshot::Sender<()>)>,
}

/// A handshake that may go on until `gone` fires.
#[derive(Debug)]
pub(crate) struct Seat {
    id: u64,
    table: Arc<Mutex<Table>>,
    pub(crate) gone: oneshot::Receiver<()>,
    _permit: OwnedSemaphorePermit,
}

impl Default for HalfOpen {
    fn default() -> Self {
        Self::new(HALF_OPEN_MAX_HANDSHAKES)
    }
}

impl HalfOpen {
    fn new(max: usize) -> Self {
        Self { seats: Arc::new(Semaphore::new(max)), table: Arc::default() }
    }

    /// A seat; waits at most for the patience of the oldest handshake that must give way.
    pub(crate) async fn enter(&self) -> Option<Seat> {
        let mut waiting = std::pin::pin!(self.seats.clone().acquire_owned());
        let mut pause = Duration::ZERO;
        let permit = loop {
            tokio::select! {
                biased;
                permit = &mut waiting => break permit.ok()?,
                () = tokio::time::sleep(pause) => pause = self.free_oldest(),
            }
        };
        let (sender, gone) = oneshot::channel();
        let mut table = lock(&self.table);
        let id = table.next;
        table.next += 1;
        table.open.insert(id, (Instant::now(), sender));
        Some(Seat { id, table: self.table.clone(), gone, _permit: permit })
    }

    /// Ends the oldest handshake if it had its time; says when to ask again.
    fn free_oldest(&self) -> Duration {
        let mut table = lock(&self.table);
        let Some(oldest) = table.open.first_entry() else { return HALF_OPEN_PATIENCE };
        let age = oldest.get().0.elapsed();
        if age < HALF_OPEN_PATIENCE {
            return HALF_OPEN_PATIENCE - age;
        }
        // The receiver may have ended by itself in this moment; then its seat is free anyway.
        let _ = oldest.remove().1.send(());
        HALF_OPEN_PATIENCE
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.table).open.remove(&self.id);
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_way() {
        let half_open = HalfOpen::new(2);
        let mut first = half_open.enter().await.unwrap();
        let mut second = half_open.enter().await.unwrap();
        let enter = half_open.enter();
        let wait = async {
            (&mut first.gone).await.unwrap();
            drop(first);
        };
        let (third, ()) = tokio::join!(enter, wait);
        assert!(second.gone.try_recv().is_err());
        drop((second, third));
        assert!(lock(&half_open.table).open.is_empty());
        assert_eq!(half_open.seats.available_permits(), 2);
    }
}
