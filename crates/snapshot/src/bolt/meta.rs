//! Meta pages: where the root is and how far the file reaches.

use super::page::{HEADER_BYTES, Header, META, u32_at, u64_at};

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// Bytes of the meta record, without the page header and with the checksum.
const META_BYTES: usize = 64;
/// Bytes the checksum covers.
const SUMMED_BYTES: usize = 56;
/// "The free pages are not written down": what etcd's servers leave behind.
pub(crate) const NO_FREELIST: u64 = u64::MAX;

/// One of the two records that open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) page_bytes: u32,
    pub(crate) root: u64,
    /// Page of the free list, or [`NO_FREELIST`].
    pub(crate) freelist: u64,
    /// The first page id that is not in use: everything valid lies below.
    pub(crate) high_water: u64,
    pub(crate) txid: u64,
}

impl Meta {
    /// Reads a meta page (header included); `None` unless magic, version and checksum agree.
    pub(crate) fn parse(page: &[u8]) -> Option<Self> {
        let record = page.get(HEADER_BYTES..HEADER_BYTES + META_BYTES)?;
        let sum = u64_at(record, SUMMED_BYTES)?;
        let known = u32_at(record, 0)? == MAGIC && u32_at(record, 4)? == VERSION;
        if !known || fnv1a(&record[..SUMMED_BYTES]) != sum {
            return None;
        }
        Some(Self {
            page_bytes: u32_at(record, 8)?,
            root: u64_at(record, 16)?,
            freelist: u64_at(record, 32)?,
            high_water: u64_at(record, 40)?,
            txid: u64_at(record, 48)?,
        })
    }

    /// Writes the page with this id; the caller pads it.
    pub(crate) fn write(self, id: u64, out: &mut Vec<u8>) {
        Header { id, flags: META, count: 0, overflow: 0 }.write(out);
        let start = out.len();
        for word in [MAGIC, VERSION, self.page_bytes, 0] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let sequence = 0;
        for word in [self.root, sequence, self.freelist, self.high_water, self.txid] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let sum = fnv1a(&out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
    }
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_matches_its_published_vectors() {
        for (text, hash) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(fnv1a(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn a_meta_page_returns_and_any_flipped_bit_is_seen() {
        let meta = Meta { page_bytes: 4096, root: 7, freelist: 2, high_water: 9, txid: 3 };
        let mut page = Vec::new();
        meta.write(1, &mut page);
        assert_eq!(Meta::parse(&page), Some(meta));
        for at in HEADER_BYTES..page.len() {
            page[at] ^= 1;
            assert_eq!(Meta::parse(&page), None, "byte {at}");
            page[at] ^= 1;
        }
        assert_eq!(Meta::parse(&page[..page.len() - 1]), None);
    }
}
