//! The length field in front of every record.

/// Bytes of the length field; frames are aligned to as much.
pub(crate) const FRAME_BYTES: u64 = 8;
const LENGTH_BITS: u32 = 56;
const PADDED: u64 = 0x80;

/// A length field read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) record_bytes: u64,
    pub(crate) padding_bytes: u64,
}

impl Frame {
    pub(crate) fn new(record_bytes: u64) -> Self {
        Self { record_bytes, padding_bytes: record_bytes.wrapping_neg() % FRAME_BYTES }
    }

    /// `None` for a field that no writer makes. The eight bytes share a sector, so no torn write
    /// makes one either.
    pub(crate) fn decode(field: u64) -> Option<Self> {
        let frame = Self::new(field & ((1 << LENGTH_BITS) - 1));
        (frame.record_bytes > 0 && frame.encode() == field).then_some(frame)
    }

    pub(crate) fn encode(self) -> u64 {
        let top = if self.padding_bytes > 0 { PADDED | self.padding_bytes } else { 0 };
        self.record_bytes | top << LENGTH_BITS
    }

    /// Bytes behind the length field.
    pub(crate) fn body_bytes(self) -> u64 {
        self.record_bytes + self.padding_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_match_the_vectors_of_etcd() {
        let check = |field: u64, record_bytes: u64, padding_bytes: u64| {
            let frame = Frame { record_bytes, padding_bytes };
            assert_eq!((Frame::decode(field), frame.encode()), (Some(frame), field));
        };
        check(0x8400_0000_0000_0004, 4, 4);
        check(0x0000_0000_0000_0020, 32, 0);
        check(0x8200_0000_0000_000e, 14, 2);
        check(0x8200_0000_0000_006e, 110, 2);
    }

    #[test]
    fn a_flipped_bit_is_never_another_valid_padding() {
        for n in 1..100_u64 {
            let field = Frame::new(n).encode();
            for bit in 0..64 {
                if let Some(other) = Frame::decode(field ^ 1 << bit) {
                    assert_eq!(other.padding_bytes, Frame::new(n).padding_bytes);
                    assert_ne!(other.record_bytes, n);
                }
            }
        }
        assert_eq!(Frame::decode(0), None);
        assert_eq!(Frame::decode(u64::MAX), None);
    }
}
