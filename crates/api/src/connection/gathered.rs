//! A connection that gathers what one turn writes, and writes it in one go.
//!
//! The HTTP/2 library writes every frame by itself: a turn that serves ten streams would make ten
//! small writes, each with its way through the kernel and its waking of the client. Only the task
//! around the library knows when the turn is over; so it is told here, by [`Outbox::drive`].

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::turn::Turn;
use super::turnstile::window_update;
use crate::limits::{CONNECTION_GATHER_BYTES, CONNECTION_WRITE_TURN_BYTES};

thread_local! {
    /// The buffer of whoever has its turn on this thread. A connection keeps it only while its
    /// client does not read.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The byte stream as the HTTP library sees it. What it writes is sent when its turn is over.
pub(super) struct Gathered<I>(Arc<Mutex<State<I>>>);

/// Puts frames of others between those of the library.
pub(super) struct Beside<I>(Arc<Mutex<State<I>>>);

/// The other end: sends what was gathered.
pub(super) struct Outbox<I>(Arc<Mutex<State<I>>>);

struct State<I> {
    io: I,
    gathered: Vec<u8>,
    /// Of them, from the begin.
    sent: usize,
    /// Taken from the library in this turn.
    turn_bytes: usize,
    /// The library was told that there is no room, and waits for it.
    refused: bool,
    /// Something was written that the layers below may hold.
    unflushed: bool,
    /// The library is in the middle of a frame, perhaps.
    is_cut: bool,
    /// What the client may send anew, to be told when it can be.
    window_bytes: usize,
    /// Nothing goes out any more.
    broken: Option<io::ErrorKind>,
}

/// Both ends around a byte stream.
pub(super) fn gathered<I>(io: I) -> (Gathered<I>, Outbox<I>) {
    let state = State {
        io,
        gathered: Vec::new(),
        sent: 0,
        turn_bytes: 0,
        refused: false,
        unflushed: false,
        is_cut: false,
        window_bytes: 0,
        broken: None,
    };
    let state = Arc::new(Mutex::new(state));
    (Gathered(Arc::clone(&state)), Outbox(state))
}

impl<I: AsyncWrite + Unpin> Outbox<I> {
    /// Runs the connection to its end, turn by turn.
    pub(super) async fn drive<C: Future>(
        &self,
        reads: &Turn,
        mut connection: Pin<&mut C>,
    ) -> C::Output {
        std::future::poll_fn(|cx| {
            reads.begin();
            lock(&self.0).turn_bytes = 0;
            loop {
                let turn = connection.as_mut().poll(cx);
                if turn.is_ready() || !lock(&self.0).end_turn(cx) {
                    return turn;
                }
            }
        })
        .await
    }
}

impl<I> Gathered<I> {
    pub(super) fn beside(&self) -> Beside<I> {
        Beside(Arc::clone(&self.0))
    }
}

impl<I> Beside<I> {
    /// Bytes that may be put there now. None while the library is in the middle of a frame, or what
    /// was gathered before does not go out.
    pub(super) fn room(&self) -> usize {
        let state = lock(&self.0);
        if state.is_cut { 0 } else { CONNECTION_GATHER_BYTES.saturating_sub(state.gathered.len()) }
    }

    /// Puts frames there, no more than there is room for; and gives the client so many bytes back
    /// that it may send anew.
    pub(super) fn put(&self, frames: &[u8], window_bytes: usize) {
        if frames.is_empty() && window_bytes == 0 {
            return;
        }
        let mut state = lock(&self.0);
        state.window_bytes += window_bytes;
        if !frames.is_empty() {
            state.gather(&[IoSlice::new(frames)]);
        }
    }
}

impl<I> State<I> {
    fn tell_window(&mut self) {
        if self.window_bytes > 0 && !self.is_cut {
            let bytes = std::mem::take(&mut self.window_bytes).min(i32::MAX as usize) as u32;
            self.gather(&[IoSlice::new(&window_update(bytes))]);
        }
    }

    fn gather(&mut self, slices: &[IoSlice<'_>]) {
        if self.gathered.capacity() == 0 {
            self.gathered = SPARE.take();
            self.gathered.reserve_exact(CONNECTION_GATHER_BYTES);
        }
        slices.iter().for_each(|slice| self.gathered.extend_from_slice(slice));
    }
}

impl<I: AsyncWrite + Unpin> State<I> {
    /// Sends what was gathered. True if the library must come again: there is room where it found
    /// none, or it does not know yet that the connection broke.
    fn end_turn(&mut self, cx: &mut Context<'_>) -> bool {
        if self.broken.is_some() {
            return false;
        }
        self.tell_window();
        match self.send(cx) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => std::mem::take(&mut self.refused),
            Poll::Ready(Err(error)) => {
                self.broken = Some(error.kind());
                true
            }
        }
    }

    /// Sends everything gathered, and then has the layers below send it.
    fn send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.gathered.len() {
            let write = Pin::new(&mut self.io).poll_write(cx, &self.gathered[self.sent..]);
            let wrote = ready!(write).and_then(some)?;
            self.note_sent(wrote);
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes note of bytes that went out; gives how many were more than those gathered.
    fn note_sent(&mut self, wrote: usize) -> usize {
        self.unflushed = true;
        let own = wrote.min(self.gathered.len() - self.sent);
        self.sent += own;
        if self.sent == self.gathered.len() {
            self.sent = 0;
            self.gathered.clear();
            SPARE.set(std::mem::take(&mut self.gathered));
        }
        wrote - own
    }

    fn write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.check()?;
        if self.turn_bytes >= CONNECTION_WRITE_TURN_BYTES {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        self.is_cut = true;
        while self.gathered.len() + bytes > CONNECTION_GATHER_BYTES {
            let mut all = [IoSlice::new(&[]); SLICES_MAX];
            all[0] = IoSlice::new(&self.gathered[self.sent..]);
            let used = slices.len().min(SLICES_MAX - 1);
            all[1..=used].copy_from_slice(&slices[..used]);
            let write = Pin::new(&mut self.io).poll_write_vectored(cx, &all[..=used]);
            let Poll::Ready(wrote) = write else {
                self.refused = true;
                return Poll::Pending;
            };
            let theirs = self.note_sent(wrote.and_then(some)?);
            if theirs > 0 {
                self.turn_bytes += theirs;
                return Poll::Ready(Ok(theirs));
            }
        }
        self.gather(slices);
        self.turn_bytes += bytes;
        Poll::Ready(Ok(bytes))
    }

    fn check(&self) -> io::Result<()> {
        self.broken.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

/// More than the library ever writes at a time; what is above waits for the next time.
const SLICES_MAX: usize = 16;

/// A write of nothing is the end.
fn some(wrote: usize) -> io::Result<usize> {
    if wrote == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(wrote) }
}

fn lock<I>(state: &Mutex<State<I>>) -> MutexGuard<'_, State<I>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = lock(&self.0);
        state.check()?;
        Pin::new(&mut state.io).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Gathered<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Done at the end of the turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.0);
        state.is_cut = false;
        Poll::Ready(state.check())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.0);
        ready!(state.send(cx))?;
        Pin::new(&mut state.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
