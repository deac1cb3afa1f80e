//! The log decoder on arbitrary segments: items and at most one damage, never a panic.
//!
//! The first byte chooses between the bare input and a log framed here with right checksums from
//! the input's pieces, cut and flipped at one place: chance does not find checksums.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

/// A log of records made from the input: a byte of type, a byte of length, the data.
fn framed(mut input: &[u8]) -> Vec<u8> {
    let mut log = Vec::new();
    let mut crc = 0;
    // Heads of a segment: checksum 0, metadata.
    put(&mut log, 4, 0, &[]);
    let metadata = [8, 1, 16, 2];
    crc = crc32c::crc32c_append(crc, &metadata);
    put(&mut log, 1, crc, &metadata);
    while let [kind, length, rest @ ..] = input {
        let (data, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        let kind = kind % 7;
        if kind != 4 {
            crc = crc32c::crc32c_append(crc, data);
        }
        put(&mut log, kind, crc, data);
        input = rest;
    }
    log
}

/// One frame: length field, type, checksum and data of a record, padding.
fn put(log: &mut Vec<u8>, kind: u8, crc: u32, data: &[u8]) {
    let mut record = vec![0x08, kind, 0x10];
    put_varint(&mut record, u64::from(crc));
    if !data.is_empty() {
        record.push(0x1a);
        put_varint(&mut record, data.len() as u64);
        record.extend_from_slice(data);
    }
    let padding = (8 - record.len() % 8) % 8;
    let top = if padding == 0 { 0 } else { 0x80 | padding as u64 };
    log.extend_from_slice(&(record.len() as u64 | top << 56).to_le_bytes());
    log.extend_from_slice(&record);
    log.resize(log.len() + padding, 0);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Flips a bit or cuts, at a place the input names.
fn damaged(mut log: Vec<u8>, how: u8, place: [u8; 2]) -> Vec<u8> {
    let at = usize::from(u16::from_le_bytes(place)) % log.len().max(1);
    match how % 4 {
        0 => log.truncate(at),
        1 => log[at] ^= 1 << (how >> 5),
        2 => log.resize(log.len() + at, 0),
        _ => {}
    }
    log
}

fuzz_target!(|input: &[u8]| {
    let segment = match input {
        [0, bare @ ..] => bare.to_vec(),
        [how, low, high, pieces @ ..] => damaged(framed(pieces), *how, [*low, *high]),
        _ => return,
    };
    let segment = Bytes::from(segment);
    let first = ketch_wal::decode(segment.clone());
    // A second reading of the same bytes may not tell another story.
    assert_eq!(ketch_wal::decode(segment), first);
});
