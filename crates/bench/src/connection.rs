//! One connection: requests queue up, answers come back, no thread of its own.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use anyhow::{Result, bail};

use crate::frames::{self, Frame};

/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;
/// Received bytes after which the connection window is opened again.
const WINDOW_REFRESH_BYTES: u32 = 64 * 1024 * 1024;

/// An answered call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// When the call was meant to start.
    pub(crate) intended: Instant,
    /// Whether a message came; a refusal has none.
    pub(crate) ok: bool,
    /// Bytes of messages.
    pub(crate) bytes: u64,
}

/// A connection with its open calls.
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    out: Vec<u8>,
    sent: usize,
    inbox: Vec<u8>,
    next_stream: u32,
    /// Open calls, oldest first; ids rise, so a search is a short walk.
    calls: VecDeque<Call>,
    send_window: i64,
    received: u32,
    /// Encoded calls that wait for the connection window.
    waiting: VecDeque<(Vec<u8>, usize)>,
}

struct Call {
    stream: u32,
    intended: Instant,
    bytes: u64,
    done: bool,
}

impl Connection {
    /// Connects and sends the opening.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            out: frames::opening(),
            sent: 0,
            inbox: Vec::new(),
            next_stream: 1,
            calls: VecDeque::new(),
            send_window: 65_535,
            received: 0,
            waiting: VecDeque::new(),
        })
    }

    /// Calls without an answer yet.
    pub(crate) fn open_calls(&self) -> usize {
        self.calls.iter().filter(|call| !call.done).count()
    }

    /// Queues a unary call.
    pub(crate) fn call(&mut self, block: &[u8], message: &[u8], intended: Instant) {
        let stream = self.next_stream;
        self.next_stream += 2;
        self.calls.push_back(Call { stream, intended, bytes: 0, done: false });
        let bytes = message.len() + 5;
        if self.waiting.is_empty() && self.send_window >= bytes as i64 {
            self.send_window -= bytes as i64;
            frames::request(&mut self.out, stream, block, message);
        } else {
            let mut encoded = Vec::with_capacity(bytes + 128);
            frames::request(&mut encoded, stream, block, message);
            self.waiting.push_back((encoded, bytes));
        }
    }

    /// Writes what the socket takes; `true` while something is left.
    pub(crate) fn flush(&mut self) -> Result<bool> {
        while let Some((_, bytes)) = self.waiting.front() {
            if self.send_window < *bytes as i64 {
                break;
            }
            self.send_window -= *bytes as i64;
            if let Some((encoded, _)) = self.waiting.pop_front() {
                self.out.extend_from_slice(&encoded);
            }
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
        Ok(false)
    }

    /// Reads what is there and hands finished calls to `done`.
    pub(crate) fn receive(&mut self, done: &mut impl FnMut(Answer)) -> Result<()> {
        loop {
            let at = self.inbox.len();
            self.inbox.resize(at + READ_BYTES, 0);
            let read = self.socket.read(&mut self.inbox[at..]);
            self.inbox.truncate(at + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => bail!("the server closed the connection"),
                Ok(n) => {
                    self.take_frames(done)?;
                    if n < READ_BYTES {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take_frames(&mut self, done: &mut impl FnMut(Answer)) -> Result<()> {
        let inbox = std::mem::take(&mut self.inbox);
        let mut at = 0;
        while let Some((frame, used)) = frames::split(&inbox[at..]) {
            self.take(frame, done)?;
            at += used;
        }
        self.inbox = inbox;
        self.inbox.drain(..at);
        Ok(())
    }

    fn take(&mut self, frame: Frame<'_>, done: &mut impl FnMut(Answer)) -> Result<()> {
        match frame.kind {
            frames::DATA => {
                self.received += frame.body.len() as u32;
                if self.received >= WINDOW_REFRESH_BYTES {
                    frames::window_update(&mut self.out, 0, self.received);
                    self.received = 0;
                }
                if let Some(call) = self.find(frame.stream) {
                    call.bytes += frame.body.len() as u64;
                }
                if frame.flags & frames::FLAG_END != 0 {
                    self.finish(frame.stream, done);
                }
            }
            frames::HEADERS if frame.flags & frames::FLAG_END != 0 => {
                self.finish(frame.stream, done);
            }
            frames::RST_STREAM => self.finish(frame.stream, done),
            frames::SETTINGS if frame.flags & frames::FLAG_END == 0 => {
                frames::head(&mut self.out, 0, frames::SETTINGS, frames::FLAG_END, 0);
            }
            frames::PING if frame.flags & frames::FLAG_END == 0 => {
                frames::head(&mut self.out, 8, frames::PING, frames::FLAG_END, 0);
                self.out.extend_from_slice(frame.body);
            }
            frames::WINDOW_UPDATE if frame.stream == 0 => {
                if let Ok(bytes) = <[u8; 4]>::try_from(frame.body) {
                    self.send_window += i64::from(u32::from_be_bytes(bytes));
                }
            }
            frames::GOAWAY => bail!("the server said goodbye"),
            _ => {}
        }
        Ok(())
    }

    fn find(&mut self, stream: u32) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.stream == stream)
    }

    fn finish(&mut self, stream: u32, done: &mut impl FnMut(Answer)) {
        if let Some(call) = self.find(stream)
            && !call.done
        {
            call.done = true;
            done(Answer { intended: call.intended, ok: call.bytes >= 5, bytes: call.bytes });
        }
        while self.calls.front().is_some_and(|call| call.done) {
            self.calls.pop_front();
        }
    }
}
