//! One connection: calls queue up, answers come back, no thread of its own.

mod call;
mod transport;

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::frames::{self, Frame};
use call::{Call, Unsent};
pub(crate) use transport::Transport;

/// Bytes read at a time; more than one frame.
const READ_BYTES: usize = 64 * 1024;
/// Received bytes after which the connection window is opened again.
const WINDOW_REFRESH_BYTES: u32 = 64 * 1024 * 1024;
/// The same of one stream.
const STREAM_REFRESH_BYTES: u32 = 256 * 1024 * 1024;

/// Something came back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    /// What the caller gave with the call.
    pub(crate) tag: u64,
    /// When the call was meant to start.
    pub(crate) intended: Instant,
    /// When its first bytes came.
    pub(crate) first: Option<Instant>,
    /// Whether the call is over; streams answer many times before.
    pub(crate) ended: bool,
    /// Whether a message came; a refusal has none.
    pub(crate) ok: bool,
    /// Bytes of all its messages so far.
    pub(crate) bytes: u64,
    /// The message; of long ones only the beginning.
    pub(crate) message: &'a [u8],
}

/// A connection with its open calls.
pub(crate) struct Connection {
    pub(crate) socket: Transport,
    out: Vec<u8>,
    sent: usize,
    inbox: Box<[u8]>,
    /// Bytes of the inbox that wait for the rest of their frame.
    filled: usize,
    next_stream: u32,
    /// Open calls, oldest first. Stream ids rise by two, so a call's place follows from its id.
    calls: VecDeque<Call>,
    send_window: i64,
    /// What the server lets a new stream send.
    stream_window: i64,
    received: u32,
    /// Messages that wait for a window.
    unsent: VecDeque<Unsent>,
    /// Buffers of ended calls, for the next ones.
    spare: Vec<Vec<u8>>,
}

