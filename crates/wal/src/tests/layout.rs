//! Segments, their names, their order, their release, their repair.

use ketch_env::sim::{Fault, SimDisk};
use ketch_raft_proto::walpb::Snapshot;

use super::*;

fn wal_files(disk: &SimDisk) -> Vec<String> {
    disk.list(dir()).expect("sim").into_iter().filter(|name| name.ends_with(".wal")).collect()
}

/// Ten entries of 4 KB fill three segments of 16 KB.
fn ten_entries(disk: &SimDisk) -> Writer {
    let mut writer = create(disk).expect("new");
    for index in 1..=10 {
        writer
            .save([&entry(index, vec![index as u8; 4000])], Some(&state(index - 1)))
            .expect("sim");
        writer.sync().expect("sim");
    }
    writer
}

#[test]
fn segments_are_named_by_sequence_and_first_index() {
    let disk = SimDisk::new(1);
    drop(ten_entries(&disk));
    assert_eq!(
        wal_files(&disk),
        [
            "0000000000000000-0000000000000000.wal",
            "0000000000000001-0000000000000006.wal",
            "0000000000000002-000000000000000b.wal",
        ]
    );
    let (recovered, _writer) = recover(&disk, 0).expect("clean");
    assert_eq!(indexes(&recovered), Vec::from_iter(1..=10));
    assert_eq!((recovered.hard_state, recovered.metadata), (state(9), METADATA));
    assert_eq!(recovered.snapshots.len(), 1);
}

#[test]
fn every_segment_can_be_read_without_those_before_it() {
    let disk = SimDisk::new(1);
    let mut writer = ten_entries(&disk);
    assert_eq!(writer.release(Index(5)).expect("sim"), 0);
    assert_eq!(writer.release(Index(9)).expect("sim"), 1);
    assert_eq!(writer.release(Index(9)).expect("sim"), 0);
    assert_eq!(writer.segments(), 2);
    drop(writer);
    let missing = recover(&disk, 5).map(|_| ()).expect_err("released");
    assert!(matches!(missing, Error::NoSegment { from: 5, .. }), "{missing}");
    let (recovered, mut writer) = recover(&disk, 8).expect("clean");
    assert_eq!((indexes(&recovered), recovered.hard_state), (vec![9, 10], state(9)));
    writer.save([&entry(11, "next")], None).expect("sim");
    writer.sync().expect("sim");
    assert_eq!(writer.release(Index(1000)).expect("sim"), 1, "the last stays");
}

#[test]
fn a_later_entry_replaces_its_index_and_all_behind() {
    let disk = SimDisk::new(1);
    let mut writer = create(&disk).expect("new");
    let old: Vec<Entry> = (1..=5).map(|index| entry(index, "old")).collect();
    writer.save(&old, Some(&state(2))).expect("sim");
    writer.save([&entry(3, "new")], Some(&state(3))).expect("sim");
    drop(writer);
    let (recovered, _writer) = recover(&disk, 1).expect("clean");
    assert_eq!(recovered.entries, [entry(2, "old"), entry(3, "new")]);
}

#[test]
fn a_missing_entry_or_segment_is_refused() {
    let disk = SimDisk::new(1);
    let mut writer = create(&disk).expect("new");
    writer.save([&entry(1, "a"), &entry(3, "c")], None).expect("sim");
    drop(writer);
    let error = recover(&disk, 0).map(|_| ()).expect_err("gap").to_string();
    assert!(error.ends_with("entry 3 follows entry 1"), "{error}");

    let disk = SimDisk::new(1);
    drop(ten_entries(&disk));
    disk.remove_file(&dir().join("0000000000000001-0000000000000006.wal")).expect("sim");
    let error = recover(&disk, 0).map(|_| ()).expect_err("missing");
    assert!(matches!(error, Error::Missing { expected: 1, .. }), "{error}");
}

