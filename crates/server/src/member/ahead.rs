//! A long list, read ahead of its client on a thread of its own.
//!
//! A lane that reads a list and sends it in turn is as fast as one processor. So what comes after
//! the beginning is read by a blocking thread while the lane sends, where a processor is left for
//! it; else the lane reads it. The thread is held only while there is room for more: a client that
//! stands still holds none.
//!
//! Invariant: a list has [`limits::RANGE_PIECES_AHEAD`] pieces at hand at most, and at most
//! [`limits::RANGES_AHEAD`] lists have any.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use ketch_api::ports::Chunks;
use ketch_base::{Code, limits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

/// What a lane reads by itself: of short lists all.
const BEGINNING_BYTES: usize = limits::RANGE_CHUNK_BYTES;

/// What a read gives: the next encoded rows, `None` after the last.
pub(super) type Piece = Result<Option<Bytes>, Code>;

/// What all lists read ahead share.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    lists: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

impl Readers {
    /// With so many threads at a time.
    pub(crate) fn new(threads: usize) -> Self {
        let lists = Arc::new(Semaphore::new(limits::RANGES_AHEAD));
        Self { lists, threads: Arc::new(Semaphore::new(threads)) }
    }
}

/// One list, read by `R`: a function that gives the next piece, of so many bytes at most.
pub(super) struct Ahead<R> {
    readers: Readers,
    read: Reading<R>,
    given_bytes: usize,
    queue: Option<Queue>,
}

/// Where the function is.
enum Reading<R> {
    Here(R),
    /// With a thread, which gives it back when there is no room for another piece.
    There(JoinHandle<R>),
    /// Lost with its thread.
    Lost,
}

/// The pieces at hand.
struct Queue {
    pieces: mpsc::Receiver<Piece>,
    room: mpsc::Sender<Piece>,
    _list: OwnedSemaphorePermit,
}

impl<R> Ahead<R>
where
    R: FnMut(usize) -> Piece + Send + 'static,
{
    pub(super) fn new(read: R, readers: &Readers) -> Self {
        let readers = readers.clone();
        Self { readers, read: Reading::Here(read), given_bytes: 0, queue: None }
    }

    /// What the thread under way gives: a piece, or the function itself.
    fn poll_thread(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let Reading::There(thread) = &mut self.read else { return Poll::Ready(None) };
        if let Some(queue) = &mut self.queue
            && !thread.is_finished()
            && let Poll::Ready(piece) = queue.pieces.poll_recv(cx)
        {
            return Poll::Ready(piece);
        }
        let back = ready!(Pin::new(thread).poll(cx));
        self.read = back.map_or(Reading::Lost, Reading::Here);
        Poll::Ready(None)
    }

    /// Hands the function to a thread, if there is one, and room.
    fn send_ahead(&mut self, bytes_max: usize) {
        if self.given_bytes < BEGINNING_BYTES {
            return;
        }
        let Some(queue) = self.queue.take().or_else(|| Queue::new(&self.readers)) else { return };
        if queue.pieces.len() <= limits::RANGE_PIECES_AHEAD / 2
            && let Ok(permit) = Arc::clone(&self.readers.threads).try_acquire_owned()
        {
            let room = queue.room.clone();
            self.read = match std::mem::replace(&mut self.read, Reading::Lost) {
                Reading::Here(read) => Reading::There(tokio::task::spawn_blocking(move || {
                    let _permit = permit;
                    fill(read, bytes_max, &room)
                })),
                other => other,
            };
        }
        self.queue = Some(queue);
    }
}

impl<R> Chunks for Ahead<R>
where
    R: FnMut(usize) -> Piece + Send + 'static,
{
    fn poll_next(&mut self, cx: &mut Context<'_>, bytes_max: usize) -> Poll<Piece> {
        loop {
            if let Some(piece) = ready!(self.poll_thread(cx)) {
                return Poll::Ready(piece);
            }
            // No thread is under way: what is at hand is all, and in order.
            self.send_ahead(bytes_max);
            if let Some(piece) = self.queue.as_mut().and_then(|q| q.pieces.try_recv().ok()) {
                return Poll::Ready(piece);
            }
            match &mut self.read {
                Reading::Here(read) => {
                    let piece = read(bytes_max);
                    if let Ok(Some(bytes)) = &piece {
                        self.given_bytes += bytes.len();
                    }
                    return Poll::Ready(piece);
                }
                Reading::There(_) => {}
                Reading::Lost => return Poll::Ready(Err(Code::Stopped)),
            }
        }
    }
}

impl Queue {
    fn new(readers: &Readers) -> Option<Self> {
        let list = Arc::clone(&readers.lists).try_acquire_owned().ok()?;
        let (room, pieces) = mpsc::channel(limits::RANGE_PIECES_AHEAD);
        Some(Self { pieces, room, _list: list })
    }
}

/// Reads until there is no room, or nobody who wants it.
fn fill<R: FnMut(usize) -> Piece>(mut read: R, bytes_max: usize, room: &mpsc::Sender<Piece>) -> R {
    while let Ok(place) = room.try_reserve() {
        let piece = read(bytes_max);
        let more = matches!(piece, Ok(Some(_)));
        place.send(piece);
        if !more {
            break;
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    const PIECE_BYTES: usize = limits::RANGE_CHUNK_BYTES / 4;
    const PIECES: usize = 40;

    /// Reads of a list of [`PIECES`], which are counted; the last one may fail.
    fn list(reads: &Arc<AtomicUsize>, fails: bool) -> impl FnMut(usize) -> Piece + use<> {
        let reads = Arc::clone(reads);
        move |bytes_max| match reads.fetch_add(1, Ordering::SeqCst) {
            number if number < PIECES => {
                let byte = u8::try_from(number).expect("few pieces");
                Ok(Some(vec![byte; bytes_max].into()))
            }
            _ if fails => Err(Code::Corrupt),
            _ => Ok(None),
        }
    }

    /// What the next piece is made of.
    async fn next(list: &mut impl Chunks) -> Result<Option<u8>, Code> {
        let piece = poll_fn(|cx| list.poll_next(cx, PIECE_BYTES)).await?;
        Ok(piece.map(|bytes| bytes[0]))
    }

    #[tokio::test]
    async fn pieces_come_in_order_whoever_reads() {
        for (threads, others, fails) in [
            (0, 0, false),
            (1, 0, false),
            (1, 0, true),
            (2, 3, true),
            (1, limits::RANGES_AHEAD, false),
        ] {
            let readers = Readers::new(threads);
            let _others: Vec<_> = (0..others).filter_map(|_| Queue::new(&readers)).collect();
            let mut list = Ahead::new(list(&Arc::default(), fails), &readers);
            for number in 0..PIECES {
                let expected = u8::try_from(number).expect("few pieces");
                assert_eq!(next(&mut list).await, Ok(Some(expected)), "{threads} threads");
                if number % 7 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            let end = if fails { Err(Code::Corrupt) } else { Ok(None) };
            assert_eq!(next(&mut list).await, end);
            assert_eq!(list.queue.is_some(), others < limits::RANGES_AHEAD);
        }
    }

    #[tokio::test]
    async fn who_stands_still_holds_no_thread_and_few_pieces() {
        let (readers, reads) = (Readers::new(1), Arc::default());
        let mut still = Ahead::new(list(&reads, false), &readers);
        let given = BEGINNING_BYTES / PIECE_BYTES + 1;
        for _ in 0..given {
            next(&mut still).await.expect("a piece");
        }
        while readers.threads.available_permits() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let ahead = reads.load(Ordering::SeqCst) - given;
        assert!((1..=limits::RANGE_PIECES_AHEAD).contains(&ahead), "{ahead} pieces");
        drop(still);
        assert_eq!(readers.lists.available_permits(), limits::RANGES_AHEAD);
    }
}
