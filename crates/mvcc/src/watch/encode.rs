//! Events as bytes: encoded once, shared by every watcher.

use bytes::Bytes;
use ketch_base::{Revision, RevisionKey};

use crate::error::Error;
use crate::reader::Reader;
use crate::row;

const TAG_TYPE: u8 = 0x08;
const TYPE_DELETE: u8 = 1;
const TAG_KV: u8 = 0x12;
const TAG_PREV_KV: u8 = 0x1a;

/// One change and, as they are asked for, its `mvccpb.Event` without and with the previous pair.
pub(super) struct SharedEvent {
    pub(super) revision: Revision,
    pub(super) tombstone: bool,
    row: Bytes,
    previous: Previous,
    plain: Option<Bytes>,
    full: Option<Bytes>,
}

/// Where the previous pair is found.
enum Previous {
    /// There was none.
    None,
    /// In this row.
    Row(RevisionKey),
    /// In the newest row of this key before the transaction; to be looked up.
    Key(Bytes),
}

impl SharedEvent {
    /// From a transaction that was just committed. The pair before is that before the whole
    /// transaction, for a key that it changes twice too (etcd).
    pub(super) fn committed(event: &crate::Event) -> Self {
        let previous = match event.previous {
            None => Previous::None,
            Some(row) if row.revision.main < event.revision.main => Previous::Row(row),
            Some(_) if is_creation(event) => Previous::None,
            Some(_) => Previous::Key(event.key.clone()),
        };
        Self::new(event.revision, event.tombstone, event.row.clone(), previous)
    }

    /// From a row of the past.
    pub(super) fn stored(key: RevisionKey, stored: Bytes) -> Result<Self, Error> {
        let row = row::parse(&stored).ok_or(Error::Malformed(key))?;
        let (name, created) = (stored.slice_ref(row.key), row.create == row.modified);
        let main = key.revision.main;
        if key.tombstone {
            let seen = row::tombstone(&name, main);
            return Ok(Self::new(key.revision, true, seen, Previous::Key(name)));
        }
        let previous = if created { Previous::None } else { Previous::Key(name) };
        Ok(Self::new(key.revision, false, stored, previous))
    }

    fn new(revision: Revision, tombstone: bool, row: Bytes, previous: Previous) -> Self {
        Self { revision, tombstone, row, previous, plain: None, full: None }
    }

    /// The event without the previous pair.
    pub(super) fn plain(&mut self) -> Bytes {
        let (tombstone, row) = (self.tombstone, &self.row);
        self.plain.get_or_insert_with(|| encode(tombstone, row, None)).clone()
    }

    /// The event with the previous pair, if there was one that is still kept.
    pub(super) fn full(&mut self, reader: &Reader) -> Result<Bytes, Error> {
        if let Some(full) = &self.full {
            return Ok(full.clone());
        }
        let full = match self.previous(reader)? {
            Some(previous) => encode(self.tombstone, &self.row, Some(&previous)),
            None => self.plain(),
        };
        self.full = Some(full.clone());
        Ok(full)
    }

    fn previous(&self, reader: &Reader) -> Result<Option<Bytes>, Error> {
        let key = match &self.previous {
            Previous::None => None,
            Previous::Row(key) => Some(*key),
            Previous::Key(name) => {
                let main = self.revision.main;
                reader.version_before(name, Revision { main, sub: 0 })
            }
        };
        match key {
            Some(key) if !key.tombstone => Ok(reader.backend().row(key)?),
            _ => Ok(None),
        }
    }
}

/// Whether a put made the key, or was made in the transaction that did.
fn is_creation(event: &crate::Event) -> bool {
    let row = row::parse(&event.row);
    !event.tombstone && row.is_some_and(|row| row.create == row.modified)
}

fn encode(tombstone: bool, row: &[u8], previous: Option<&[u8]>) -> Bytes {
    let bytes = row.len() + previous.map_or(0, <[u8]>::len);
    let mut out = Vec::with_capacity(bytes + 2 * 6 + 2);
    if tombstone {
        out.extend_from_slice(&[TAG_TYPE, TYPE_DELETE]);
    }
    put(&mut out, TAG_KV, row);
    if let Some(previous) = previous {
        put(&mut out, TAG_PREV_KV, previous);
    }
    out.into()
}

fn put(out: &mut Vec<u8>, tag: u8, message: &[u8]) {
    out.push(tag);
    prost::encoding::encode_varint(message.len() as u64, out);
    out.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use ketch_proto::mvccpb::{Event, KeyValue};
    use prost::Message;

    use super::*;

    #[test]
    fn bytes_are_those_of_the_generated_encoder() {
        let pair = |value: usize, version| KeyValue {
            key: "k".into(),
            version,
            value: vec![7; value].into(),
            ..Default::default()
        };
        for value in [0, 1, 117, 118, 20_000] {
            for (kind, previous) in [(0, None), (0, Some(pair(value, 3))), (1, Some(pair(1, 0)))] {
                let kv = pair(value, 9);
                let row = kv.encode_to_vec();
                let previous_row = previous.as_ref().map(Message::encode_to_vec);
                let bytes = encode(kind == 1, &row, previous_row.as_deref());
                let event = Event { r#type: kind, kv: Some(kv), prev_kv: previous };
                assert_eq!(bytes, event.encode_to_vec());
            }
        }
    }
}
