//! Rows: `mvccpb.KeyValue` written field by field, and read without copying.
//!
//! The bytes are those of Go's encoder: fields in ascending order, zero fields left out. Their
//! length is known before they are written, so the index can hold it and a range can announce
//! its exact size without reading a row.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

const TAG_KEY: u8 = 0x0a;
const TAG_CREATE: u8 = 0x10;
const TAG_MOD: u8 = 0x18;
const TAG_VERSION: u8 = 0x20;
const TAG_VALUE: u8 = 0x2a;
const TAG_LEASE: u8 = 0x30;
/// Tag of `kvs` in `RangeResponse`, where rows go.
const TAG_KVS: u8 = 0x12;

/// Everything a row says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) create: i64,
    pub(crate) modified: i64,
    pub(crate) version: i64,
    pub(crate) value: &'a [u8],
    pub(crate) lease: i64,
}

impl Row<'_> {
    /// Bytes of the encoded row.
    pub(crate) fn length(&self) -> usize {
        length(self.key.len(), self.value.len(), self.create, self.modified, self.version)
            + number_bytes(self.lease)
    }

    /// The encoded row.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.length());
        put_blob(&mut out, TAG_KEY, self.key);
        put_number(&mut out, TAG_CREATE, self.create);
        put_number(&mut out, TAG_MOD, self.modified);
        put_number(&mut out, TAG_VERSION, self.version);
        put_blob(&mut out, TAG_VALUE, self.value);
        put_number(&mut out, TAG_LEASE, self.lease);
        out.into()
    }
}

/// Bytes of a row without a lease whose key and value have these lengths.
pub(crate) fn length(key: usize, value: usize, create: i64, modified: i64, version: i64) -> usize {
    blob_bytes(key)
        + blob_bytes(value)
        + number_bytes(create)
        + number_bytes(modified)
        + number_bytes(version)
}

/// Bytes of a key (or value) field, with its tag and length; 0 when it is empty.
pub(crate) fn blob_bytes(length: usize) -> usize {
    if length == 0 { 0 } else { 1 + varint_bytes(length as u64) + length }
}

/// Bytes a row of this length takes as a `kvs` field of an answer.
pub(crate) fn kvs_bytes(length: u32) -> u64 {
    1 + varint_bytes(u64::from(length)) as u64 + u64::from(length)
}

/// Appends a row as a `kvs` field.
pub(crate) fn put_kvs(out: &mut BytesMut, row: &[u8]) {
    out.put_u8(TAG_KVS);
    put_varint(out, row.len() as u64);
    out.put_slice(row);
}

/// A deletion as watchers see it: key and revision. Stored is only its beginning, see
/// [`stored_tombstone`].
pub(crate) fn tombstone(key: &[u8], modified: i64) -> Bytes {
    Row { key, modified, ..Row::default() }.encode()
}

/// The row of a deletion: its key only. Shares the bytes of what watchers see.
pub(crate) fn stored_tombstone(seen: &Bytes, key_bytes: usize) -> Bytes {
    seen.slice(..blob_bytes(key_bytes))
}

/// The bytes of the key inside an encoded row, given its length.
pub(crate) fn key_part(key_bytes: usize) -> Range<usize> {
    let start = blob_bytes(key_bytes) - key_bytes;
    start..start + key_bytes
}

/// Reads a row; `None` if it is not a `KeyValue`. Unknown fields are passed over.
pub(crate) fn parse(bytes: &[u8]) -> Option<Row<'_>> {
    let mut row = Row::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let tag = get_varint(&mut rest)?;
        match (u8::try_from(tag), tag & 7) {
            (Ok(TAG_KEY), _) => row.key = get_blob(&mut rest)?,
            (Ok(TAG_VALUE), _) => row.value = get_blob(&mut rest)?,
            (Ok(TAG_CREATE), _) => row.create = get_number(&mut rest)?,
            (Ok(TAG_MOD), _) => row.modified = get_number(&mut rest)?,
            (Ok(TAG_VERSION), _) => row.version = get_number(&mut rest)?,
            (Ok(TAG_LEASE), _) => row.lease = get_number(&mut rest)?,
            (_, 0) => _ = get_varint(&mut rest)?,
            (_, 1) => rest = rest.get(8..)?,
            (_, 2) => _ = get_blob(&mut rest)?,
            (_, 5) => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(row)
}

