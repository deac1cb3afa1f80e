//! Transcripts: what a client sends, what the library sees of it, and what is said in its place.

use super::super::frame::window_update;
use super::super::pieces::{self, Outcome};
use super::*;

const LIMIT: usize = 64 * 1024;
const END: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;
const PING: u8 = 6;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a call by literals with this first byte.
fn block(first: u8, path: &str) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let field = |name, value| [vec![first], text(name), text(value)].concat();
    [vec![0x83], field(":path", path), field("content-type", "application/grpc")].concat()
}

/// What a word of a transcript stands for: a letter and a stream. Puts are refused, ranges are not.
fn said(word: &str) -> Vec<u8> {
    let stream = || word[1..].parse().expect("a stream");
    let put = block(0, "/etcdserverpb.KV/Put");
    match word.as_bytes()[0] {
        b'*' => [&said("a")[..], &frame(4, 0, 0, &[])].concat(),
        b'a' => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        // A small table for our answers.
        b'z' => frame(4, 0, 0, &[0, 1, 0, 0, 0, 0]),
        b'g' => frame(PING, 0, 0, &[7; 8]),
        b'p' => frame(1, END_HEADERS, stream(), &put),
        b'e' => frame(1, END_HEADERS | END, stream(), &put),
        b'f' => {
            let fancy = [&[2, 0, 0, 0, 0, 9], &put[..], &[0, 0]].concat();
            frame(1, END_HEADERS | PADDED | WITH_PRIORITY, stream(), &fancy)
        }
        b'r' => frame(1, END_HEADERS, stream(), &block(0, "/etcdserverpb.KV/Range")),
        b'm' => frame(1, END_HEADERS, stream(), &block(0x40, "/etcdserverpb.KV/Put")),
        b'n' => frame(1, END_HEADERS, stream(), &[0x83, 0xbf, 0xbe]),
        b't' => frame(1, END_HEADERS | END, stream(), &[0, 1, b'a', 1, b'b']),
        b'u' => frame(1, END_HEADERS | END, stream(), &[0x40, 1, b'a', 1, b'b']),
        b'h' => frame(1, 0, stream(), &block(0x40, "/etcdserverpb.KV/Put")[..9]),
        b'c' => frame(9, END_HEADERS, stream(), &block(0x40, "/etcdserverpb.KV/Put")[9..]),
        b'x' => frame(1, END_HEADERS, stream(), &[0x80]),
        b'd' => frame(0, 0, stream(), &[1; 100]),
        b'D' => frame(0, END, stream(), &[1; 100]),
        b'R' => frame(3, 0, stream(), &[0; 4]),
        b'W' => frame(8, 0, stream(), &[0, 0, 0, 9]),
        b'P' => frame(2, 0, stream(), &[0, 0, 0, 0, 9]),
        _ => panic!("{word} means nothing"),
    }
}

fn all_said(words: &str) -> Vec<u8> {
    words.split_whitespace().flat_map(said).collect()
}

/// Looks at the pieces; puts are refused, ranges are not.
fn look<'a>(pieces: impl Iterator<Item = &'a [u8]>, room: usize) -> Outcome {
    pieces::look(pieces, room, |method| method == Method::Put)
}

/// What is said, what the library sees, who is refused, and how many bytes are given back.
const TRANSCRIPTS: &[(&str, &str, &[u32], usize)] = &[
    ("* g p1 D1 g", "* g g", &[1], 100),
    ("* r1 D1", "* r1 D1", &[], 0),
    ("* p1 r3 D1 D3", "* r3 D3", &[1], 100),
    ("* p1 d1 r3 d3 D1 d3 D3", "* r3 d3 d3 D3", &[1], 200),
    ("* f1 D1 e3 e5 r7", "* r7", &[1, 3, 5], 100),
    // What comes late for a refused stream is kept from a library that does not know it yet.
    ("* p1 R1 W1 P1 d1", "*", &[1], 100),
    ("* p1 r3 R1 W1", "* r3 W1", &[1], 0),
    ("* r1 p3 D3 W3 R3 R1 W5", "* r1 R1 W5", &[3], 100),
    // Trailers.
    ("* p1 d1 t1 r3", "* r3", &[1], 100),
    ("* p1 u1 n3", "* u1 n3", &[1], 0),
    ("* r1 t1 p1", "* r1 t1 p1", &[], 0),
    // What is remembered must be seen; what is known by it need not.
    ("* m1 D1 n3 D3 m5 n7", "* m1 D1 m5", &[3, 7], 100),
    ("* h1 c1 D1 n3 D3", "* h1 c1 D1", &[3], 100),
    // Before the settings nobody is refused, and after a loss of track neither.
    ("a p1 D1 g", "a p1 D1 g", &[], 0),
    ("* p1 z p3 D1", "* z p3", &[1], 100),
    ("* p1 x3 p5 D1", "* x3 p5", &[1], 100),
    ("* p1 h3 g c3 p5 D1", "* h3 g c3 p5", &[1], 100),
    ("* p1 c3 p5 D1", "* c3 p5", &[1], 100),
    // Streams that are no client's, or not new.
    ("* p2 r9 p5", "* p2 r9 p5", &[], 0),
];

