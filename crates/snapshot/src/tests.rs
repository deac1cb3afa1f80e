//! Goal: what is written can be read, whatever its shape, and what is damaged is refused.
//! Method: random buckets go through [`Export`] into memory and back through the reader, which
//! also checks that every page has one owner; then bytes are changed at will.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::bolt::{Error, File, PAGE_BYTES};
use crate::{BoxError, CHUNK_BYTES, Export, ExportError, Row, Source, read_out, verify};

type Buckets = BTreeMap<Bytes, BTreeMap<Bytes, Bytes>>;

struct Memory(Mutex<Vec<u8>>);

impl ketch_env::File for Memory {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.0.lock().unwrap();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn zero_to(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }
}

fn memory(bytes: Vec<u8>) -> Arc<Memory> {
    Arc::new(Memory(Mutex::new(bytes)))
}

fn open(bytes: Vec<u8>) -> Result<File, Error> {
    File::open(memory(bytes), Path::new("s.db"))
}

struct Twin(Buckets);

impl Source for Twin {
    fn buckets(&self) -> Result<Vec<Bytes>, BoxError> {
        Ok(self.0.keys().cloned().collect())
    }
    fn rows(&self, bucket: &[u8]) -> Box<dyn Iterator<Item = Result<Row, BoxError>> + Send> {
        Box::new(self.0[bucket].clone().into_iter().map(Ok))
    }
}

/// The file with its digest.
fn export(buckets: &Buckets) -> Vec<u8> {
    let mut export = Export::plan(Twin(buckets.clone())).unwrap();
    let mut file = Vec::new();
    while let Some(chunk) = export.next_chunk().unwrap() {
        file.extend_from_slice(&chunk);
        assert_eq!(export.remaining_bytes(), export.size_bytes() - file.len() as u64);
        assert!(chunk.len() == CHUNK_BYTES || export.remaining_bytes() == 0);
    }
    assert_eq!(file.len() as u64, export.size_bytes());
    assert_eq!(export.digest().unwrap()[..], Sha256::digest(&file)[..]);
    file.extend_from_slice(&export.digest().unwrap());
    file
}

fn read(file: &File) -> Result<Buckets, String> {
    let mut buckets = Buckets::new();
    for item in file.buckets() {
        buckets.insert(item.map_err(|error| error.to_string())?.0, BTreeMap::new());
    }
    read_out(file, |bucket, key, value| {
        buckets.get_mut(bucket).ok_or("unknown bucket")?.insert(key, value);
        Ok::<(), &str>(())
    })
    .map_err(|error| error.to_string())?;
    Ok(buckets)
}

fn numbered(rows: usize, value_bytes: impl Fn(usize) -> usize) -> BTreeMap<Bytes, Bytes> {
    (0..rows)
        .map(|i| {
            let value = vec![i as u8; value_bytes(i)];
            (Bytes::from(format!("key{i:08}").into_bytes()), Bytes::from(value))
        })
        .collect()
}

fn check_round_trip(name: &str, buckets: &Buckets) {
    let bytes = export(buckets);
    let file = open(bytes.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    file.check().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(read(&file).as_ref() == Ok(buckets), "{name}");
    assert_eq!(file.size_bytes() + 32, bytes.len() as u64, "{name}");
    assert!(verify(memory(bytes).as_ref(), Path::new("s.db")).unwrap().is_valid(), "{name}");
}

#[test]
fn shapes_return_as_they_went() {
    type Case = (&'static str, usize, fn(usize) -> usize);
    let cases: [Case; 8] = [
        ("empty", 0, |_| 0),
        ("one empty value", 1, |_| 0),
        ("inline at most", 20, |_| 20),
        ("one leaf", 50, |_| 20),
        ("two levels", 2_000, |_| 300),
        ("three levels", 10_000, |_| 200),
        ("half pages", 300, |_| 2_100),
        ("some big values", 40, |i| if i % 7 == 0 { 300_000 } else { i * 100 }),
    ];
    for (name, rows, value_bytes) in cases {
        let one = BTreeMap::from([(Bytes::from_static(b"key"), numbered(rows, value_bytes))]);
        check_round_trip(name, &one);
    }
    check_round_trip("no bucket at all", &Buckets::new());
    let mut many: Buckets = (0..2_000)
        .map(|i| (Bytes::from(format!("bucket{i:05}")), numbered(i % 40, |_| 10)))
        .collect();
    many.insert(Bytes::from_static(b"aaa"), numbered(5_000, |_| 64));
    check_round_trip("many buckets", &many);
    let long_keys = (0..60).map(|i| {
        let mut key = format!("{i:04}").into_bytes();
        key.resize(32_768, b'k');
        (Bytes::from(key), Bytes::new())
    });
    let long = BTreeMap::from([(Bytes::from_static(b"users"), long_keys.collect())]);
    check_round_trip("longest keys", &long);
}

#[test]
fn pages_are_nine_tenths_full() {
    for value_bytes in [0, 10, 256, 300, 700, 1_500, 2_100, 3_000] {
        // About a megabyte.
        let rows = numbered(1_000_000 / (value_bytes + 50), |_| value_bytes);
        let net: usize = rows.iter().map(|(key, value)| 16 + key.len() + value.len()).sum();
        let file = export(&BTreeMap::from([(Bytes::from_static(b"key"), rows)])).len();
        let fill_percent = net * 100 / file;
        assert!(fill_percent >= 85, "{value_bytes} byte values fill {fill_percent} %");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_buckets_return(buckets in prop::collection::btree_map(
        bytes(1..20),
        prop::collection::btree_map(bytes(1..40), values(3_000), 0..60),
        0..12,
    )) {
        check_round_trip("random", &buckets);
    }

    #[test]
    fn changed_bytes_are_refused_or_harmless(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = victim_file();
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        walk_everything(file.clone());
        file.truncate(cut.index(file.len()));
        walk_everything(file);
    }

    #[test]
    fn changed_page_headers_are_refused_or_harmless(
        page in 2usize..60, at in 0usize..80, value in any::<u8>(),
    ) {
        let mut file = victim_file();
        let at = page * PAGE_BYTES + at;
        if at < file.len() {
            file[at] = value;
        }
        walk_everything(file);
    }
}

fn bytes(length: std::ops::Range<usize>) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), length).prop_map(Bytes::from)
}

