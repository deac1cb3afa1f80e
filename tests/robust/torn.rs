//! Frames of the log as a crash leaves them: one more entry, some of its sectors never written.
//!
//! Layout: a length field (u64, little-endian; record bytes below, padding in the top byte), a
//! `walpb.Record`, padding to a multiple of 8. The record's checksum continues that before it.

use anyhow::{Context, Result};
use ketch_raft_proto::raftpb::Entry;
use ketch_raft_proto::walpb::Record;
use prost::Message;

const SECTOR_BYTES: usize = 512;
const ENTRY_RECORD: i64 = 2;

/// Where the first frame that is none begins.
pub(crate) fn frames_end(segment: &[u8]) -> usize {
    frames(segment).last().map_or(0, |(end, _)| end)
}

/// The frame of an entry of `data_bytes` that would follow the last one of `segment`, without
/// the sectors named by `lost`, counted from the one it begins in.
///
/// # Errors
/// When the segment holds no entry to follow.
pub(crate) fn frame(segment: &[u8], data_bytes: usize, lost: &[usize]) -> Result<Vec<u8>> {
    let records: Vec<Record> = frames(segment).map(|(_, record)| record).collect();
    let crc = records.last().and_then(|record| record.crc).context("a record has a checksum")?;
    let is_entry = |record: &&Record| record.r#type == Some(ENTRY_RECORD);
    let last = records.iter().rev().find(is_entry).context("no entry in the segment")?;
    let last = Entry::decode(last.data.clone().unwrap_or_default())?;
    let next = Entry {
        index: last.index.map(|index| index + 1),
        data: Some(vec![b'x'; data_bytes].into()),
        ..last
    };
    let data = next.encode_to_vec();
    let crc = crc32c::crc32c_append(crc, &data);
    let record = Record { r#type: Some(ENTRY_RECORD), crc: Some(crc), data: Some(data.into()) };
    let record = record.encode_to_vec();
    let padding = (8 - record.len() % 8) % 8;
    let top = if padding > 0 { 0x80 | padding as u64 } else { 0 };
    let mut frame = (record.len() as u64 | top << 56).to_le_bytes().to_vec();
    frame.extend(record);
    frame.resize(frame.len() + padding, 0);
    let start = frames_end(segment);
    for (place, byte) in frame.iter_mut().enumerate() {
        let sector = (start + place) / SECTOR_BYTES - start / SECTOR_BYTES;
        if lost.contains(&sector) {
            *byte = 0;
        }
    }
    Ok(frame)
}

/// The records of a segment and where their frames end.
fn frames(segment: &[u8]) -> impl Iterator<Item = (usize, Record)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let field = segment.get(at..at + 8)?;
        let field = u64::from_le_bytes(field.try_into().ok()?);
        let record_bytes = (field & ((1 << 56) - 1)) as usize;
        let padding = if field >> 63 == 1 { (field >> 56) & 7 } else { 0 };
        let record = segment.get(at + 8..at + 8 + record_bytes).filter(|_| field != 0)?;
        at += 8 + record_bytes + padding as usize;
        Some((at, Record::decode(record).ok()?))
    })
}
