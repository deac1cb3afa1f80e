//! The turnstile on arbitrary bytes of a client: never a panic, the same outcome however the bytes
//! are cut, and nothing passes that was not sent.
//!
//! The first byte chooses how the rest is cut, and whether it is taken as it is or made into
//! frames: chance hardly finds the lengths of frames.

#![no_main]

use ketch_api::fuzzing::look;
use libfuzzer_sys::fuzz_target;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frames from the input: a byte for the kind and one each for flags, stream and length; then the
/// payload.
fn framed(mut input: &[u8]) -> Vec<u8> {
    let mut bytes = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    while let [kind, flags, stream, length, rest @ ..] = input {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        bytes.extend([0, 0, payload.len() as u8, kind % 11, *flags, 0, 0, 0, stream % 32]);
        bytes.extend(payload);
        input = rest;
    }
    bytes
}

fuzz_target!(|input: &[u8]| {
    let [how, input @ ..] = input else { return };
    let bytes = if how % 2 == 0 { framed(input) } else { input.to_vec() };
    let step = usize::from(how / 2).max(1);
    let whole = look(std::iter::once(&bytes[..]), usize::MAX, |_| true);
    assert!(whole.passed.len() <= bytes.len());
    assert_eq!(whole, look(bytes.chunks(step), usize::MAX, |_| true), "cut by {step}");
    let unrefused = look(bytes.chunks(step), usize::MAX, |_| false);
    assert_eq!(unrefused.passed, bytes, "who refuses nothing takes nothing out");
});