#[test]
fn one_write_and_one_sync_per_save_and_none_for_a_moved_commit() {
    let disk = SimDisk::new(1);
    let mut writer = create(&disk).expect("new");
    writer.save([], Some(&state(0))).expect("sim");
    writer.sync().expect("sim");
    let before = disk.counts();
    let many: Vec<Entry> = (1..=20).map(|index| entry(index, vec![1; 100])).collect();
    writer.save(&many, Some(&state(1))).expect("sim");
    assert!(writer.sync().expect("sim"));
    writer.save([], Some(&state(20))).expect("sim");
    assert!(!writer.sync().expect("sim"));
    let after = disk.counts();
    assert_eq!((after.writes - before.writes, after.syncs - before.syncs), (2, 1));
}

#[test]
fn a_segment_made_ready_is_used_and_one_left_over_is_removed() {
    let disk = SimDisk::new(1);
    let mut writer = create(&disk).expect("new");
    let preparer = writer.preparer();
    let mut fill = |index: u64| {
        writer.save([&entry(index, vec![1; 9_000])], None).expect("sim");
        writer.sync().expect("sim");
    };
    assert!(!preparer.is_wanted() && !preparer.prepare().expect("sim"), "not half full");
    fill(1);
    assert!(preparer.is_wanted() && preparer.prepare().expect("sim"));
    assert!(!preparer.is_wanted() && !preparer.prepare().expect("sim"), "ready");
    fill(2);
    assert!(!preparer.is_wanted(), "used, and the new one is empty");
    fill(3);
    assert!(preparer.is_wanted() && preparer.prepare().expect("sim"));
    assert_eq!(disk.list(dir()).expect("sim").last().map(String::as_str), Some("1.tmp"));
    drop((writer, preparer));
    let (_, _writer) = recover(&disk, 0).expect("clean");
    assert_eq!(disk.list(dir()).expect("sim"), wal_files(&disk));
}

#[test]
fn a_second_process_is_refused_and_a_log_is_not_made_twice() {
    let disk = SimDisk::new(1);
    let writer = create(&disk).expect("new");
    assert!(matches!(recover(&disk, 0), Err(Error::Locked { .. })));
    assert!(matches!(create(&disk), Err(Error::Exists { .. })));
    Reader::inspect(shared(&disk), dir(), Index(0)).expect("looking needs no lock");
    drop(writer);
    recover(&disk, 0).expect("free again");
}

#[test]
fn after_a_failure_nothing_more_is_written() {
    for fail_sync in [false, true] {
        let disk = SimDisk::new(1);
        let mut writer = create(&disk).expect("new");
        if fail_sync {
            disk.fail_sync_after(0, Fault::Io);
        } else {
            disk.fail_write_after(0, Fault::NoSpace);
        }
        let first = writer.save([&entry(1, "a")], None).and_then(|()| writer.sync());
        let message = first.expect_err("the disk failed").to_string();
        assert!(message.contains("0000000000000000-0000000000000000.wal: "), "{message}");
        assert!(matches!(writer.save([&entry(1, "a")], None), Err(Error::Failed)));
        assert!(matches!(writer.sync(), Err(Error::Failed)));
    }
}

#[test]
fn a_snapshot_record_is_read_back() {
    let disk = SimDisk::new(1);
    let mut writer = create(&disk).expect("new");
    let snapshot = Snapshot { index: Some(4), term: Some(1), conf_state: Some(Default::default()) };
    writer.mark_snapshot(&snapshot).expect("sim");
    drop(writer);
    let (recovered, _writer) = recover(&disk, 4).expect("clean");
    assert_eq!(recovered.snapshots.last(), Some(&snapshot));
}

#[test]
fn a_short_last_segment_gets_its_room_back() {
    let disk = SimDisk::new(1);
    let mut writer = create(&disk).expect("new");
    writer.save([&entry(1, "a")], None).expect("sim");
    drop(writer);
    let path = dir().join("0000000000000000-0000000000000000.wal");
    let file = disk.open(&path, ketch_env::Open::Existing).expect("sim");
    let data_bytes = disk.read(&path).expect("sim").iter().rposition(|b| *b != 0).expect("data");
    file.set_len((data_bytes + 1).next_multiple_of(8) as u64).expect("sim");
    drop(file);
    let (recovered, _writer) = recover(&disk, 0).expect("clean");
    assert_eq!((indexes(&recovered), recovered.repaired), (vec![1], None));
    assert_eq!(disk.read(&path).expect("sim").len() as u64, SMALL.segment_bytes);
}