impl Connection {
    /// Connects and sends the opening.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        Self::with_windows(address, false, frames::WINDOW_BYTES)
    }

    /// The same under TLS, whatever certificate is shown.
    pub(crate) fn open_tls(address: SocketAddr) -> Result<Self> {
        Self::with_windows(address, true, frames::WINDOW_BYTES)
    }

    /// The same with small windows for streams, which are never opened again: a reader that stands
    /// still.
    pub(crate) fn open_narrow(address: SocketAddr) -> Result<Self> {
        Self::with_windows(address, false, frames::WINDOW_BYTES_DEFAULT)
    }

    fn with_windows(address: SocketAddr, tls: bool, stream_bytes: u32) -> Result<Self> {
        let socket = Transport::open(address, tls)?;
        Ok(Self {
            socket,
            out: frames::opening(stream_bytes),
            sent: 0,
            inbox: vec![0; READ_BYTES].into_boxed_slice(),
            filled: 0,
            next_stream: 1,
            calls: VecDeque::new(),
            send_window: 65_535,
            stream_window: 65_535,
            received: 0,
            unsent: VecDeque::new(),
            spare: Vec::new(),
        })
    }

    /// When the calls without an answer were meant to start.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = Instant> {
        self.calls.iter().filter(|call| !call.done).map(|call| call.intended)
    }

    /// Queues a unary call.
    pub(crate) fn call(&mut self, block: &[u8], message: &[u8], tag: u64, intended: Instant) {
        let stream = self.begin(block, tag, intended, false);
        self.queue(stream, message, true);
    }

    /// Begins a stream, on which both sides may send any number of messages.
    pub(crate) fn stream(&mut self, block: &[u8], tag: u64) -> u32 {
        self.begin(block, tag, Instant::now(), true)
    }

    /// Queues a message on a stream. Its answers are timed from `intended`.
    pub(crate) fn send(&mut self, stream: u32, message: &[u8], intended: Instant) {
        if let Some(call) = self.find(stream) {
            call.intended = intended;
        }
        self.queue(stream, message, false);
    }

    fn begin(&mut self, block: &[u8], tag: u64, intended: Instant, streaming: bool) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let body = self.spare.pop().unwrap_or_default();
        let window = self.stream_window;
        self.calls.push_back(Call::new(stream, tag, intended, streaming, body, window));
        frames::headers(&mut self.out, stream, block);
        stream
    }

    fn queue(&mut self, stream: u32, message: &[u8], end: bool) {
        let bytes = (message.len() + 5) as i64;
        let connection = self.send_window;
        let all_sent = self.unsent.is_empty();
        let Some(call) = self.find(stream) else { return };
        if all_sent && bytes <= connection && bytes <= call.window {
            call.window -= bytes;
            self.send_window -= bytes;
            frames::message(&mut self.out, stream, message, end);
        } else {
            self.unsent.push_back(Unsent::new(stream, message, end));
        }
    }

    /// Moves waiting messages out as far as the windows allow.
    fn pump(&mut self) {
        let mut at = 0;
        while at < self.unsent.len() && self.send_window > 0 {
            let stream = self.unsent[at].stream;
            let connection = self.send_window;
            let Some(window) = self.find(stream).map(|call| call.window) else {
                self.unsent.remove(at);
                continue;
            };
            let sent = self.unsent[at].write(&mut self.out, window.min(connection));
            self.send_window -= sent;
            if let Some(call) = self.find(stream) {
                call.window -= sent;
            }
            if self.unsent[at].is_done() {
                self.unsent.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Writes what the socket takes; `true` while something is left.
    pub(crate) fn flush(&mut self) -> Result<bool> {
        if !self.unsent.is_empty() {
            self.pump();
        }
        while self.sent < self.out.len() {
            match self.socket.write(&self.out[self.sent..]) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.out.clear();
        self.sent = 0;
        match self.socket.flush() {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what is there and hands answers to `done`.
    pub(crate) fn receive(&mut self, done: &mut impl FnMut(Answer<'_>)) -> Result<()> {
        loop {
            let read = self.socket.read(&mut self.inbox[self.filled..]);
            match read {
                Ok(0) => bail!("the server closed the connection"),
                Ok(n) => {
                    self.filled += n;
                    let full = self.filled == self.inbox.len();
                    self.take_frames(done)?;
                    if !full {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take_frames(&mut self, done: &mut impl FnMut(Answer<'_>)) -> Result<()> {
        let mut inbox = std::mem::take(&mut self.inbox);
        let mut at = 0;
        while let Some((frame, used)) = frames::split(&inbox[at..self.filled]) {
            self.take(frame, done)?;
            at += used;
        }
        inbox.copy_within(at..self.filled, 0);
        self.filled -= at;
        self.inbox = inbox;
        Ok(())
    }

    fn take(&mut self, frame: Frame<'_>, done: &mut impl FnMut(Answer<'_>)) -> Result<()> {
        let flagged = frame.flags & frames::FLAG_END != 0;
        match frame.kind {
            frames::DATA => {
                self.take_data(frame, done);
                if flagged {
                    self.finish(frame.stream, done);
                }
            }
            frames::HEADERS if flagged => self.finish(frame.stream, done),
            frames::RST_STREAM => self.finish(frame.stream, done),
            frames::SETTINGS if !flagged => {
                if let Some(window) = frames::initial_window(frame.body) {
                    let change = i64::from(window) - self.stream_window;
                    self.stream_window += change;
                    self.calls.iter_mut().for_each(|call| call.window += change);
                }
                frames::head(&mut self.out, 0, frames::SETTINGS, frames::FLAG_END, 0);
            }
            frames::PING if !flagged => {
                frames::head(&mut self.out, 8, frames::PING, frames::FLAG_END, 0);
                self.out.extend_from_slice(frame.body);
            }
            frames::WINDOW_UPDATE => {
                let Ok(bytes) = <[u8; 4]>::try_from(frame.body) else { return Ok(()) };
                let bytes = i64::from(u32::from_be_bytes(bytes));
                if frame.stream == 0 {
                    self.send_window += bytes;
                } else if let Some(call) = self.find(frame.stream) {
                    call.window += bytes;
                }
            }
            frames::GOAWAY => bail!("the server said goodbye"),
            _ => {}
        }
        Ok(())
    }

    fn take_data(&mut self, frame: Frame<'_>, done: &mut impl FnMut(Answer<'_>)) {
        self.received += frame.body.len() as u32;
        if self.received >= WINDOW_REFRESH_BYTES {
            frames::window_update(&mut self.out, 0, self.received);
            self.received = 0;
        }
        let Some(call) = self.find(frame.stream) else { return };
        call.received += frame.body.len() as u32;
        let refresh = call.received >= STREAM_REFRESH_BYTES;
        let received = call.received;
        if refresh {
            call.received = 0;
        }
        call.take(frame.body, done);
        if refresh {
            frames::window_update(&mut self.out, frame.stream, received);
        }
    }

    fn find(&mut self, stream: u32) -> Option<&mut Call> {
        let first = self.calls.front()?.stream;
        let place = stream.checked_sub(first)? / 2;
        self.calls.get_mut(place as usize).filter(|call| !call.done)
    }

    fn finish(&mut self, stream: u32, done: &mut impl FnMut(Answer<'_>)) {
        if let Some(call) = self.find(stream) {
            call.end(done);
            let body = std::mem::take(&mut call.body);
            self.spare.push(body);
        }
        while self.calls.front().is_some_and(|call| call.done) {
            self.calls.pop_front();
        }
    }
}
