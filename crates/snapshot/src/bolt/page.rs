//! One page in memory: header and elements, every bound checked.

use bytes::Bytes;

/// Bytes before the elements.
pub(crate) const HEADER_BYTES: usize = 16;
/// Bytes of one element, leaf or branch, without its key and value.
pub(crate) const ELEMENT_BYTES: usize = 16;
/// Page flags.
pub(crate) const BRANCH: u16 = 0x01;
pub(crate) const LEAF: u16 = 0x02;
pub(crate) const META: u16 = 0x04;
pub(crate) const FREELIST: u16 = 0x10;
/// Flag of a leaf element whose value is a bucket.
pub(crate) const BUCKET_FLAG: u32 = 0x01;

/// The 16 bytes at the start of every page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u64,
    pub(crate) flags: u16,
    pub(crate) count: u16,
    /// Pages that follow and belong to this one.
    pub(crate) overflow: u32,
}

impl Header {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            id: u64_at(bytes, 0)?,
            flags: u16_at(bytes, 8)?,
            count: u16_at(bytes, 10)?,
            overflow: u32_at(bytes, 12)?,
        })
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.overflow.to_le_bytes());
    }
}

/// A leaf or branch page, or the inline page of a small bucket.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    bytes: Bytes,
    count: usize,
    pub(crate) is_leaf: bool,
    /// Where in the file the page that holds it begins, for messages.
    pub(crate) offset: u64,
}

impl Node {
    /// Takes a page with its overflow; the element table must lie inside of it.
    pub(crate) fn parse(bytes: Bytes, offset: u64) -> Result<Self, String> {
        let header = Header::parse(&bytes).ok_or("page is cut short")?;
        let is_leaf = match header.flags {
            LEAF => true,
            BRANCH => false,
            other => return Err(format!("page flags {other:#x} are neither branch nor leaf")),
        };
        let count = usize::from(header.count);
        if HEADER_BYTES + count * ELEMENT_BYTES > bytes.len() {
            return Err(format!("{count} elements do not fit in {} bytes", bytes.len()));
        }
        if !is_leaf && count == 0 {
            return Err("branch page without children".into());
        }
        Ok(Self { bytes, count, is_leaf, offset })
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Element `i` of a leaf: flags, key, value.
    pub(crate) fn leaf(&self, i: usize) -> Result<(u32, Bytes, Bytes), String> {
        let (at, element) = self.element(i)?;
        let flags = u32_at(element, 0).ok_or("short element")?;
        let (pos, key_bytes) = (field(element, 4)?, field(element, 8)?);
        let key = self.slice(i, at, pos, key_bytes)?;
        let value_pos = pos.checked_add(key_bytes).ok_or("element is out of range")?;
        let value = self.slice(i, at, value_pos, field(element, 12)?)?;
        Ok((flags, key, value))
    }

    /// Element `i` of a branch: first key and page of the child.
    pub(crate) fn branch(&self, i: usize) -> Result<(Bytes, u64), String> {
        let (at, element) = self.element(i)?;
        let key = self.slice(i, at, field(element, 0)?, field(element, 4)?)?;
        Ok((key, u64_at(element, 8).ok_or("short element")?))
    }

    fn element(&self, i: usize) -> Result<(usize, &[u8]), String> {
        let at = HEADER_BYTES + i * ELEMENT_BYTES;
        let element = self.bytes.get(at..at + ELEMENT_BYTES).ok_or("no such element")?;
        Ok((at, element))
    }

    fn slice(&self, i: usize, at: usize, pos: usize, length: usize) -> Result<Bytes, String> {
        let from = at.checked_add(pos);
        let to = from.and_then(|from| from.checked_add(length));
        match (from, to) {
            (Some(from), Some(to)) if to <= self.bytes.len() => Ok(self.bytes.slice(from..to)),
            _ => Err(format!("element {i} points outside of its page")),
        }
    }
}

fn field(element: &[u8], at: usize) -> Result<usize, String> {
    let value = u32_at(element, at).ok_or("short element")?;
    usize::try_from(value).map_err(|_| "element is out of range".into())
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
