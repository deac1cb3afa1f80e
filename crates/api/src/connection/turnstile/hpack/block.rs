//! Reads one header block (RFC 7541, sections 5 and 6).

use super::huffman;
use super::table::Table;
use super::{Malformed, Meaning, Said};
use crate::method::Method;

/// Texts above this length are none of those that matter.
const TEXT_BYTES: usize = 64;

/// Fields whose values matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Verb,
    Path,
    ContentType,
    Other,
}

/// A field's name, without its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    kind: Kind,
    pub(super) bytes: usize,
}

impl Name {
    pub(super) fn of(text: &[u8], bytes: usize) -> Self {
        let kind = match text {
            b":method" => Kind::Verb,
            b":path" => Kind::Path,
            b"content-type" => Kind::ContentType,
            _ => Kind::Other,
        };
        Self { kind, bytes }
    }

    /// What the field says with this value.
    fn meaning(self, value: &[u8]) -> Meaning {
        match (self.kind, value) {
            (Kind::Other, _) => Meaning::None,
            (Kind::Verb, b"POST") => Meaning::Post,
            (Kind::ContentType, b"application/grpc") => Meaning::Grpc,
            (Kind::Path, path) => std::str::from_utf8(path)
                .ok()
                .and_then(Method::from_path)
                .map_or(Meaning::NoCall, Meaning::Path),
            _ => Meaning::NoCall,
        }
    }
}

/// Reads a block from its begin to its end.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Something is remembered.
    changes: bool,
    /// How often there was a verb and a content type that fit.
    posts: usize,
    grpcs: usize,
    /// The path, if there was one.
    method: Option<Method>,
    is_no_call: bool,
}

/// A string as it is sent.
struct Text<'a> {
    sent: &'a [u8],
    is_huffman: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        let (changes, method, is_no_call) = (false, None, false);
        Self { rest: block, changes, posts: 0, grpcs: 0, method, is_no_call }
    }

    /// Reads the block; the table is as the client has it then.
    pub(super) fn read(mut self, table: &mut Table) -> Result<Said, Malformed> {
        let mut is_begin = true;
        while let Some(first) = self.rest.first() {
            match first {
                0x80.. => {
                    let index = self.number(7)?;
                    self.note(table.meaning(index)?);
                }
                0x40.. => self.remembered(table)?,
                // The size of the table: only in front of the fields.
                0x20.. if is_begin => {
                    table.resize(self.number(5)?)?;
                    self.changes = true;
                    continue;
                }
                0x20.. => return Err(Malformed),
                _ => self.passing(table)?,
            }
            is_begin = false;
        }
        let is_call = !self.is_no_call && (self.posts, self.grpcs) == (1, 1);
        Ok(Said { call: self.method.filter(|_| is_call), is_passing: !self.changes })
    }

    fn note(&mut self, meaning: Meaning) {
        match meaning {
            Meaning::None => {}
            Meaning::NoCall => self.is_no_call = true,
            Meaning::Post => self.posts += 1,
            Meaning::Grpc => self.grpcs += 1,
            Meaning::Path(method) => self.is_no_call |= self.method.replace(method).is_some(),
        }
    }

    /// A field that is remembered.
    fn remembered(&mut self, table: &mut Table) -> Result<(), Malformed> {
        let name = self.name(6, table)?;
        let mut space = [0; TEXT_BYTES];
        let (value, bytes) = self.text()?.plain(&mut space)?;
        let meaning = name.meaning(value);
        self.note(meaning);
        table.insert(name, bytes, meaning);
        self.changes = true;
        Ok(())
    }

    /// A field that is not.
    fn passing(&mut self, table: &Table) -> Result<(), Malformed> {
        let name = self.name(4, table)?;
        let value = self.text()?;
        if name.kind != Kind::Other {
            let mut space = [0; TEXT_BYTES];
            let (value, _) = value.plain(&mut space)?;
            self.note(name.meaning(value));
        }
        Ok(())
    }

    /// A name by its index, or as a string.
    fn name(&mut self, index_bits: u32, table: &Table) -> Result<Name, Malformed> {
        match self.number(index_bits)? {
            0 => {
                let mut space = [0; TEXT_BYTES];
                let (text, bytes) = self.text()?.plain(&mut space)?;
                Ok(Name::of(text, bytes))
            }
            index => table.name(index),
        }
    }

    fn text(&mut self) -> Result<Text<'a>, Malformed> {
        let is_huffman = self.rest.first().is_some_and(|first| first & 0x80 != 0);
        let bytes = self.number(7)?;
        let (sent, rest) = self.rest.split_at_checked(bytes).ok_or(Malformed)?;
        self.rest = rest;
        Ok(Text { sent, is_huffman })
    }

    /// A number that begins in the lower bits of the next byte.
    fn number(&mut self, bits: u32) -> Result<usize, Malformed> {
        let most = (1 << bits) - 1;
        let mut number = usize::from(self.byte()?) & most;
        if number < most {
            return Ok(number);
        }
        for shift in (0..=21).step_by(7) {
            let byte = self.byte()?;
            number += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*byte)
    }
}

impl<'a> Text<'a> {
    /// The text, and its length. A long one may be cut.
    fn plain<'t>(self, space: &'t mut [u8; TEXT_BYTES]) -> Result<(&'t [u8], usize), Malformed>
    where
        'a: 't,
    {
        if !self.is_huffman {
            return Ok((self.sent, self.sent.len()));
        }
        let mut bytes = 0;
        let each = |byte| {
            if let Some(place) = space.get_mut(bytes) {
                *place = byte;
            }
            bytes += 1;
        };
        huffman::decode(self.sent, each).map_err(|huffman::NotHuffman| Malformed)?;
        Ok((&space[..bytes.min(TEXT_BYTES)], bytes))
    }
}
