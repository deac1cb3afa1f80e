//! Counts the repeated parts of a large message before it is decoded: a part that is empty on the
//! wire still takes memory once decoded.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::FrameError;
use crate::limits;

/// Field numbers in a message.
const ENTRIES: u32 = 7;
const RESPONSES: u32 = 14;
/// Responses within responses, at which the decoder gives up as well.
const DEPTH: u32 = 100;

/// Refuses a message of more than [`limits::APPEND_ENTRIES`] parts.
pub(super) fn check(bytes: &[u8]) -> Result<(), FrameError> {
    let mut parts = 0;
    walk(bytes, DEPTH, &mut parts)
}

fn walk(mut bytes: &[u8], depth: u32, parts: &mut u64) -> Result<(), FrameError> {
    while !bytes.is_empty() {
        let (tag, wire_type) = decode_key(&mut bytes)?;
        if wire_type == WireType::LengthDelimited && matches!(tag, ENTRIES | RESPONSES) {
            *parts += 1;
            if *parts > limits::APPEND_ENTRIES as u64 {
                return Err(FrameError::TooManyEntries { entries: *parts });
            }
            let mut ahead = bytes;
            let length = usize::try_from(decode_varint(&mut ahead)?).unwrap_or(usize::MAX);
            if tag == RESPONSES && depth > 0 && length <= ahead.len() {
                walk(&ahead[..length], depth - 1, parts)?;
            }
        }
        skip_field(wire_type, tag, &mut bytes, DecodeContext::default())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_on_every_level() {
        let check = |bytes: &[u8], parts: u64| {
            let mut seen = 0;
            assert_eq!(walk(bytes, DEPTH, &mut seen), Ok(()));
            assert_eq!(seen, parts, "{bytes:?}");
        };
        check(&[], 0);
        check(&[8, 3, 0x3a, 0, 0x3a, 2, 8, 1], 2);
        check(&[0x72, 4, 0x3a, 0, 0x3a, 0], 3);
        let many = [0x3a, 0].repeat(limits::APPEND_ENTRIES + 1);
        assert!(matches!(super::check(&many), Err(FrameError::TooManyEntries { .. })));
        assert!(matches!(super::check(&[0x3a, 9]), Err(FrameError::Malformed(_))));
    }
}
