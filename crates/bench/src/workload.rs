//! What the calls say: keys and values from a seed, messages encoded outside the server's time.

mod kv;
mod mixed;
mod txn;

use std::time::Instant;

use crate::connection::Answer;
use crate::frames;

pub(crate) use kv::{Keys, Puts, Ranges};
pub(crate) use mixed::Mixed;
pub(crate) use txn::{Big, Creates, Updates};

/// The next call.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// Which of [`Work::blocks`] heads it.
    pub(crate) block: usize,
    /// The encoded message; the buffer is used again.
    pub(crate) message: Vec<u8>,
    /// Comes back with the answer.
    pub(crate) tag: u64,
}

/// A stream of calls, and a judge of their answers.
pub(crate) trait Work: Send {
    /// The encoded headers of the methods it calls.
    fn blocks(&self) -> &[Vec<u8>];
    /// Makes the next call.
    fn next(&mut self, request: &mut Request);
    /// Whether a message that came is what was asked for.
    fn check(&mut self, answer: &Answer<'_>) -> bool;
}

/// The same message each time, to one method; any answer of some size is right.
pub(crate) struct Fixed {
    block: Vec<u8>,
    message: Vec<u8>,
    bytes_min: u64,
}

impl Fixed {
    /// `method` is as in `KV/Range`.
    pub(crate) fn new(method: &str, message: &impl prost::Message) -> Self {
        Self::with_token(method, message, None)
    }

    /// As somebody who logged in.
    pub(crate) fn with_token(
        method: &str,
        message: &impl prost::Message,
        token: Option<&str>,
    ) -> Self {
        let message = message.encode_to_vec();
        Self { block: block(method, token), message, bytes_min: 0 }
    }

    /// Answers with fewer bytes are wrong.
    pub(crate) fn at_least(mut self, bytes: u64) -> Self {
        self.bytes_min = bytes;
        self
    }
}

impl Work for Fixed {
    fn blocks(&self) -> &[Vec<u8>] {
        std::slice::from_ref(&self.block)
    }

    fn next(&mut self, request: &mut Request) {
        request.message.clone_from(&self.message);
    }

    fn check(&mut self, answer: &Answer<'_>) -> bool {
        answer.bytes >= self.bytes_min
    }
}

/// The headers of a call; `method` is as in `KV/Range`.
pub(crate) fn block(method: &str, token: Option<&str>) -> Vec<u8> {
    frames::header_block(&format!("/etcdserverpb.{method}"), token)
}

/// xorshift64: the seed decides everything.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }
}

/// Key number `number`: 16 bytes, scattered over the key space, the same in every run.
pub(crate) fn key(number: u64) -> [u8; 16] {
    hexadecimal(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Key number `number`: 16 bytes, in order.
pub(crate) fn ordered_key(number: u64) -> [u8; 16] {
    hexadecimal(number)
}

fn hexadecimal(number: u64) -> [u8; 16] {
    std::array::from_fn(|at| b"0123456789abcdef"[(number >> (60 - 4 * at)) as usize & 15])
}

/// Values of one size, with the time at their front if somebody wants to know it.
pub(crate) struct Values {
    bytes: usize,
    random: Random,
    epoch: Option<Instant>,
}

impl Values {
    fn new(bytes: usize, seed: u64) -> Self {
        Self { bytes, random: Random::new(seed), epoch: None }
    }

    fn next(&mut self) -> Vec<u8> {
        let mut value = vec![0; self.bytes];
        fill(&mut value, self.random.draw());
        if let Some(epoch) = self.epoch {
            stamp(&mut value, epoch.elapsed().as_micros() as u64);
        }
        value
    }
}

/// Fills a value with letters that do not repeat much.
pub(crate) fn fill(value: &mut [u8], filler: u64) {
    for (at, byte) in value.iter_mut().enumerate() {
        *byte = b'a' + ((filler >> (at % 56)) % 26) as u8;
    }
}

/// Writes a time, in microseconds, to the front of a value.
pub(crate) fn stamp(value: &mut [u8], us: u64) {
    if let Some(front) = value.get_mut(..16) {
        front.copy_from_slice(&hexadecimal(us));
    }
}

/// The time at the front of a value.
pub(crate) fn stamp_of(value: &[u8]) -> Option<u64> {
    let front = std::str::from_utf8(value.get(..16)?).ok()?;
    u64::from_str_radix(front, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        assert_eq!(&ordered_key(0xab), b"00000000000000ab");
        assert_eq!(&key(1), b"9e3779b97f4a7c15");
        let mut value = [b'z'; 20];
        assert_eq!(stamp_of(&value), None);
        stamp(&mut value, 77);
        assert_eq!(stamp_of(&value), Some(77));
    }
}
