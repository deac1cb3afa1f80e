//! The tracker against the examples of RFC 7541, appendix C, and against blocks as clients send
//! them.

use super::*;

const PUT: &str = "/etcdserverpb.KV/Put";
/// As the examples of responses have it: a table of 256 bytes.
const SMALL_TABLE: &str = "3fe101";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| std::str::from_utf8(pair).ok().map(|hex| u8::from_str_radix(hex, 16));
    digits.chunks(2).map(|digits| pair(digits).expect("ASCII").expect("hex")).collect()
}

/// Blocks of one connection, and the size of the table behind each.
const EXAMPLES: &[(&str, &[(&str, usize)])] = &[
    ("C.2.1", &[("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", 55)]),
    ("C.2.2", &[("040c 2f73 616d 706c 652f 7061 7468", 0)]),
    ("C.2.3", &[("1008 7061 7373 776f 7264 0673 6563 7265 74", 0)]),
    ("C.2.4", &[("82", 0)]),
    (
        "C.3",
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", 57),
            ("8286 84be 5808 6e6f 2d63 6163 6865", 110),
            ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", 164),
        ],
    ),
    (
        "C.4",
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", 57),
            ("8286 84be 5886 a8eb 1064 9cbf", 110),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", 164),
        ],
    ),
    (
        "C.5",
        &[
            (SMALL_TABLE, 0),
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 \
                 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 \
                 6c65 2e63 6f6d",
                222,
            ),
            ("4803 3330 37c1 c0bf", 222),
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d \
                 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 \
                 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e \
                 3d31",
                215,
            ),
        ],
    ),
    (
        "C.6",
        &[
            (SMALL_TABLE, 0),
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 \
                 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                222,
            ),
            ("4883 640e ffc1 c0bf", 222),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab \
                 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f \
                 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                215,
            ),
        ],
    ),
];

#[test]
fn tables_are_as_the_rfc_has_them() {
    for (name, blocks) in EXAMPLES {
        let mut tracker = Tracker::default();
        for (block, table_bytes) in *blocks {
            tracker.read(&bytes(block)).expect(name);
            assert_eq!(tracker.table.bytes(), *table_bytes, "{name}: {block}");
        }
    }
}

/// A literal: `0x00` is not remembered, `0x10` never is, `0x40` is.
fn literal(first: u8, name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    [vec![first], text(name), text(value)].concat()
}

/// The head of a call.
fn head(first: u8, path: &str, content_type: &str) -> Vec<u8> {
    let path = literal(first, ":path", path);
    // POST, http.
    [vec![0x83, 0x86], path, literal(first, "content-type", content_type)].concat()
}

#[test]
fn calls_are_known_however_they_are_told() {
    const GRPC: &str = "application/grpc";
    let call = Some(Method::Put);
    // Index 62 is the newest field: the content type, and 63 the path.
    let indexed = [0x83, 0x86, 0xbf, 0xbe];
    let table: &[(&str, Vec<u8>, Option<Method>, bool)] = &[
        ("never remembered", head(0x10, PUT, GRPC), call, true),
        ("not remembered", head(0, PUT, GRPC), call, true),
        ("again", head(0, PUT, GRPC), call, true),
        ("remembered", head(0x40, PUT, GRPC), call, false),
        ("by number", indexed.into(), call, true),
        ("by number again", indexed.into(), call, true),
        ("one more is remembered", literal(0x40, "a", "b"), None, false),
        ("and the numbers are others", indexed.into(), None, true),
        ("now", [0x83, 0x86, 0xc0, 0xbf].into(), call, true),
        ("name by number", [&[0x83, 0x04, 20], PUT.as_bytes(), &[0xbf]].concat(), call, true),
        ("nobody's path", head(0, "/no.Such/Call", GRPC), None, true),
        ("a longer content type", head(0, PUT, "application/grpc+proto"), None, true),
        ("no verb", head(0, PUT, GRPC)[1..].to_vec(), None, true),
        ("GET", [&[0x82], &head(0, PUT, GRPC)[1..]].concat(), None, true),
        ("two verbs", [&[0x82], &head(0, PUT, GRPC)[..]].concat(), None, true),
        ("two paths", [head(0, PUT, GRPC), literal(0, ":path", PUT)].concat(), None, true),
        ("the table is emptied", [vec![0x20], head(0, PUT, GRPC)].concat(), call, false),
        ("and filled", [vec![0x3f, 0xe1, 0x1f], head(0x40, PUT, GRPC)].concat(), call, false),
        ("by number at last", indexed.into(), call, true),
        ("nothing", vec![], None, true),
    ];
    let mut tracker = Tracker::default();
    for (what, block, call, is_passing) in table {
        let said = tracker.read(block).expect(what);
        assert_eq!(said, Said { call: *call, is_passing: *is_passing }, "{what}");
    }
}

#[test]
fn what_breaks_the_rules() {
    for block in [
        "80",                   // Field 0.
        "be",                   // A field that is not there.
        "7e 01 61",             // A name that is not there.
        "82 20",                // The table's size behind a field.
        "3f e2 1f",             // A table larger than we allow.
        "00 05 61",             // A name cut short.
        "04 85 61",             // A value cut short.
        "44 81 ff",             // Not of the Huffman code.
        "ff",                   // A number cut short,
        "ff 80 80 80 80 80 01", // and one that is too long.
    ] {
        assert_eq!(Tracker::default().read(&bytes(block)), Err(Malformed), "{block}");
    }
}

/// A field larger than the table empties it.
#[test]
fn what_does_not_fit_leaves_nothing() {
    let mut tracker = Tracker::default();
    tracker.read(&literal(0x40, "a", "b")).expect("fits");
    assert_eq!(tracker.table.bytes(), 34);
    // 40 names a literal, then 1 byte, then 5000 in the continued form: 0x7f + (5000 - 127).
    let mut large = vec![0x40, 1, b'a', 0x7f, 0x89, 0x26];
    large.resize(large.len() + 5000, b'x');
    tracker.read(&large).expect("well formed");
    assert_eq!(tracker.table.bytes(), 0);
}
