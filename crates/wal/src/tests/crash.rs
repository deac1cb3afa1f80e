//! Whatever is lost in a crash was not synced; whatever is left is a prefix of what was written.

use ketch_env::Rng;
use ketch_env::sim::{Fault, SimDisk, SimRng};

use super::*;

/// What a test knows of the log: all it wrote, and how much of it was synced.
#[derive(Default)]
struct Known {
    entries: Vec<Entry>,
    synced: usize,
}

/// Entries of all shapes: empty, sparse (whole sectors of zeroes), dense, larger than a segment.
fn data(rng: &mut SimRng, index: u64) -> Vec<u8> {
    let length = match rng.below(8) {
        0 => 0,
        1 => rng.below(20_000),
        2 => rng.below(3_000),
        _ => rng.below(300),
    };
    let dense = rng.once_in(2);
    let byte = |place: u64| if dense || place.is_multiple_of(1_700) { index as u8 | 1 } else { 0 };
    (0..length).map(byte).collect()
}

/// Writes until told to stop or until the disk fails.
fn write_some(writer: &mut Writer, rng: &mut SimRng, known: &mut Known) -> Result<(), Error> {
    for _ in 0..rng.below(12) {
        let next = known.entries.len() as u64 + 1;
        let batch: Vec<Entry> =
            (next..next + rng.below(5)).map(|index| entry(index, data(rng, index))).collect();
        known.entries.extend(batch.iter().cloned());
        let hard_state = state(known.synced as u64);
        writer.save(&batch, (!rng.once_in(3)).then_some(&hard_state))?;
        if !rng.once_in(4) {
            writer.sync()?;
            known.synced = known.entries.len();
        }
        if rng.once_in(4) {
            writer.preparer().prepare()?;
        }
    }
    Ok(())
}

fn round(disk: &SimDisk, writer: Writer, rng: &mut SimRng, known: &mut Known) -> (Writer, bool) {
    let mut writer = writer;
    match rng.below(4) {
        0 => disk.fail_write_after(rng.below(10), Fault::NoSpace),
        1 => disk.fail_sync_after(rng.below(10), Fault::Io),
        _ => {}
    }
    let _ = write_some(&mut writer, rng, known);
    drop(writer);
    if rng.once_in(5) {
        disk.kill();
    } else {
        disk.crash();
    }
    let (recovered, writer) = recover(disk, 0).expect("a crash is always repaired");
    let kept = recovered.entries.len();
    assert!(
        kept >= known.synced,
        "kept {kept} of {} synced: {:?}",
        known.synced,
        recovered.repaired
    );
    assert!(recovered.entries == known.entries[..kept], "not a prefix");
    known.entries.truncate(kept);
    known.synced = kept;
    (writer, recovered.repaired.is_some())
}

#[test]
fn no_crash_loses_what_was_synced_or_invents_anything() {
    let mut repairs = 0;
    for seed in 0..300 {
        let disk = SimDisk::new(seed);
        let mut rng = SimRng::new(seed ^ 0x5eed);
        let mut known = Known::default();
        let mut writer = create(&disk).expect("new");
        for _ in 0..6 {
            let (next, repaired) = round(&disk, writer, &mut rng, &mut known);
            writer = next;
            repairs += usize::from(repaired);
        }
    }
    assert!(repairs > 50, "torn tails must be met: {repairs}");
}

#[test]
fn a_crash_while_the_log_is_made_leaves_all_or_nothing() {
    for seed in 0..100 {
        let disk = SimDisk::new(seed);
        let mut rng = SimRng::new(seed);
        disk.fail_sync_after(rng.next_u64() % 3, Fault::Io);
        let made = create(&disk).is_ok();
        disk.crash();
        if disk.exists(dir()) && !disk.list(dir()).expect("sim").is_empty() {
            recover(&disk, 0).expect("whole");
        } else {
            assert!(!made, "seed {seed}: made and lost");
            create(&disk).expect("can be made again");
        }
    }
}

#[test]
fn the_torn_segment_is_kept_aside() {
    let disk = SimDisk::new(1);
    let mut writer = create(&disk).expect("new");
    writer.save([&entry(1, "kept")], None).expect("sim");
    writer.sync().expect("sim");
    writer.save([&entry(2, vec![1; 3000])], None).expect("sim");
    drop(writer);
    let path = dir().join("0000000000000000-0000000000000000.wal");
    let before = disk.read(&path).expect("sim");
    let file = disk.open(&path, ketch_env::Open::Existing).expect("sim");
    file.write_at(&[0; 512], 1024).expect("sim");
    drop(file);
    let torn = disk.read(&path).expect("sim");
    assert_ne!(before, torn);

    let (recovered, _writer) = recover(&disk, 0).expect("repaired");
    assert_eq!(indexes(&recovered), [1]);
    let message = recovered.repaired.expect("torn").to_string();
    assert!(message.contains("0000000000000000.wal: torn write at byte 96"), "{message}");
    let broken = dir().join("0000000000000000-0000000000000000.wal.broken");
    assert_eq!(disk.read(&broken).expect("kept"), torn);
    let repaired = disk.read(&path).expect("sim");
    assert!(repaired.len() == torn.len() && repaired[512..].iter().all(|byte| *byte == 0));
}
