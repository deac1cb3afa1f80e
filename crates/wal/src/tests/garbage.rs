//! No bytes make the reader panic or run away.

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::encode::Encoder;
use crate::{Damage, Item};

/// A log of a few entries as bytes, without the room behind it.
fn sample() -> Vec<u8> {
    let disk = SimDisk::new(5);
    let mut writer = create(&disk).expect("new");
    for index in 1..=6 {
        let value = vec![(index % 3) as u8; 200 * index as usize];
        writer.save([&entry(index, value)], Some(&state(index - 1))).expect("sim");
    }
    let bytes = disk.read(&dir().join("0000000000000000-0000000000000000.wal")).expect("sim");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("data");
    bytes[..end + 600].to_vec()
}

/// What is read of a changed log is always a beginning of the whole one.
fn check(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let (whole, _) = crate::decode(sample().into());
    let length = bytes.len() as u64;
    let (items, damage) = crate::decode(bytes.into());
    prop_assert!(items.len() <= whole.len());
    prop_assert_eq!(&items[..], &whole[..items.len()]);
    if let Some(Damage::TornTail { offset, .. } | Damage::Corrupt { offset, .. }) = damage {
        prop_assert!(offset <= length);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let _ = crate::decode(bytes.into());
    }

    #[test]
    fn a_log_with_bytes_changed(changes in prop::collection::vec((any::<u16>(), 1_u8..), 1..8)) {
        let mut bytes = sample();
        for (place, mask) in changes {
            let place = usize::from(place) % bytes.len();
            bytes[place] ^= mask;
        }
        check(bytes)?;
    }

    #[test]
    fn a_log_cut_anywhere(end in any::<u16>()) {
        let mut bytes = sample();
        bytes.truncate(usize::from(end) % bytes.len());
        check(bytes)?;
    }

    #[test]
    fn a_log_with_sectors_lost(sectors in any::<u16>()) {
        let mut bytes = sample();
        for (number, sector) in bytes.chunks_mut(512).enumerate() {
            if sectors >> (number % 16) & 1 == 1 {
                sector.fill(0);
            }
        }
        check(bytes)?;
    }
}

#[test]
fn lengths_of_any_size_are_bounded_by_the_file() {
    for field in [1, 8, 1 << 20, 1 << 40, (1 << 56) - 1, u64::MAX, 0x87ff_ffff_ffff_fff9, 1 << 63] {
        let mut bytes = sample();
        bytes[..8].copy_from_slice(&u64::to_le_bytes(field));
        let (items, damage) = crate::decode(bytes.into());
        assert!(items.is_empty() && damage.is_some(), "{field:x}");
    }
}

#[test]
fn a_record_that_is_whole_but_makes_no_sense_is_corrupt() {
    let check = |kind: i64, data: &[u8], expected: &str| {
        let mut encoder = Encoder::default();
        let mut bytes = Vec::new();
        encoder.crc(&mut bytes);
        encoder.metadata(&mut bytes, METADATA);
        let end = bytes.len();
        encoder.raw(&mut bytes, kind, data);
        let (items, damage) = crate::decode(bytes.into());
        assert_eq!(items, [Item::Metadata(METADATA)]);
        let message = damage.expect("refused").to_string();
        assert!(
            message.ends_with(&format!("byte {end}: record of type {kind} {expected}")),
            "{message}"
        );
    };
    check(2, b"\xff\xff\xff", "cannot be decoded");
    check(9, b"data", "has no place here");
    check(1, b"", "has no place here");
    let mut data = Vec::new();
    state(5).encode_raw(&mut data);
    check(2, &data, "cannot be decoded");
    data.clear();
    entry(5, "x").encode_raw(&mut data);
    check(3, &data, "cannot be decoded");
}