fn values(bytes_max: usize) -> impl Strategy<Value = Bytes> {
    (0..bytes_max, any::<u8>()).prop_map(|(length, byte)| Bytes::from(vec![byte; length]))
}

fn damage_victim() -> Buckets {
    BTreeMap::from([
        (Bytes::from_static(b"key"), numbered(600, |i| i)),
        (Bytes::from_static(b"meta"), numbered(3, |_| 8)),
    ])
}

fn victim_file() -> Vec<u8> {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| export(&damage_victim())).clone()
}

/// Neither a panic nor a walk without end; what comes out does not matter.
fn walk_everything(bytes: Vec<u8>) {
    if let Ok(file) = open(bytes) {
        let _ = read(&file);
        let _ = file.check();
    }
}

#[test]
fn errors_name_the_file_and_the_place() {
    let good = export(&damage_victim());
    let page = |n: usize| n * PAGE_BYTES;
    type Case = (&'static str, fn(&mut Vec<u8>), &'static str);
    let cases: [Case; 7] = [
        ("nothing", |file| file.clear(), "s.db: invalid database: no valid meta page"),
        (
            "cut",
            |file| file.truncate(20 * PAGE_BYTES),
            "s.db: database is corrupt at byte 81920: file of 81920 bytes ends before its last",
        ),
        (
            "page id",
            |file| file[3 * PAGE_BYTES] = 9,
            "s.db: database is corrupt at byte 12288: page 3 says it is 9",
        ),
        (
            "flags",
            |file| file[3 * PAGE_BYTES + 8] = 0x80,
            "s.db: database is corrupt at byte 12288: page flags 0x80 are neither branch nor leaf",
        ),
        (
            "count",
            |file| file[3 * PAGE_BYTES + 11] = 0x80,
            "s.db: database is corrupt at byte 12288: 32835 elements do not fit in 4096 bytes",
        ),
        (
            "overflow",
            |file| file[3 * PAGE_BYTES + 15] = 1,
            "s.db: database is corrupt at byte 12288: 16777216 overflow pages pass the end",
        ),
        (
            "position",
            |file| file[3 * PAGE_BYTES + 16 + 7] = 0x7f,
            "s.db: database is corrupt at byte 12288: element 0 points outside of its page",
        ),
    ];
    assert!(good.len() > page(20));
    for (name, damage, expected) in cases {
        let mut bytes = good.clone();
        damage(&mut bytes);
        let found = match open(bytes) {
            Err(error) => error.to_string(),
            Ok(file) => read(&file).expect_err(name),
        };
        assert!(found.starts_with(expected), "{name}: {found}");
    }
}

#[test]
fn one_meta_page_is_enough() {
    for page in [0, 1] {
        let mut bytes = export(&damage_victim());
        bytes[page * PAGE_BYTES + 20] ^= 1;
        let file = open(bytes).unwrap();
        assert!(read(&file) == Ok(damage_victim()));
    }
}

#[test]
fn a_wrong_digest_and_a_missing_one_are_told_apart() {
    let good = export(&damage_victim());
    let seal = |bytes: Vec<u8>| verify(memory(bytes).as_ref(), Path::new("s.db")).unwrap();
    let mut flipped = good.clone();
    flipped[5_000] ^= 1;
    assert!(seal(good.clone()).is_valid());
    assert!(seal(flipped.clone()).stored.is_some() && !seal(flipped).is_valid());
    let without = good[..good.len() - 32].to_vec();
    assert_eq!(seal(without).stored, None);
}

/// Gives other rows on every reading.
struct Moving(Mutex<usize>);

impl Source for Moving {
    fn buckets(&self) -> Result<Vec<Bytes>, BoxError> {
        Ok(vec![Bytes::from_static(b"key")])
    }
    fn rows(&self, _: &[u8]) -> Box<dyn Iterator<Item = Result<Row, BoxError>> + Send> {
        let mut rows = self.0.lock().unwrap();
        *rows *= 2;
        Box::new(numbered(*rows, |_| 500).into_iter().map(Ok))
    }
}

#[test]
fn a_source_that_moves_or_is_unsorted_is_noticed() {
    let mut moving = Export::plan(Moving(Mutex::new(100))).unwrap();
    let failed = loop {
        match moving.next_chunk() {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(failed, Err(ExportError::Moved)), "{failed:?}");

    struct Backwards;
    impl Source for Backwards {
        fn buckets(&self) -> Result<Vec<Bytes>, BoxError> {
            Ok(vec![Bytes::from_static(b"key")])
        }
        fn rows(&self, _: &[u8]) -> Box<dyn Iterator<Item = Result<Row, BoxError>> + Send> {
            Box::new(numbered(3, |_| 1).into_iter().rev().map(Ok))
        }
    }
    let refused = Export::plan(Backwards).unwrap().next_chunk();
    assert!(matches!(refused, Err(ExportError::Unsorted { .. })), "{refused:?}");
}
