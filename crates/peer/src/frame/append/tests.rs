//! Byte vectors of msgappv2, and a stream that is cut everywhere.

use bytes::Bytes;

use super::*;

fn entry(term: u64, index: u64, data: &'static [u8]) -> Entry {
    let data = Some(Bytes::from_static(data));
    Entry { term: Some(term), index: Some(index), data, ..Entry::default() }
}

fn append(term: u64, log_term: u64, index: u64, entries: Vec<Entry>, commit: u64) -> Message {
    Message {
        r#type: Some(MessageType::MsgApp as i32),
        to: Some(1),
        from: Some(2),
        term: Some(term),
        log_term: Some(log_term),
        index: Some(index),
        commit: Some(commit),
        entries,
        ..Message::default()
    }
}

fn story() -> Vec<Message> {
    vec![
        append(5, 4, 10, vec![entry(5, 11, b"a"), entry(5, 12, b"b")], 10),
        append(5, 5, 12, vec![entry(5, 13, b"")], 12),
        append(5, 5, 13, vec![], 13),
        append(5, 5, 10, vec![], 13),
        append(6, 5, 10, vec![], 13),
    ]
}

fn wire(messages: &[Message]) -> BytesMut {
    let (mut encoder, mut out) = (Encoder::default(), BytesMut::new());
    for message in messages {
        encoder.encode(message, &mut out);
        Encoder::encode_heartbeat(&mut out);
    }
    out
}

#[test]
fn only_what_goes_on_is_sent_as_entries() {
    let kinds: Vec<u8> = story()
        .iter()
        .scan(Encoder::default(), |encoder, message| {
            let mut out = BytesMut::new();
            encoder.encode(message, &mut out);
            Some(out[0])
        })
        .collect();
    assert_eq!(kinds, [2, 1, 1, 2, 2]);
}

#[test]
fn frames_are_etcds_bytes() {
    let out = wire(&[append(1, 1, 1, vec![], 1), append(1, 1, 1, vec![entry(1, 2, b"x")], 2)]);
    let whole = [8, 3, 16, 1, 24, 2, 32, 1, 40, 1, 48, 1, 64, 1];
    let mut expected = vec![2, 0, 0, 0, 0, 0, 0, 0, 14];
    expected.extend_from_slice(&whole);
    expected.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
    expected.extend_from_slice(&[16, 1, 24, 2, 34, 1, b'x', 0, 0, 0, 0, 0, 0, 0, 2, 0]);
    assert_eq!(&out[..], expected);
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    let out = wire(&story());
    for step in 1..out.len() {
        let mut decoder = Decoder::new(1, 2);
        let mut seen = Vec::new();
        for piece in out.chunks(step) {
            decoder.push(piece);
            while let Some(message) = decoder.next_message().expect("a good stream") {
                seen.push(message);
            }
        }
        assert_eq!(seen, story(), "in pieces of {step}");
    }
}

#[test]
fn garbage_is_refused() {
    let refused = |wire: &[u8]| {
        let mut decoder = Decoder::new(1, 2);
        decoder.push(wire);
        decoder.next_message().expect_err("garbage")
    };
    assert_eq!(refused(&[7]), FrameError::UnknownType(7));
    let entries = limits::APPEND_ENTRIES as u64 + 1;
    let mut claim = vec![1];
    claim.extend_from_slice(&entries.to_be_bytes());
    assert_eq!(refused(&claim), FrameError::TooManyEntries { entries });
    let mut sized = vec![1, 0, 0, 0, 0, 0, 0, 0, 1];
    sized.extend_from_slice(&[255; 8]);
    assert_eq!(refused(&sized), FrameError::TooLong { bytes: u64::MAX });
    let last = append(1, 1, u64::MAX, vec![], 1);
    let mut out = wire(&[last]);
    out.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 1]);
    out.extend_from_slice(&[0; 16]);
    let mut decoder = Decoder::new(1, 2);
    decoder.push(&out);
    assert!(matches!(decoder.next_message(), Ok(Some(_))));
    assert_eq!(decoder.next_message(), Err(FrameError::IndexOverflow));
}
