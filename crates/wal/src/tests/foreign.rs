//! A log written by etcd 3.7.1: five requests on a member of its own, room behind it cut off.

use bytes::Bytes;

use crate::Item;
use crate::encode::Encoder;

const ETCD: &[u8] = include_bytes!("etcd-3.7.1.wal");

#[test]
fn it_is_read_whole() {
    let (items, damage) = crate::decode(Bytes::from_static(ETCD));
    assert_eq!(damage, None);
    let mut next = 1;
    let mut commit = 0;
    for item in &items {
        match item {
            Item::Entry(entry) => {
                assert_eq!(entry.index(), next);
                next += 1;
            }
            Item::HardState(state) => commit = state.commit(),
            Item::Metadata(metadata) => assert_eq!(metadata.cluster.0, 12_115_662_114_801_031_445),
            Item::Snapshot(snapshot) => assert_eq!(snapshot.index(), 0),
        }
    }
    assert_eq!((next, commit), (10, 9));
}

#[test]
fn writing_the_same_items_gives_the_same_bytes() {
    let (items, _) = crate::decode(Bytes::from_static(ETCD));
    let mut encoder = Encoder::default();
    let mut out = Vec::new();
    encoder.crc(&mut out);
    for item in &items {
        match item {
            Item::Metadata(metadata) => encoder.metadata(&mut out, *metadata),
            Item::Entry(entry) => encoder.entry(&mut out, entry),
            Item::HardState(state) => encoder.state(&mut out, state),
            Item::Snapshot(snapshot) => encoder.snapshot(&mut out, snapshot),
        }
    }
    assert!(
        out == ETCD,
        "first difference at {:?}",
        out.iter().zip(ETCD).position(|(a, b)| a != b)
    );
}
