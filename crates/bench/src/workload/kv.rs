//! Puts and single-key reads.

use std::time::Instant;

use ketch_proto::etcdserverpb::RangeRequest;
use prost::Message;

use super::{Random, Request, Work, block, fill, key, ordered_key, stamp};
use crate::connection::Answer;

/// Which keys are put.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keys {
    /// Each one once, scattered, numbered from here.
    New(u64),
    /// Each one once, in order, numbered from here.
    Ordered(u64),
    /// Drawn from so many.
    Among(u64),
}

/// Puts.
pub(crate) struct Puts {
    block: Vec<u8>,
    keys: Keys,
    /// Values are cut from this.
    letters: Vec<u8>,
    value_bytes: usize,
    random: Random,
    made: u64,
    /// Values begin with the time since then.
    epoch: Option<Instant>,
}

impl Puts {
    pub(crate) fn new(seed: u64, value_bytes: usize, keys: Keys) -> Self {
        let mut random = Random::new(seed);
        let mut letters = vec![0; value_bytes + 4096];
        letters.chunks_mut(56).for_each(|part| fill(part, random.draw()));
        let block = block("KV/Put", None);
        Self { block, keys, letters, value_bytes, random, made: 0, epoch: None }
    }

    /// As somebody who logged in.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.block = block("KV/Put", Some(token));
        self
    }

    /// Values begin with the time since `epoch`.
    pub(crate) fn stamped(mut self, epoch: Instant) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Calls made so far.
    pub(crate) fn made(&self) -> u64 {
        self.made
    }
}

impl Work for Puts {
    fn blocks(&self) -> &[Vec<u8>] {
        std::slice::from_ref(&self.block)
    }

    fn next(&mut self, request: &mut Request) {
        let key = match self.keys {
            Keys::New(first) => key(first + self.made),
            Keys::Ordered(first) => ordered_key(first + self.made),
            Keys::Among(count) => key(self.random.below(count)),
        };
        self.made += 1;
        let from = self.random.below(4096) as usize;
        let value = &self.letters[from..from + self.value_bytes];
        request.message.clear();
        put_message(&mut request.message, &key, value);
        if let Some(epoch) = self.epoch {
            let at = request.message.len() - self.value_bytes;
            stamp(&mut request.message[at..], epoch.elapsed().as_micros() as u64);
        }
    }

    fn check(&mut self, answer: &Answer<'_>) -> bool {
        // Field 1, the header, and nothing else: no previous value was asked for.
        answer.message.first() == Some(&0x0a)
            && answer
                .message
                .get(1)
                .is_some_and(|size| usize::from(*size) + 2 == answer.message.len())
    }
}

/// Appends key and value of a PutRequest.
fn put_message(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    for (tag, bytes) in [(0x0a, key), (0x12, value)] {
        out.push(tag);
        prost::encode_length_delimiter(bytes.len(), out).unwrap_or_default();
        out.extend_from_slice(bytes);
    }
}

/// Reads of single keys.
pub(crate) struct Ranges {
    block: Vec<u8>,
    keys: u64,
    value_bytes: u64,
    random: Random,
    template: RangeRequest,
    absent: bool,
}

impl Ranges {
    /// Out of the new keys below `keys`, which all have values of this size.
    pub(crate) fn new(seed: u64, serializable: bool, keys: u64, value_bytes: usize) -> Self {
        let template = RangeRequest { serializable, ..Default::default() };
        let random = Random::new(seed);
        Self {
            block: block("KV/Range", None),
            keys,
            value_bytes: value_bytes as u64,
            random,
            template,
            absent: false,
        }
    }

    /// An answer without the row is right, too.
    pub(crate) fn maybe_absent(mut self) -> Self {
        self.absent = true;
        self
    }
}

impl Work for Ranges {
    fn blocks(&self) -> &[Vec<u8>] {
        std::slice::from_ref(&self.block)
    }

    fn next(&mut self, request: &mut Request) {
        request.message.clear();
        request.tag = self.random.below(self.keys);
        request.message.extend_from_slice(&[0x0a, 16]);
        request.message.extend_from_slice(&key(request.tag));
        // A Vec grows.
        let _ = self.template.encode(&mut request.message);
    }

    fn check(&mut self, answer: &Answer<'_>) -> bool {
        let wanted = key(answer.tag);
        // The key stands right behind the header: 32 bytes or so.
        let beginning = &answer.message[..answer.message.len().min(64)];
        self.absent
            || answer.bytes > self.value_bytes && beginning.windows(16).any(|part| part == wanted)
    }
}
