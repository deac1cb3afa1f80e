//! The Huffman code of header strings (RFC 7541, appendix B), read only.
//!
//! The code is canonical: codes of one length follow each other, and longer ones follow shorter
//! ones. So the symbols in the order of their codes, and how many there are of each length, are
//! the whole of it.

/// The symbols in the order of their codes. Behind the last comes the end of the string, which is
/// never sent.
#[rustfmt::skip]
const SYMBOLS: [u8; 256] = [
    48, 49, 50, 97, 99, 101, 105, 111, 115, 116, 32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57,
    61, 65, 95, 98, 100, 102, 103, 104, 108, 109, 110, 112, 114, 117, 58, 66, 67, 68, 69, 70, 71,
    72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89, 106, 107, 113, 118, 119,
    120, 121, 122, 38, 42, 44, 59, 88, 90, 33, 34, 40, 41, 63, 39, 43, 124, 35, 62, 0, 36, 64, 91,
    93, 126, 94, 125, 60, 96, 123, 92, 195, 208, 128, 130, 131, 162, 184, 194, 224, 226, 153, 161,
    167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230, 129, 132, 133, 134, 136, 146, 154, 156,
    160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233, 1,
    135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174,
    175, 180, 182, 183, 188, 191, 197, 231, 239, 9, 142, 144, 145, 148, 159, 171, 206, 215, 225,
    236, 237, 199, 207, 234, 235, 192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242,
    243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252,
    253, 254, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28,
    29, 30, 31, 127, 220, 249, 10, 13, 22,
];

/// Bits of a code, and how many codes have so many.
const COUNTS: [(u8, u16); 21] = [
    (5, 10),
    (6, 26),
    (7, 32),
    (8, 6),
    (10, 5),
    (11, 3),
    (12, 2),
    (13, 6),
    (14, 2),
    (15, 3),
    (19, 3),
    (20, 8),
    (21, 13),
    (22, 26),
    (23, 29),
    (24, 12),
    (25, 4),
    (26, 15),
    (27, 19),
    (28, 29),
    // And the end.
    (30, 4),
];

/// The codes of one length.
#[derive(Clone, Copy)]
struct Group {
    bits: u8,
    /// The first code, and what no code of this length or a shorter one reaches; both at the upper
    /// end of 32 bits.
    first: u32,
    end: u64,
    /// Place of the first symbol.
    symbol: u16,
}

const GROUPS: [Group; COUNTS.len()] = groups();

const fn groups() -> [Group; COUNTS.len()] {
    let mut groups = [Group { bits: 0, first: 0, end: 0, symbol: 0 }; COUNTS.len()];
    let (mut at, mut first, mut symbol) = (0, 0_u64, 0);
    while at < groups.len() {
        let (bits, count) = COUNTS[at];
        let end = first + ((count as u64) << (32 - bits));
        groups[at] = Group { bits, first: first as u32, end, symbol };
        first = end;
        symbol += count;
        at += 1;
    }
    groups
}

/// A string is not one of this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotHuffman;

/// Hands out each byte of an encoded string.
pub(super) fn decode(encoded: &[u8], mut each: impl FnMut(u8)) -> Result<(), NotHuffman> {
    let mut bytes = encoded.iter();
    // The next bits stand at the upper end; behind the last of them are ones.
    let (mut window, mut bits) = (u64::MAX, 0);
    loop {
        while bits <= 56
            && let Some(byte) = bytes.next()
        {
            window = window & !(0xff << (56 - bits)) | u64::from(*byte) << (56 - bits);
            bits += 8;
        }
        let code = (window >> 32) as u32;
        let group = GROUPS.iter().find(|group| u64::from(code) < group.end).ok_or(NotHuffman)?;
        if u32::from(group.bits) > bits {
            // Less than a code is left: fewer than eight ones.
            return if bits < 8 && window == u64::MAX { Ok(()) } else { Err(NotHuffman) };
        }
        let place =
            usize::from(group.symbol) + ((code - group.first) >> (32 - group.bits)) as usize;
        each(*SYMBOLS.get(place).ok_or(NotHuffman)?);
        window = window << group.bits | ((1 << group.bits) - 1);
        bits -= u32::from(group.bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoded: &[u8]) -> Result<Vec<u8>, NotHuffman> {
        let mut bytes = Vec::new();
        decode(encoded, |byte| bytes.push(byte)).map(|()| bytes)
    }

    /// From the examples in appendix C of the RFC.
    #[test]
    fn known_strings() {
        let check = |encoded: &[u8], text: &str| assert_eq!(decoded(encoded), Ok(text.into()));
        check(b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", "www.example.com");
        check(b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache");
        check(b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", "custom-value");
        check(b"\x64\x02", "302");
        check(b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3", {
            "https://www.example.com"
        });
        check(b"", "");
    }

    #[test]
    fn what_is_none() {
        for encoded in [&b"\xff"[..], b"\xff\xff\xff\xff", b"\x00", b"\x64\x02\xff", b"\x07\x00"] {
            assert_eq!(decoded(encoded), Err(NotHuffman), "{encoded:?}");
        }
    }

    /// Every symbol, by the codes as the table makes them.
    #[test]
    fn every_symbol_leads_back() {
        let mut seen = [false; 256];
        for group in &GROUPS {
            let codes = (group.end - u64::from(group.first)) >> (32 - group.bits);
            for place in 0..codes.min(256 - u64::from(group.symbol)) {
                let code = u64::from(group.first) + (place << (32 - group.bits));
                let padded = code << 32 | (u64::MAX >> group.bits);
                let bytes = padded.to_be_bytes();
                let text = decoded(&bytes[..usize::from(group.bits).div_ceil(8)]);
                let symbol = SYMBOLS[usize::from(group.symbol) + place as usize];
                assert_eq!(text, Ok(vec![symbol]));
                seen[usize::from(symbol)] = true;
            }
        }
        assert!(seen.iter().all(|seen| *seen));
        assert_eq!(GROUPS[GROUPS.len() - 1].end, 1 << 32, "all codes are used");
    }
}
