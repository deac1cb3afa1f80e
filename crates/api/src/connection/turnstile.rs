//! Refuses calls before the HTTP/2 library sees them.
//!
//! Where more is asked than can be served, most calls are refused; and a call that went through
//! the library, found its service and got its refusal back through the library costs half of what
//! one costs that is served. So the bytes of a connection are looked at on their way to the
//! library. While there are too many calls, the frames of a new one are taken out, and a constant
//! answer goes out in its place. The library takes the streams it never heard of for skipped ones.
//!
//! This is only for calls that can be judged by a glance: a whole header block that leaves header
//! compression as it is, for a method whose calls are counted. All others pass, and are refused
//! behind the library.

mod filter;
mod frame;
mod hpack;
#[cfg(any(test, feature = "fuzzing"))]
#[cfg_attr(not(feature = "fuzzing"), expect(unreachable_pub, reason = "the fuzz target's"))]
pub(crate) mod pieces;
mod replies;
mod streams;

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::gathered::Beside;
use crate::limits::{CONNECTION_LOOK_BYTES, CONNECTION_TURN_BYTES};
use crate::method::Method;
use filter::{Filter, Looked};
pub(super) use frame::window_update;
use replies::Replies;

thread_local! {
    /// The space of whoever reads on this thread.
    static SPARE: Cell<Space> = Cell::default();
}

/// The byte stream as the HTTP library sees it: without the calls that were refused.
pub(super) struct Turnstile<I, J, R> {
    io: I,
    beside: Beside<J>,
    /// `None` where nothing is refused here.
    filter: Option<Filter>,
    refuse: R,
    space: Space,
    /// Of the bytes there, those the library did not take yet.
    passed: std::ops::Range<usize>,
    /// The begin of a frame that could not be judged yet.
    unjudged: Vec<u8>,
}

/// Where bytes are looked at. A connection has it only while the library has not taken them all.
#[derive(Default)]
struct Space {
    bytes: Vec<u8>,
    replies: Replies,
}

impl<I, J, R: FnMut(Method) -> bool> Turnstile<I, J, R> {
    /// Refuses calls as `refuse` says, which is asked only if it can be done; or none.
    pub(super) fn new(io: I, beside: Beside<J>, is_open: bool, refuse: R) -> Self {
        let filter = (!is_open).then(Filter::new);
        let space = Space::default();
        Self { io, beside, filter, refuse, space, passed: 0..0, unjudged: Vec::new() }
    }

    /// Hands out what passed.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) {
        let bytes = self.passed.len().min(buffer.remaining());
        let end = self.passed.start + bytes;
        buffer.put_slice(&self.space.bytes[self.passed.start..end]);
        self.passed.start = end;
        if self.passed.is_empty() {
            SPARE.set(std::mem::take(&mut self.space));
        }
    }
}

impl<I, J, R> Turnstile<I, J, R>
where
    I: AsyncRead + Unpin,
    R: FnMut(Method) -> bool,
{
    /// Reads more and looks at it. Ready with nothing passed is the end.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(filter) = &mut self.filter else { return Poll::Ready(Ok(())) };
        let mut space = SPARE.take();
        space.bytes.resize(CONNECTION_LOOK_BYTES, 0);
        loop {
            let begun = self.unjudged.len();
            let mut buffer = ReadBuf::new(&mut space.bytes[begun..begun + CONNECTION_TURN_BYTES]);
            let read = Pin::new(&mut self.io).poll_read(cx, &mut buffer);
            let filled = buffer.filled().len();
            if !matches!(read, Poll::Ready(Ok(()))) {
                SPARE.set(space);
                return read;
            }
            space.bytes[..begun].copy_from_slice(&self.unjudged);
            self.unjudged.clear();
            let end = begun + filled;
            if filled == 0 {
                // Whatever it was to be.
                self.passed = 0..end;
            } else {
                space.replies.begin(self.beside.room());
                let bytes = &mut space.bytes[..end];
                let Looked { passed, unjudged } =
                    filter.look(bytes, &mut space.replies, &mut self.refuse);
                self.unjudged.extend_from_slice(&space.bytes[unjudged..end]);
                self.beside.put(&space.replies.frames, space.replies.window_bytes());
                self.passed = 0..passed;
            }
            if filled == 0 || !self.passed.is_empty() {
                self.space = space;
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<I, J, R> AsyncRead for Turnstile<I, J, R>
where
    I: AsyncRead + Unpin,
    J: Unpin,
    R: FnMut(Method) -> bool + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.filter.is_none() {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        if self.passed.is_empty() {
            ready!(self.read(cx))?;
        }
        self.hand_out(buffer);
        Poll::Ready(Ok(()))
    }
}

impl<I, J, R> AsyncWrite for Turnstile<I, J, R>
where
    I: AsyncWrite + Unpin,
    J: Unpin,
    R: Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, buffers)
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
