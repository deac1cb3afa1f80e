//! A stream of responses, written as an async function.
//!
//! The function and the response body live in one task: the body, when the connection has room,
//! runs the function until it has put one buffer into the slot between them. A slow client so
//! holds the function still, with one buffer in the slot and nothing queued.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use super::record::Record;
use crate::status::{self, Status};

type Slot = Arc<Mutex<Option<Bytes>>>;
type Driver = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;

/// Where the function puts framed messages.
pub(crate) struct Sink(Slot);

impl Sink {
    /// A sink and the slot its body takes from.
    pub(crate) fn new() -> (Self, Slot) {
        let slot = Slot::default();
        (Self(Arc::clone(&slot)), slot)
    }

    /// Hands one buffer (framed messages or parts of them) over; waits until the one before has
    /// been taken.
    pub(crate) async fn send(&self, buffer: Bytes) {
        let mut buffer = Some(buffer);
        // No waker: the body takes the slot and comes back here by itself.
        std::future::poll_fn(move |_cx| {
            let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.is_some() {
                return Poll::Pending;
            }
            *slot = buffer.take();
            Poll::Ready(())
        })
        .await;
    }
}

/// The body that runs the function.
pub(crate) struct StreamBody {
    driver: Option<Driver>,
    slot: Slot,
    record: Record,
    /// How it ended, until told.
    end: Option<Status>,
    done: bool,
}

impl StreamBody {
    pub(crate) fn new(driver: Driver, slot: Slot, record: Record) -> Self {
        Self { driver: Some(driver), slot, record, end: None, done: false }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        if let Some(driver) = &mut self.driver
            && let Poll::Ready(outcome) = driver.as_mut().poll(cx)
        {
            self.driver = None;
            self.end = outcome.err();
            match &self.end {
                None => self.record.succeed(),
                Some(status) => self.record.fail(status),
            }
        }
        let buffer = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        match buffer {
            Some(buffer) => Poll::Ready(Some(Frame::data(buffer))),
            None if self.driver.is_some() => Poll::Pending,
            None if self.done => Poll::Ready(None),
            None => {
                self.done = true;
                Poll::Ready(Some(Frame::trailers(self.trailers())))
            }
        }
    }

    fn trailers(&mut self) -> HeaderMap {
        match self.end.take() {
            None => status::ok_trailers(),
            Some(status) => {
                let mut fields = HeaderMap::with_capacity(2);
                status.write(&mut fields);
                fields
            }
        }
    }
}

impl fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBody").field("done", &self.done).finish_non_exhaustive()
    }
}
