//! What the calls say: keys and values from a seed, messages encoded outside the server's time.

use ketch_proto::etcdserverpb::{PutRequest, RangeRequest};
use prost::Message;

use crate::frames;

/// A stream of requests for one method.
pub(crate) struct Workload {
    block: Vec<u8>,
    kind: Kind,
    random: u64,
    made: u64,
}

#[derive(Clone, Debug)]
enum Kind {
    Put { value_bytes: usize, unique: bool, keys: u64 },
    Range { serializable: bool, keys: u64 },
    Fixed(Vec<u8>),
}

impl Workload {
    /// Puts of 16-byte keys: new ones, numbered from `first`, or drawn from `keys`.
    pub(crate) fn puts(seed: u64, value_bytes: usize, unique: bool, keys: u64, first: u64) -> Self {
        let kind = Kind::Put { value_bytes, unique, keys };
        Self { made: first, ..Self::new("/etcdserverpb.KV/Put", kind, seed) }
    }

    /// Reads of single keys out of those numbered below `keys`.
    pub(crate) fn ranges(seed: u64, serializable: bool, keys: u64) -> Self {
        Self::new("/etcdserverpb.KV/Range", Kind::Range { serializable, keys }, seed)
    }

    /// Every key at once, by `Range` or `RangeStream`.
    pub(crate) fn list(method: &str) -> Self {
        let all =
            RangeRequest { key: vec![0].into(), range_end: vec![0].into(), ..Default::default() };
        Self::fixed(&format!("/etcdserverpb.KV/{method}"), all.encode_to_vec())
    }

    /// The same message each time, to any method.
    pub(crate) fn fixed(path: &str, message: Vec<u8>) -> Self {
        Self::new(path, Kind::Fixed(message), 1)
    }

    fn new(path: &str, kind: Kind, seed: u64) -> Self {
        Self { block: frames::header_block(path), kind, random: seed | 1, made: 0 }
    }

    /// The encoded header block of every call.
    pub(crate) fn block(&self) -> &[u8] {
        &self.block
    }

    /// Calls made so far, counted from the first number.
    pub(crate) fn made(&self) -> u64 {
        self.made
    }

    /// The next request, encoded.
    pub(crate) fn next_message(&mut self) -> Vec<u8> {
        let number = self.made;
        self.made += 1;
        match self.kind.clone() {
            Kind::Put { value_bytes, unique, keys } => {
                let number = if unique { number } else { self.draw() % keys };
                let filler = self.draw();
                let mut value = vec![0; value_bytes];
                for (at, byte) in value.iter_mut().enumerate() {
                    *byte = b'a' + ((filler >> (at % 56)) % 26) as u8;
                }
                let request = PutRequest {
                    key: key(number).into(),
                    value: value.into(),
                    ..Default::default()
                };
                request.encode_to_vec()
            }
            Kind::Range { serializable, keys } => {
                let key = key(self.draw() % keys).into();
                RangeRequest { key, serializable, ..Default::default() }.encode_to_vec()
            }
            Kind::Fixed(message) => message,
        }
    }

    /// xorshift64: the seed decides everything.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// Key number `number`: 16 bytes, scattered over the key space, the same in every run.
pub(crate) fn key(number: u64) -> Vec<u8> {
    format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes()
}
