//! The bbolt reader on damaged files: an error or rows, within bounded time and memory.
//!
//! Meta pages carry a checksum that chance does not find, so most inputs damage a good file:
//! the first byte chooses between patching it, replacing its pages, and the bare input.

#![no_main]

use std::convert::Infallible;
use std::path::Path;
use std::sync::OnceLock;

use bytes::Bytes;
use ketch_snapshot::{BoxError, Export, Row, Source, bolt, read_out};
use libfuzzer_sys::fuzz_target;

/// Bytes of the meta pages.
const META_BYTES: usize = 2 * 4096;

struct Sample;

impl Source for Sample {
    fn buckets(&self) -> Result<Vec<Bytes>, BoxError> {
        Ok(vec![Bytes::from_static(b"key"), Bytes::from_static(b"meta")])
    }
    fn rows(&self, bucket: &[u8]) -> Box<dyn Iterator<Item = Result<Row, BoxError>> + Send> {
        let rows: u32 = if bucket == b"key" { 600 } else { 3 };
        Box::new((0..rows).map(|i| {
            let value = vec![b'v'; i as usize % 40 + usize::from(i == 17) * 5_000];
            Ok((Bytes::copy_from_slice(&i.to_be_bytes()), value.into()))
        }))
    }
}

fn good() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let mut export = Export::plan(Sample).expect("the sample is sorted");
        let mut file = Vec::new();
        while let Some(chunk) = export.next_chunk().expect("the sample stays the same") {
            file.extend_from_slice(&chunk);
        }
        file
    })
}

/// Each four bytes of input change one byte: three for the place, one for the value.
fn patched(input: &[u8]) -> Vec<u8> {
    let mut file = good().to_vec();
    for patch in input.chunks_exact(4) {
        let at = u32::from_le_bytes([patch[0], patch[1], patch[2], 0]) as usize % file.len();
        file[at] = patch[3];
    }
    file
}

fn replaced(input: &[u8]) -> Vec<u8> {
    let mut file = good().to_vec();
    for (to, from) in file[META_BYTES..].iter_mut().rev().zip(input.iter().rev()) {
        *to = *from;
    }
    file
}

fuzz_target!(|input: &[u8]| {
    let Some((mode, input)) = input.split_first() else { return };
    let bytes = match mode % 3 {
        0 => patched(input),
        1 => replaced(input),
        _ => input.to_vec(),
    };
    let Ok(file) = bolt::File::open(ketch_fuzz::file(bytes), Path::new("fuzz.db")) else { return };
    let _ = file.check();
    let _ = read_out(&file, |_, _, _| Ok::<(), Infallible>(()));
});
