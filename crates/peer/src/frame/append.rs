//! The append stream, msgappv2: an append that goes on where the last one ended is sent as its
//! entries and the commit index alone; any other as a whole message.
//!
//! Both ends keep the term and index the stream has come to; a new stream begins at 0/0.

use bytes::{BufMut, BytesMut};
use ketch_raft_proto::raftpb::{Entry, Message, MessageType};
use prost::Message as _;

use super::{FrameError, Received};
use crate::limits;

const HEARTBEAT: u8 = 0;
const ENTRIES: u8 = 1;
const MESSAGE: u8 = 2;

/// How far a stream has come.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    term: u64,
    index: u64,
}

impl Position {
    fn after(message: &Message) -> Self {
        let index = message.entries.last().map_or(message.index(), Entry::index);
        Self { term: message.term(), index }
    }

    fn continues_with(self, message: &Message) -> bool {
        message.index() == self.index
            && message.log_term() == self.term
            && message.term() == self.term
    }
}

/// The writing end of one stream.
#[derive(Debug, Default)]
pub struct Encoder {
    position: Position,
}

impl Encoder {
    /// Appends the frame of `message`, a `MsgApp`, to `out`.
    pub fn encode(&mut self, message: &Message, out: &mut BytesMut) {
        if self.position.continues_with(message) {
            out.put_u8(ENTRIES);
            out.put_u64(message.entries.len() as u64);
            for entry in &message.entries {
                put_sized(entry, out);
            }
            out.put_u64(message.commit());
            // As the reader counts: one for each entry, whatever index it carries.
            self.position.index = self.position.index.wrapping_add(message.entries.len() as u64);
        } else {
            out.put_u8(MESSAGE);
            put_sized(message, out);
            self.position = Position::after(message);
        }
    }

    /// Appends a link heartbeat to `out`.
    pub fn encode_heartbeat(out: &mut BytesMut) {
        out.put_u8(HEARTBEAT);
    }
}

fn put_sized(message: &impl prost::Message, out: &mut BytesMut) {
    let length = message.encoded_len();
    out.reserve(8 + length);
    out.put_u64(length as u64);
    message.encode_raw(out);
}

/// The reading end of one stream.
#[derive(Debug)]
pub struct Decoder {
    received: Received,
    position: Position,
    batch: Option<Batch>,
    local: u64,
    remote: u64,
}

/// An entries frame that has begun to come.
#[derive(Debug)]
struct Batch {
    left: u64,
    bytes: usize,
    entries: Vec<Entry>,
}

impl Decoder {
    /// A reader at the member `local` of what the member `remote` writes.
    pub fn new(local: u64, remote: u64) -> Self {
        let (received, position) = (Received::default(), Position::default());
        Self { received, position, batch: None, local, remote }
    }

    /// Takes bytes that came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.push(bytes);
    }

    /// The next append; `None` until more bytes come. Link heartbeats are passed over.
    ///
    /// # Errors
    /// The stream is garbage from here on.
    pub fn next_message(&mut self) -> Result<Option<Message>, FrameError> {
        loop {
            if self.batch.is_some() {
                return self.entries();
            }
            match self.received.bytes.first() {
                None => return Ok(None),
                Some(&HEARTBEAT) => self.received.consume(1),
                Some(&ENTRIES) => {
                    let Some(left) = self.received.number(1) else { return Ok(None) };
                    if left > limits::APPEND_ENTRIES as u64 {
                        return Err(FrameError::TooManyEntries { entries: left });
                    }
                    self.received.consume(9);
                    self.batch = Some(Batch { left, bytes: 0, entries: Vec::new() });
                }
                Some(&MESSAGE) => return self.message(),
                Some(&other) => return Err(FrameError::UnknownType(other)),
            }
        }
    }

    fn message(&mut self) -> Result<Option<Message>, FrameError> {
        let Some(body) = self.received.sized(1)? else { return Ok(None) };
        let length = body.len();
        let message = super::decode(body)?;
        self.received.consume(9 + length);
        self.position = Position::after(&message);
        Ok(Some(message))
    }

    fn entries(&mut self) -> Result<Option<Message>, FrameError> {
        let Some(batch) = &mut self.batch else { return Ok(None) };
        while batch.left > 0 {
            let Some(body) = self.received.sized(0)? else { return Ok(None) };
            let length = body.len();
            batch.bytes += length;
            if batch.bytes > limits::MESSAGE_BYTES {
                return Err(FrameError::TooLong { bytes: batch.bytes as u64 });
            }
            batch.entries.push(Entry::decode(body)?);
            batch.left -= 1;
            self.received.consume(8 + length);
        }
        let Some(commit) = self.received.number(0) else { return Ok(None) };
        self.received.consume(8);
        let entries = self.batch.take().map(|batch| batch.entries).unwrap_or_default();
        let Position { term, index } = self.position;
        let next = index.checked_add(entries.len() as u64).ok_or(FrameError::IndexOverflow)?;
        self.position.index = next;
        Ok(Some(Message {
            r#type: Some(MessageType::MsgApp as i32),
            from: Some(self.remote),
            to: Some(self.local),
            term: Some(term),
            log_term: Some(term),
            index: Some(index),
            entries,
            commit: Some(commit),
            ..Message::default()
        }))
    }
}

#[cfg(test)]
mod tests;
