//! The stream decoders on arbitrary bytes: messages, then at most one error, never a panic; the
//! same story however the bytes are cut; and what was decoded survives being sent on.
//!
//! The first byte chooses the stream, the second how the rest is cut.

#![no_main]

use bytes::BytesMut;
use ketch_peer::frame::{append, message};
use ketch_raft_proto::raftpb::{Message, MessageType};
use libfuzzer_sys::fuzz_target;

/// What a reader makes of `pieces`, and whether it gave up.
fn read<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    mut decode: impl FnMut(&[u8], &mut Vec<Message>) -> bool,
) -> (Vec<Message>, bool) {
    let mut seen = Vec::new();
    for piece in pieces {
        if !decode(piece, &mut seen) {
            return (seen, false);
        }
    }
    (seen, true)
}

fn messages<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Message>, bool) {
    let mut decoder = message::Decoder::default();
    read(pieces, |piece, seen| {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => seen.push(message),
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    })
}

fn appends<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Message>, bool) {
    let mut decoder = append::Decoder::new(1, 2);
    read(pieces, |piece, seen| {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => seen.push(message),
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    })
}

/// An append as this member would write it: from 2 to 1, in the order a log has.
fn as_sent(mut message: Message) -> Message {
    let (term, index) = (message.term(), message.index() >> 8);
    message.r#type = Some(MessageType::MsgApp as i32);
    (message.from, message.to) = (Some(2), Some(1));
    (message.term, message.log_term) = (Some(term), Some(message.log_term()));
    (message.index, message.commit) = (Some(index), Some(message.commit()));
    for (entry, at) in message.entries.iter_mut().zip(index + 1..) {
        entry.index = Some(at);
    }
    let entries = message.entries;
    let (term, log_term, commit) = (message.term, message.log_term, message.commit);
    Message {
        r#type: message.r#type,
        to: message.to,
        from: message.from,
        term,
        log_term,
        index: message.index,
        entries,
        commit,
        ..Message::default()
    }
}

fuzz_target!(|input: &[u8]| {
    let [stream, step, wire @ ..] = input else { return };
    let step = usize::from(*step).max(1);
    if stream % 2 == 0 {
        let whole = messages(std::iter::once(wire));
        assert_eq!(whole, messages(wire.chunks(step)), "cut by {step}");
        let mut again = BytesMut::new();
        whole.0.iter().for_each(|m| message::encode(m, &mut again));
        assert_eq!((whole.0, true), messages(again.chunks(step)));
    } else {
        let whole = appends(std::iter::once(wire));
        assert_eq!(whole, appends(wire.chunks(step)), "cut by {step}");
        let sent: Vec<Message> = whole.0.into_iter().map(as_sent).collect();
        let (mut encoder, mut again) = (append::Encoder::default(), BytesMut::new());
        sent.iter().for_each(|m| encoder.encode(m, &mut again));
        assert_eq!((sent, true), appends(again.chunks(step)));
    }
});
