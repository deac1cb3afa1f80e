//! What the simulated disk keeps and loses.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Fault, SimDisk};
use crate::{Disk, File, Open};

const PATH: &str = "/d/a";

fn with_file(seed: u64) -> (SimDisk, Arc<dyn File>) {
    let disk = SimDisk::new(seed);
    disk.create_dir_all(Path::new("/d")).expect("sim");
    let file = disk.open(Path::new(PATH), Open::CreateNew).expect("sim");
    disk.sync_dir(Path::new("/d")).expect("sim");
    (disk, file)
}

#[test]
fn synced_bytes_survive_every_seed_and_unsynced_ones_are_whole_sectors() {
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let (disk, file) = with_file(seed);
        file.write_at(&[1; 2048], 0).expect("sim");
        file.sync_data().expect("sim");
        file.write_at(&[2; 1536], 512).expect("sim");
        disk.crash();
        let bytes = disk.read(Path::new(PATH)).expect("sim");
        assert_eq!(bytes[..512], [1; 512]);
        let sectors: Vec<u8> = bytes.chunks(512).map(|sector| sector[0]).collect();
        assert!(bytes.chunks(512).all(|s| s.iter().all(|b| *b == s[0])), "torn inside a sector");
        outcomes.insert(sectors);
    }
    assert_eq!(outcomes.len(), 8, "every combination of three sectors is met");
}

#[test]
fn the_same_seed_crashes_the_same_way() {
    let run = |seed| {
        let (disk, file) = with_file(seed);
        file.write_at(&[7; 9000], 100).expect("sim");
        disk.crash();
        disk.read(Path::new(PATH)).expect("sim")
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed));
    }
}

#[test]
fn a_growing_file_may_lose_its_length_but_shows_no_foreign_bytes() {
    for seed in 0..50 {
        let (disk, file) = with_file(seed);
        file.write_at(&[1; 700], 0).expect("sim");
        file.sync_all().expect("sim");
        file.write_at(&[2; 700], 700).expect("sim");
        disk.crash();
        let bytes = disk.read(Path::new(PATH)).expect("sim");
        assert!(bytes.len() == 700 || bytes.len() == 1400, "{}", bytes.len());
        assert_eq!(bytes[..700], [1; 700]);
    }
}

#[test]
fn names_need_their_directory_synced() {
    let mut kept = 0;
    for seed in 0..50 {
        let (disk, _) = with_file(seed);
        disk.rename(Path::new(PATH), Path::new("/d/b")).expect("sim");
        disk.crash();
        let names = disk.list(Path::new("/d")).expect("sim");
        assert!(names == ["a"] || names == ["b"], "{names:?}");
        kept += usize::from(names == ["b"]);
    }
    assert!((10..40).contains(&kept), "{kept}");
}

#[test]
fn shortening_zeroes_what_it_cuts() {
    let (disk, file) = with_file(0);
    file.write_at(&[1; 2000], 0).expect("sim");
    file.set_len(700).expect("sim");
    file.set_len(2000).expect("sim");
    let bytes = disk.read(Path::new(PATH)).expect("sim");
    assert!(bytes[..700].iter().all(|b| *b == 1) && bytes[700..].iter().all(|b| *b == 0));
}

#[test]
fn faults_come_when_told() {
    let (disk, file) = with_file(3);
    disk.fail_write_after(1, Fault::NoSpace);
    disk.fail_sync_after(0, Fault::Io);
    file.write_at(b"one", 0).expect("the first succeeds");
    assert_eq!(file.write_at(b"two", 3).map_err(|e| e.kind()), Err(io::ErrorKind::StorageFull));
    assert_eq!(file.sync_data().map_err(|e| e.raw_os_error()), Err(Some(5)));
    disk.kill();
    let file = disk.open(Path::new(PATH), Open::Existing).expect("sim");
    file.sync_data().expect("faults end with the process");
}

#[test]
fn a_lock_is_held_by_one_handle_until_it_drops() {
    let (disk, file) = with_file(0);
    let other = disk.open(Path::new(PATH), Open::Existing).expect("sim");
    assert!(file.try_lock().expect("sim") && file.try_lock().expect("sim"));
    assert!(!other.try_lock().expect("sim"));
    drop(file);
    assert!(other.try_lock().expect("sim"));
}
