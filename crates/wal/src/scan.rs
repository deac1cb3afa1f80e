//! One segment, record by record, in memory bounded by a chunk or the largest record.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use ketch_env::File;
use ketch_raft_proto::walpb;
use prost::Message;

use crate::error::Fault;
use crate::frame::{FRAME_BYTES, Frame};
use crate::item::{CRC, METADATA};

/// Bytes read at a time.
const CHUNK_BYTES: u64 = 1024 * 1024;

/// A record as framed; the data shares the chunk it was read in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Start of its frame in the file.
    pub(crate) offset: u64,
    pub(crate) kind: i64,
    pub(crate) crc: u32,
    pub(crate) data: Bytes,
}

/// Why a scan stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    Io(io::Error),
    /// At [`Scan::offset`].
    Fault(Fault),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A cursor over the frames of a segment.
#[derive(Clone)]
pub(crate) struct Scan {
    file: Arc<dyn File>,
    length: u64,
    /// Start of the next frame; end of the last good record.
    offset: u64,
    window: Bytes,
    window_offset: u64,
    crc: u32,
    /// Records met so far.
    records: usize,
}

impl Scan {
    /// Starts at the first frame with the checksum the segment before ended with, 0 for none.
    pub(crate) fn new(file: Arc<dyn File>, crc: u32) -> io::Result<Self> {
        let length = file.len()?;
        Ok(Self {
            file,
            length,
            offset: 0,
            window: Bytes::new(),
            window_offset: 0,
            crc,
            records: 0,
        })
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn crc(&self) -> u32 {
        self.crc
    }

    /// The next record with its place in the checksum chain verified; `None` at the end of the
    /// file or at a zero length.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, Stop> {
        let Some((frame, record)) = self.peek()? else { return Ok(None) };
        let found = self.crc_with(&record);
        if found != record.crc {
            return Err(Fault::Crc { expected: record.crc, found }.into());
        }
        self.check_place(&record)?;
        self.crc = found;
        self.skip(frame);
        Ok(Some(record))
    }

    /// A segment begins with checksum and metadata, and has neither again.
    fn check_place(&mut self, record: &Record) -> Result<(), Fault> {
        let expected = [CRC, METADATA].get(self.records);
        let is_head = [CRC, METADATA].contains(&record.kind);
        self.records += 1;
        if expected.is_some_and(|kind| *kind != record.kind) || expected.is_none() && is_head {
            return Err(Fault::Kind { kind: record.kind });
        }
        Ok(())
    }

    /// The checksum that the record should have here.
    pub(crate) fn crc_with(&self, record: &Record) -> u32 {
        match (record.kind, self.crc) {
            (CRC, 0) => record.crc,
            (CRC, crc) => crc,
            (_, crc) => crc32c::crc32c_append(crc, &record.data),
        }
    }

    /// The next frame and its record, checksum not looked at; the cursor stays.
    pub(crate) fn peek(&mut self) -> Result<Option<(Frame, Record)>, Stop> {
        let Some(frame) = self.frame()? else { return Ok(None) };
        let body = self.bytes(self.offset + FRAME_BYTES, frame.body_bytes())?;
        let record_bytes = usize::try_from(frame.record_bytes).unwrap_or(usize::MAX);
        let message = body.slice(..record_bytes.min(body.len()));
        if body[message.len()..].iter().any(|byte| *byte != 0) {
            return Err(Fault::Padding.into());
        }
        let record = walpb::Record::decode(message).unwrap_or_default();
        // A changed tag makes a field unknown, and an unknown one would be passed over.
        if record.encoded_len() as u64 != frame.record_bytes {
            return Err(Fault::Undecodable { kind: 0 }.into());
        }
        let record = Record {
            offset: self.offset,
            kind: record.r#type(),
            crc: record.crc(),
            data: record.data.unwrap_or_default(),
        };
        Ok(Some((frame, record)))
    }

    /// The length field at the cursor, checked against the file.
    pub(crate) fn frame(&mut self) -> Result<Option<Frame>, Stop> {
        let left = self.length - self.offset;
        if left < FRAME_BYTES {
            let rest = self.bytes(self.offset, left)?;
            return if rest.iter().all(|byte| *byte == 0) {
                Ok(None)
            } else {
                Err(Fault::Short.into())
            };
        }
        let field = self.bytes(self.offset, FRAME_BYTES)?.get_u64_le();
        if field == 0 {
            return Ok(None);
        }
        let frame = Frame::decode(field).ok_or(Fault::Length { field })?;
        if frame.body_bytes() > left - FRAME_BYTES {
            return Err(Fault::Overrun { record_bytes: frame.record_bytes }.into());
        }
        Ok(Some(frame))
    }

    pub(crate) fn skip(&mut self, frame: Frame) {
        self.offset += FRAME_BYTES + frame.body_bytes();
    }

    /// `count` bytes at `offset`, or as many as the file has.
    pub(crate) fn bytes(&mut self, offset: u64, count: u64) -> io::Result<Bytes> {
        let count = count.min(self.length.saturating_sub(offset));
        let held = self.window_offset + self.window.len() as u64;
        if offset < self.window_offset || offset + count > held {
            self.fill(offset, count.max(CHUNK_BYTES).min(self.length - offset))?;
        }
        let from = usize::try_from(offset - self.window_offset).map_err(io::Error::other)?;
        let to = from + usize::try_from(count).map_err(io::Error::other)?;
        if to > self.window.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.window.slice(from..to))
    }

    fn fill(&mut self, offset: u64, count: u64) -> io::Result<()> {
        let mut chunk = vec![0; usize::try_from(count).map_err(io::Error::other)?];
        let got = self.file.read_at(&mut chunk, offset)?;
        chunk.truncate(got);
        self.window = chunk.into();
        self.window_offset = offset;
        Ok(())
    }
}
