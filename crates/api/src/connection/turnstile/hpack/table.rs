//! The dynamic table, without the texts (RFC 7541, sections 2.3 and 4).

use std::collections::VecDeque;

use super::block::Name;
use super::{Malformed, Meaning, names};

/// Largest table a client may have: what HTTP/2 begins with, as we never announce another.
const TABLE_BYTES_MAX: usize = 4096;
/// What the RFC adds to the texts of each field.
const FIELD_BYTES: usize = 32;

/// One remembered field.
struct Field {
    name: Name,
    bytes: usize,
    meaning: Meaning,
}

/// Fields by index, behind those of the static table; the newest is first.
pub(super) struct Table {
    fields: VecDeque<Field>,
    bytes: usize,
    bytes_max: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { fields: VecDeque::new(), bytes: 0, bytes_max: TABLE_BYTES_MAX }
    }
}

impl Table {
    /// What the whole field says.
    pub(super) fn meaning(&self, index: usize) -> Result<Meaning, Malformed> {
        match index {
            0 => Err(Malformed),
            1..=names::COUNT => Ok(names::meaning(index)),
            _ => Ok(self.dynamic(index)?.meaning),
        }
    }

    /// The name of the field.
    pub(super) fn name(&self, index: usize) -> Result<Name, Malformed> {
        match names::name(index) {
            Some(name) => Ok(Name::of(name.as_bytes(), name.len())),
            None => Ok(self.dynamic(index)?.name),
        }
    }

    fn dynamic(&self, index: usize) -> Result<&Field, Malformed> {
        let at = index.checked_sub(names::COUNT + 1).ok_or(Malformed)?;
        self.fields.get(at).ok_or(Malformed)
    }

    /// Adds a field whose value has so many bytes.
    pub(super) fn insert(&mut self, name: Name, value_bytes: usize, meaning: Meaning) {
        let bytes = name.bytes + value_bytes + FIELD_BYTES;
        self.make_room(bytes);
        // One that is larger than the table only empties it.
        if bytes <= self.bytes_max {
            self.bytes += bytes;
            self.fields.push_front(Field { name, bytes, meaning });
        }
    }

    /// The client makes its table smaller, or larger again.
    pub(super) fn resize(&mut self, bytes_max: usize) -> Result<(), Malformed> {
        if bytes_max > TABLE_BYTES_MAX {
            return Err(Malformed);
        }
        self.bytes_max = bytes_max;
        self.make_room(0);
        Ok(())
    }

    fn make_room(&mut self, bytes: usize) {
        while self.bytes + bytes > self.bytes_max {
            let Some(oldest) = self.fields.pop_back() else { return };
            self.bytes -= oldest.bytes;
        }
    }

    /// Bytes of the fields in it, as the RFC counts them.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
