//! A connection that takes turns, and that listens no further to who does not listen.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::turn::Turn;
use crate::limits::CONNECTION_UNHEARD_BYTES;

/// Reads so much in a turn and then lets others run, and reads no more while answers are stuck.
///
/// The HTTP/2 library writes only when a read finds nothing, and reads anew for each call that it
/// hands out. Under a client that sends without a pause it would never write: every answer would
/// wait for the end of the flood, and everything that was sent would wait in memory.
pub(super) struct Paced<I> {
    io: I,
    turn: Turn,
    /// Read since a write found no room; `None` while there is room.
    unheard_bytes: Option<usize>,
    /// A read was put off until a write goes through.
    read_waits: bool,
}

impl<I> Paced<I> {
    /// Begins without a turn.
    pub(super) fn new(io: I, turn: Turn) -> Self {
        Self { io, turn, unheard_bytes: None, read_waits: false }
    }

    /// Whether a read must wait; who waits for the next turn is woken.
    fn must_wait(&mut self, cx: &Context<'_>) -> bool {
        if self.unheard_bytes.is_some_and(|bytes| bytes >= CONNECTION_UNHEARD_BYTES) {
            self.read_waits = true;
            return true;
        }
        if self.turn.is_over() {
            cx.waker().wake_by_ref();
            return true;
        }
        false
    }

    fn note_read(&mut self, bytes: usize) {
        self.turn.read(bytes);
        if let Some(unheard) = &mut self.unheard_bytes {
            *unheard += bytes;
        }
    }

    fn note_write(&mut self, wrote: bool, cx: &Context<'_>) {
        if !wrote {
            self.unheard_bytes.get_or_insert(0);
            return;
        }
        self.unheard_bytes = None;
        if std::mem::take(&mut self.read_waits) {
            cx.waker().wake_by_ref();
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Paced<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.must_wait(cx) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        match &read {
            Poll::Ready(_) => self.note_read(buffer.filled().len() - before),
            Poll::Pending => self.turn.caught_up(),
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Paced<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note_write(wrote.is_ready(), cx);
        wrote
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.io).poll_write_vectored(cx, buffers);
        self.note_write(wrote.is_ready(), cx);
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;
    use crate::limits::CONNECTION_TURN_BYTES;

    const READ_BYTES: usize = 8 * 1024;

    /// A client that never stops sending, and listens only if told to.
    struct Flood {
        listens: bool,
    }

    impl AsyncRead for Flood {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buffer.put_slice(&[0; READ_BYTES]);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Flood {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.listens { Poll::Ready(Ok(bytes.len())) } else { Poll::Pending }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Task {
        paced: Paced<Flood>,
        woken: Arc<Woken>,
    }

    impl Task {
        fn new(listens: bool) -> Self {
            Self { paced: Paced::new(Flood { listens }, Turn::new()), woken: Arc::default() }
        }

        /// Reads until there is nothing, as the HTTP/2 library does, then writes: bytes read,
        /// whether the write went through, and how often the task is to run again.
        fn turn(&mut self) -> (usize, bool, usize) {
            self.paced.turn.begin();
            let waker = Waker::from(Arc::clone(&self.woken));
            let mut context = Context::from_waker(&waker);
            let mut read_bytes = 0;
            let mut space = [0; READ_BYTES];
            let mut paced = Pin::new(&mut self.paced);
            while paced.as_mut().poll_read(&mut context, &mut ReadBuf::new(&mut space)).is_ready() {
                read_bytes += READ_BYTES;
            }
            let wrote = paced.as_mut().poll_write(&mut context, b"answer").is_ready();
            (read_bytes, wrote, self.woken.0.swap(0, Ordering::Relaxed))
        }
    }

    #[test]
    fn a_flood_is_read_in_turns() {
        let mut task = Task::new(true);
        for _ in 0..3 {
            assert_eq!(task.turn(), (CONNECTION_TURN_BYTES, true, 1));
        }
    }

    #[test]
    fn who_does_not_listen_is_not_heard_for_ever() {
        let mut task = Task::new(false);
        let turns = CONNECTION_UNHEARD_BYTES / CONNECTION_TURN_BYTES;
        for _ in 0..turns {
            assert_eq!(task.turn(), (CONNECTION_TURN_BYTES, false, 1));
        }
        assert_eq!(task.turn(), (CONNECTION_TURN_BYTES, false, 0));
        assert_eq!(task.turn(), (0, false, 0));
        task.paced.io.listens = true;
        assert_eq!(task.turn(), (0, true, 1), "woken to read again");
        assert_eq!(task.turn().0, CONNECTION_TURN_BYTES);
    }
}