/// The row without its value.
pub(crate) fn without_value(bytes: &[u8]) -> Option<Bytes> {
    let row = parse(bytes)?;
    Some(Row { value: &[], ..row }.encode())
}

/// The row without its value and lease, as `keys_only` answers carry it.
pub(crate) fn name_only(bytes: &[u8]) -> Option<Bytes> {
    let row = parse(bytes)?;
    Some(Row { value: &[], lease: 0, ..row }.encode())
}

fn varint_bytes(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn number_bytes(value: i64) -> usize {
    if value == 0 { 0 } else { 1 + varint_bytes(value as u64) }
}

fn put_varint(out: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn put_blob(out: &mut Vec<u8>, tag: u8, blob: &[u8]) {
    if !blob.is_empty() {
        out.push(tag);
        put_varint(out, blob.len() as u64);
        out.extend_from_slice(blob);
    }
}

fn put_number(out: &mut Vec<u8>, tag: u8, value: i64) {
    if value != 0 {
        out.push(tag);
        put_varint(out, value as u64);
    }
}

fn get_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn get_number(rest: &mut &[u8]) -> Option<i64> {
    get_varint(rest).map(|value| value as i64)
}

fn get_blob<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(get_varint(rest)?).ok()?;
    let (blob, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(blob)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ketch_proto::mvccpb::KeyValue;
    use prost::Message;

    fn rows() -> Vec<KeyValue> {
        let sizes = [0, 1, 127, 128, 20_000];
        let numbers = [0, 1, 127, 128, i64::MAX, -1];
        let mut rows = Vec::new();
        for (turn, key) in sizes.into_iter().enumerate() {
            for (step, number) in numbers.into_iter().enumerate() {
                rows.push(KeyValue {
                    key: vec![b'k'; key].into(),
                    create_revision: number,
                    mod_revision: numbers[(step + 1) % 6],
                    version: numbers[(step + 2) % 6],
                    value: vec![7; sizes[(turn + step) % 5]].into(),
                    lease: numbers[(step + turn) % 6],
                });
            }
        }
        rows
    }

    fn row(kv: &KeyValue) -> Row<'_> {
        Row {
            key: &kv.key,
            create: kv.create_revision,
            modified: kv.mod_revision,
            version: kv.version,
            value: &kv.value,
            lease: kv.lease,
        }
    }

    #[test]
    fn bytes_are_those_of_the_generated_encoder() {
        for kv in rows() {
            let bytes = row(&kv).encode();
            assert_eq!(bytes, kv.encode_to_vec());
            assert_eq!(bytes.len(), row(&kv).length());
            assert_eq!(parse(&bytes), Some(row(&kv)));
            assert_eq!(&bytes[key_part(kv.key.len())], &kv.key);
            let bare = KeyValue { value: Bytes::new(), ..kv.clone() };
            assert_eq!(without_value(&bytes).unwrap(), bare.encode_to_vec());
            let name = KeyValue { lease: 0, ..bare };
            assert_eq!(name_only(&bytes).unwrap(), name.encode_to_vec());
        }
    }

    #[test]
    fn tombstones_share_their_bytes() {
        let stone = tombstone(b"gone", 9);
        let stored = KeyValue { key: "gone".into(), ..Default::default() };
        assert_eq!(stored_tombstone(&stone, 4), stored.encode_to_vec());
        let seen = KeyValue { key: "gone".into(), mod_revision: 9, ..Default::default() };
        assert_eq!(stone, seen.encode_to_vec());
    }

    #[test]
    fn a_kvs_field_has_the_size_announced() {
        for length in [0_u32, 1, 127, 128, 16_383, 16_384] {
            let mut out = BytesMut::new();
            put_kvs(&mut out, &vec![1; length as usize]);
            assert_eq!(out.len() as u64, kvs_bytes(length));
        }
    }

    #[test]
    fn garbage_is_refused() {
        for bad in [&b"\x0a"[..], b"\x0a\x05ab", b"\x10\xff", b"\x0b", &[0xff; 11]] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        assert_eq!(parse(b"\x38\x05\x0a\x01k").map(|row| row.key), Some(&b"k"[..]));
    }
}
