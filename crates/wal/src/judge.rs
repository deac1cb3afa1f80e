//! Torn by a crash, or damaged? The question of what may be cut off.
//!
//! A crash leaves any sectors of the last unsynced write as they were prepared: zero. From that
//! follows what a torn tail can and cannot look like:
//!
//! 1. A length field lies within one sector. It is whole or zero, never wrong.
//! 2. A record head in the same sector as its length agrees with it.
//! 3. Somewhere in the record a sector (the part of it inside the record) is zero.
//! 4. Nothing behind it was written later than the same, unsynced write. A hard state is the last
//!    record of its write, so a good record behind a hard state belongs to a later write, which
//!    was only begun once the one before was synced.
//! 5. A zero length that is not the end of the log has its sector zero from there on.

use std::io;

use crate::error::Fault;
use crate::frame::{FRAME_BYTES, Frame};
use crate::item::{CRC, ENTRY};
use crate::scan::{Record, Scan, Stop};

const SECTOR_BYTES: u64 = 512;
/// A record head (type, crc, data tag and length) is no longer than this.
const HEAD_BYTES_MAX: u64 = 20;

/// Whether what failed at the cursor is the torn end of the log. The segment must be the last.
pub(crate) fn is_torn(scan: &Scan, fault: Fault) -> io::Result<bool> {
    let mut scan = scan.clone();
    match fault {
        Fault::Short => Ok(true),
        Fault::Overrun { record_bytes } => is_cut_by_the_end(&mut scan, record_bytes),
        Fault::Crc { .. } | Fault::Undecodable { .. } => is_torn_record(&mut scan),
        Fault::Length { .. }
        | Fault::ZeroLength
        | Fault::Kind { .. }
        | Fault::Padding
        | Fault::Metadata
        | Fault::Gap { .. } => Ok(false),
    }
}

/// What stands behind the end of the log (a zero length) of the last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Zero,
    /// Later sectors of a write whose first was lost.
    Torn,
    /// The length itself was lost.
    Damaged,
}

pub(crate) fn judge_rest(scan: &Scan) -> io::Result<Rest> {
    let mut scan = scan.clone();
    let (from, length) = (scan.offset(), scan.length());
    let mut at = from;
    while at < length {
        let chunk = scan.bytes(at, 1 << 20)?;
        if let Some(place) = chunk.iter().position(|byte| *byte != 0) {
            let same_sector = at + place as u64 <= from | (SECTOR_BYTES - 1);
            return Ok(if same_sector { Rest::Damaged } else { Rest::Torn });
        }
        at += chunk.len() as u64;
    }
    Ok(Rest::Zero)
}

/// A file that had to grow may have lost its length: then the head tells the true size.
fn is_cut_by_the_end(scan: &mut Scan, record_bytes: u64) -> io::Result<bool> {
    let start = scan.offset() + FRAME_BYTES;
    let head = scan.bytes(start, HEAD_BYTES_MAX)?;
    let is_whole = head.len() as u64 == HEAD_BYTES_MAX;
    Ok(head_agrees(&head, start, record_bytes) || !is_whole && head_claims(&head).is_none())
}

fn is_torn_record(scan: &mut Scan) -> io::Result<bool> {
    let (Ok(Some(frame)), start) = (scan.frame(), scan.offset() + FRAME_BYTES) else {
        return Ok(false);
    };
    let body = scan.bytes(start, frame.body_bytes())?;
    let head = scan.bytes(start, HEAD_BYTES_MAX)?;
    Ok(head_agrees(&head, start, frame.record_bytes)
        && has_zero_sector(&body, start)
        && !later_write_follows(scan, frame)?)
}

/// Rule 2: unless the head goes on in a sector that was lost.
fn head_agrees(head: &[u8], start: u64, record_bytes: u64) -> bool {
    let here = (SECTOR_BYTES - start % SECTOR_BYTES) % SECTOR_BYTES;
    let beyond = head.get(here as usize..).unwrap_or_default();
    let lost = !beyond.is_empty() && beyond.iter().all(|byte| *byte == 0);
    lost || head_claims(head) == Some(record_bytes)
}

/// Rule 3.
fn has_zero_sector(body: &[u8], offset: u64) -> bool {
    let first = (SECTOR_BYTES - offset % SECTOR_BYTES) as usize;
    let (head, rest) = body.split_at(first.min(body.len()));
    let zero = |part: &[u8]| part.iter().all(|byte| *byte == 0);
    zero(head) || rest.chunks(SECTOR_BYTES as usize).any(zero)
}

/// Rule 4. Follows the frames behind a failed record as long as each one's checksum follows from
/// that of the one before.
fn later_write_follows(scan: &mut Scan, failed: Frame) -> io::Result<bool> {
    let (mut before, mut is_last_of_write) = match good(scan.peek())? {
        // Either its data or its own checksum is what changed: the next may follow from both.
        Some((_, record)) => (vec![record.crc, scan.crc_with(&record)], is_last(&record)),
        None => (Vec::new(), false),
    };
    scan.skip(failed);
    while let Some((frame, record)) = good(scan.peek())? {
        let follows = |crc: &u32| crc32c::crc32c_append(*crc, &record.data) == record.crc;
        if !before.is_empty() {
            if record.kind == CRC || !before.iter().any(follows) {
                return Ok(false);
            }
            if is_last_of_write {
                return Ok(true);
            }
        }
        is_last_of_write = is_last(&record);
        before = vec![record.crc];
        scan.skip(frame);
    }
    Ok(false)
}

/// Within one write, entries come first.
fn is_last(record: &Record) -> bool {
    record.kind != ENTRY
}

fn good<T>(step: Result<Option<T>, Stop>) -> io::Result<Option<T>> {
    match step {
        Ok(found) => Ok(found),
        Err(Stop::Io(error)) => Err(error),
        Err(Stop::Fault(_)) => Ok(None),
    }
}

/// The record length that a head implies: the head itself and its data. `None` if it is not the
/// head of a record.
fn head_claims(head: &[u8]) -> Option<u64> {
    let mut at = 0;
    let mut field = |tag: u8| {
        (*head.get(at)? == tag).then_some(())?;
        at += 1;
        let (value, bytes) = varint(head.get(at..)?)?;
        at += bytes;
        Some((value, at as u64))
    };
    let (kind, _) = field(0x08)?;
    let (_, end) = field(0x10)?;
    if kind == CRC.unsigned_abs() {
        return Some(end);
    }
    let (data_bytes, end) = field(0x1a)?;
    end.checked_add(data_bytes)
}

fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}