#[test]
fn refused_calls_are_taken_out() {
    for (words, passed, refused, window_bytes) in TRANSCRIPTS {
        let bytes = all_said(words);
        let whole = look(std::iter::once(&bytes[..]), LIMIT);
        let seen = Outcome {
            passed: all_said(passed),
            unjudged: 0,
            refused: refused.to_vec(),
            window_bytes: *window_bytes,
        };
        assert_eq!(whole, seen, "{words}");
    }
}

#[test]
fn it_does_not_matter_how_bytes_come() {
    for (words, ..) in TRANSCRIPTS {
        let bytes = all_said(words);
        let whole = look(std::iter::once(&bytes[..]), LIMIT);
        for at in 0..bytes.len() {
            let (one, other) = bytes.split_at(at);
            assert_eq!(look([one, other].into_iter(), LIMIT), whole, "{words}, cut at {at}");
        }
        for size in [1, 2, 7, 30] {
            assert_eq!(look(bytes.chunks(size), LIMIT), whole, "{words}, by {size}");
        }
    }
}

#[test]
fn without_room_for_answers_calls_pass() {
    let bytes = all_said("* p1 D1 p3 D3");
    for (room, refused) in [(0, &[][..]), (200, &[1][..]), (LIMIT, &[1, 3][..])] {
        assert_eq!(look(std::iter::once(&bytes[..]), room).refused, refused);
    }
}

#[test]
fn messages_that_never_come_are_bounded() {
    let most = crate::limits::CONNECTION_REFUSED_UNFINISHED as u32;
    let puts = |from: u32, count: u32| -> Vec<u8> {
        (from..from + count).flat_map(|number| said(&format!("p{}", number * 2 + 1))).collect()
    };
    // The two above the bound pass; one that is over at once has no bound.
    let bytes =
        [all_said("*"), puts(0, most + 2), said("e9001"), said("D1"), said("p9003")].concat();
    let outcome = look(bytes.chunks(1000), LIMIT);
    assert_eq!(outcome.refused.len(), most as usize + 2);
    assert_eq!(outcome.passed, [all_said("*"), puts(most, 2)].concat());
}

/// A frame that no client may send; the library ends the connection.
#[test]
fn what_is_too_large_passes() {
    let bytes =
        [all_said("*"), frame(1, END_HEADERS, 1, &vec![0x82; PAYLOAD_BYTES_MAX + 1])].concat();
    assert_eq!(look(bytes.chunks(5000), LIMIT).passed, bytes);
}

#[test]
fn replies_are_frames() {
    assert_eq!(window_update(258).to_vec(), frame(8, 0, 0, &[0, 0, 1, 2]));
    let answer = |table_bytes| {
        let mut replies = Replies::default();
        replies.begin(LIMIT);
        replies.refuse(7, table_bytes);
        replies.frames
    };
    let block = |prefix: &[u8]| {
        let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        let fields = ["content-type", "application/grpc", "grpc-status", "2", "grpc-message"];
        let fields = fields.iter().chain([&"etcdserver: too many requests"]);
        let texts: Vec<_> = fields.map(|field| text(field)).collect();
        let fields = texts.chunks(2).flat_map(|field| [&[0], &field.concat()[..]].concat());
        [prefix, &[0x88]].concat().into_iter().chain(fields).collect::<Vec<u8>>()
    };
    let prefixes: &[(u32, &[u8])] = &[
        (TABLE_BYTES, &[]),
        (0, &[0x20]),
        (30, &[0x3e]),
        (31, &[0x3f, 0]),
        (4095, &[0x3f, 0xe0, 0x1f]),
    ];
    for (table_bytes, prefix) in prefixes {
        assert_eq!(answer(*table_bytes), frame(1, END | END_HEADERS, 7, &block(prefix)));
    }
}
