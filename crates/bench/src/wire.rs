//! Looks into answers without decoding them whole.

use bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint};

/// A field at the top of a message: number, and varint or bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message; ends at the first that makes no sense, or was cut off.
pub(crate) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u32, Value<'_>)> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let (number, kind) = decode_key(&mut bytes).ok()?;
        match kind {
            WireType::Varint => Some((number, Value::Number(decode_varint(&mut bytes).ok()?))),
            WireType::LengthDelimited => {
                let length = decode_varint(&mut bytes).ok()? as usize;
                let value = bytes.get(..length)?;
                bytes.advance(length);
                Some((number, Value::Bytes(value)))
            }
            _ => None,
        }
    })
}

/// A number at the top; 0 if it is not there.
pub(crate) fn number(message: &[u8], field: u32) -> u64 {
    fields(message)
        .find_map(|(number, value)| match value {
            Value::Number(value) if number == field => Some(value),
            _ => None,
        })
        .unwrap_or(0)
}

/// Bytes at the top.
pub(crate) fn bytes(message: &[u8], field: u32) -> Option<&[u8]> {
    fields(message).find_map(|(number, value)| match value {
        Value::Bytes(value) if number == field => Some(value),
        _ => None,
    })
}

/// The store's revision in an answer's header, field 1 everywhere.
pub(crate) fn header_revision(message: &[u8]) -> i64 {
    bytes(message, 1).map_or(0, |header| number(header, 3)).cast_signed()
}

/// Whether a transaction took its first branch.
pub(crate) fn succeeded(message: &[u8]) -> bool {
    number(message, 2) == 1
}

/// Events in a watch's message, and the value of the last.
pub(crate) fn events(message: &[u8]) -> (u64, Option<&[u8]>) {
    let events = fields(message).filter_map(|(number, value)| match value {
        Value::Bytes(event) if number == 11 => Some(event),
        _ => None,
    });
    let (mut count, mut last) = (0, None);
    for event in events {
        count += 1;
        last = Some(event);
    }
    (count, last.and_then(|event| bytes(event, 2)).and_then(|row| bytes(row, 5)))
}

#[cfg(test)]
mod tests {
    use ketch_proto::etcdserverpb::{ResponseHeader, TxnResponse, WatchResponse};
    use ketch_proto::mvccpb::{Event, KeyValue};
    use prost::Message;

    use super::*;

    #[test]
    fn answers_are_looked_into() {
        let header = Some(ResponseHeader { revision: 77, ..Default::default() });
        let txn = TxnResponse { header, succeeded: true, ..Default::default() }.encode_to_vec();
        assert_eq!((header_revision(&txn), succeeded(&txn)), (77, true));
        let row = |value: &'static str| KeyValue { value: value.into(), ..Default::default() };
        let event = |value| Event { kv: Some(row(value)), ..Default::default() };
        let events_of = vec![event("a"), event("b")];
        let watch = WatchResponse { events: events_of, ..Default::default() }.encode_to_vec();
        assert_eq!(events(&watch), (2, Some(&b"b"[..])));
        assert_eq!(events(&watch[..watch.len() - 1]).0, 1);
    }
}
