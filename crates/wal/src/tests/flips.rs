//! One changed bit anywhere in what was synced is refused, with segment and offset; it is never
//! taken for a torn tail, whatever the data looks like.

use ketch_env::sim::SimDisk;

use super::*;
use crate::Damage;

/// Values of zeroes make every record look torn to a rule that only asks for a zero sector.
fn log(disk: &SimDisk) -> u64 {
    let mut writer = create(disk).expect("new");
    for index in 1..=4 {
        let value = if index % 2 == 0 { vec![0; 1300] } else { vec![0xa5; 600] };
        writer.save([&entry(index, value)], Some(&state(index - 1))).expect("sim");
        writer.sync().expect("sim");
    }
    // The last save may be dropped if it looks torn: it could be. So make it one without zeroes.
    writer.save([&entry(5, vec![0x5a; 40])], Some(&state(4))).expect("sim");
    writer.sync().expect("sim");
    writer.stats().record_bytes
}

const FILE: &str = "0000000000000000-0000000000000000.wal";

#[test]
fn every_flipped_bit_is_refused_with_its_place() {
    let probe = SimDisk::new(0);
    log(&probe);
    let bytes = probe.read(&dir().join(FILE)).expect("sim");
    let (whole, _) = crate::decode(bytes.clone().into());
    let data_bytes = bytes.iter().rposition(|byte| *byte != 0).expect("data") + 1;
    for offset in 0..data_bytes {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[offset] ^= 1 << bit;
            let (items, damage) = crate::decode(changed.into());
            match damage {
                Some(Damage::Corrupt { offset: at, .. }) => {
                    assert!(at.abs_diff(offset as u64) < 1400, "{at} for {offset}");
                }
                // The bits of a 32-bit varint above its 32 mean nothing to anyone.
                None if items == whole => {}
                other => {
                    panic!("bit {bit} of byte {offset}: {other:?} after {} items", items.len())
                }
            }
        }
    }
}

#[test]
fn the_message_names_segment_offset_and_both_checksums() {
    let disk = SimDisk::new(0);
    log(&disk);
    disk.flip(&dir().join(FILE), 300, 0x10).expect("sim");
    let message = recover(&disk, 0).map(|_| ()).expect_err("corrupt").to_string();
    let start = format!("{DIR}/{FILE}: log is corrupt at byte 64: expected crc ");
    assert!(message.starts_with(&start) && message.contains(", found "), "{message}");
}

#[test]
fn damage_in_a_segment_before_the_last_is_never_torn() {
    let disk = SimDisk::new(0);
    let mut writer = create(&disk).expect("new");
    for index in 1..=3 {
        writer.save([&entry(index, vec![0; 9000])], None).expect("sim");
        writer.sync().expect("sim");
    }
    drop(writer);
    disk.flip(&dir().join(FILE), 9200, 0xff).expect("sim");
    assert!(matches!(recover(&disk, 0), Err(Error::Damage(Damage::Corrupt { .. }))));
}

#[test]
fn another_members_segment_is_refused() {
    let disk = SimDisk::new(0);
    let mut writer = create(&disk).expect("new");
    writer.save([&entry(1, vec![1; 17_000])], None).expect("sim");
    drop(writer);
    let second = "0000000000000001-0000000000000002.wal";
    let other = SimDisk::new(0);
    other.create_dir_all(Path::new("/member")).expect("sim");
    let metadata = Metadata { member: MemberId(8), ..METADATA };
    let mut writer = Writer::create(shared(&other), dir(), metadata, SMALL).expect("new");
    writer.save([&entry(1, vec![1; 17_000])], None).expect("sim");
    drop(writer);
    let foreign = other.read(&dir().join(second)).expect("sim");
    let file = disk.open(&dir().join(second), ketch_env::Open::Existing).expect("sim");
    file.write_at(&foreign, 0).expect("sim");
    drop(file);
    let error = recover(&disk, 0).map(|_| ()).expect_err("foreign");
    assert!(matches!(error, Error::Damage(Damage::Corrupt { .. })), "{error}");
}
