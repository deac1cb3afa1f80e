//! The block of a segment that is being filled.

use std::io;
use std::sync::Arc;

use ketch_base::limits;
use ketch_env::File;

/// Writes start on a multiple of this: a partial page would have to be read first.
const BLOCK_BYTES: usize = 4096;
/// A write buffer that grew above this is given back.
const BUFFER_BYTES_KEPT: usize = 2 * limits::LOG_BATCH_BYTES;

/// The end of the last segment: the block being filled, from its start.
pub(crate) struct Tail {
    pub(crate) file: Arc<dyn File>,
    /// File offset of the buffer's first byte; a multiple of [`BLOCK_BYTES`].
    start: u64,
    pub(crate) buffer: Vec<u8>,
    /// Bytes of the buffer that are in the file.
    written: usize,
}

impl Tail {
    pub(crate) fn new(file: Arc<dyn File>) -> Self {
        Self { file, start: 0, buffer: Vec::new(), written: 0 }
    }

    pub(crate) fn resume(file: Arc<dyn File>, offset: u64) -> io::Result<Self> {
        let within = (offset % BLOCK_BYTES as u64) as usize;
        let start = offset - within as u64;
        let mut buffer = vec![0; within];
        if file.read_at(&mut buffer, start)? < within {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { file, start, buffer, written: within })
    }

    pub(crate) fn offset(&self) -> u64 {
        self.start + self.buffer.len() as u64
    }

    pub(crate) fn unwritten_bytes(&self) -> u64 {
        (self.buffer.len() - self.written) as u64
    }

    /// Writes the buffer as whole blocks, zero at the end, and keeps the last one if it is not
    /// full. Rewriting its durable part is harmless: the bytes are the same. Returns bytes written.
    pub(crate) fn write(&mut self) -> io::Result<u64> {
        let used = self.buffer.len();
        if used == self.written {
            return Ok(0);
        }
        self.buffer.resize(used.next_multiple_of(BLOCK_BYTES), 0);
        let written_bytes = self.buffer.len() as u64;
        let full = used / BLOCK_BYTES * BLOCK_BYTES;
        let (whole, last) = self.buffer.split_at(full);
        if !whole.is_empty() {
            self.file.write_at(whole, self.start)?;
        }
        if !last.is_empty() {
            // By itself: the kernel caches what one call writes in pieces of its size, and the
            // next write, which begins in this block, would make the whole piece dirty again.
            self.file.write_at(last, self.start + full as u64)?;
        }
        self.buffer.truncate(used);
        self.buffer.drain(..full);
        self.start += full as u64;
        self.written = self.buffer.len();
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        }
        Ok(written_bytes)
    }
}
