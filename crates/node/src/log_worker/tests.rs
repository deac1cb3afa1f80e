//! Jobs share writes and syncs, and what is reported is on the disk.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ketch_base::{ClusterId, Index, MemberId};
use ketch_env::Disk;
use ketch_env::sim::{Fault, SimDisk};
use ketch_raft_proto::raftpb::{ConfState, Entry};
use ketch_raft_proto::walpb::Snapshot;
use ketch_wal::{Config, Metadata, Reader, Recovered};

use super::*;

const DIR: &str = "/member/wal";

fn worker(disk: &SimDisk) -> LogWorker {
    disk.create_dir_all(Path::new("/member")).expect("memory");
    let metadata = Metadata { member: MemberId(1), cluster: ClusterId(2) };
    let config = Config { segment_bytes: 64 * 1024, ..Config::default() };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    LogWorker::new(Writer::create(disk, Path::new(DIR), metadata, config).expect("empty"))
}

fn job(number: u64, indexes: std::ops::Range<u64>, data_bytes: usize) -> LogJob {
    let entry = |index| Entry {
        term: Some(1),
        index: Some(index),
        data: Some(Bytes::from(vec![b'x'; data_bytes])),
        ..Entry::default()
    };
    let commit = Some(indexes.start - 1);
    LogJob {
        job: number,
        entries: indexes.map(entry).collect(),
        hard_state: Some(HardState { term: Some(1), vote: Some(1), commit }),
        ..LogJob::default()
    }
}

fn mark(index: u64) -> Snapshot {
    Snapshot { index: Some(index), term: Some(1), conf_state: Some(ConfState::default()) }
}

fn read(disk: &SimDisk, from: u64) -> Recovered {
    disk.crash();
    let reader = Reader::open(Arc::new(disk.clone()), Path::new(DIR), Index(from));
    reader.and_then(|mut reader| reader.read_all()).expect("a sound log")
}

#[test]
fn queued_jobs_share_one_write_and_one_sync() {
    let disk = SimDisk::new(1);
    let mut worker = worker(&disk);
    let before = disk.counts();
    let jobs = vec![job(1, 1..3, 10), job(2, 3..4, 10), job(3, 4..9, 10)];
    let events = worker.run(jobs).expect("a sound disk");
    assert!(matches!(events[..], [Event::Persisted { job: 3 }]), "{events:?}");
    let after = disk.counts();
    assert_eq!((after.writes - before.writes, after.syncs - before.syncs), (1, 1));
    let log = read(&disk, 0);
    assert_eq!((log.entries.len(), log.hard_state.commit()), (8, 3));
}

#[test]
fn above_the_limits_a_write_is_split() {
    let count = |jobs: &[LogJob]| {
        let mut rest = jobs;
        let mut sizes = Vec::new();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batch_len(rest));
            sizes.push(batch.len());
            rest = later;
        }
        sizes
    };
    let big = LOG_BATCH_BYTES / 2;
    let check = |jobs: &[LogJob], want: &[usize]| assert_eq!(count(jobs), want);
    check(&[job(1, 1..2, big), job(2, 2..3, big), job(3, 3..4, big)], &[2, 1]);
    check(&[job(1, 1..2, 3 * big), job(2, 2..3, 1)], &[1, 1]);
    check(&[job(1, 1..5000, 1), job(2, 5000..5001, 1)], &[1, 1]);
    let marked = LogJob { mark: Some(Box::new(mark(1))), ..job(2, 2..3, 1) };
    check(&[job(1, 1..2, 1), marked, job(3, 3..4, 1)], &[2, 1]);
    let received = LogJob { received: Some(Box::new(mark(9))), ..job(2, 10..11, 1) };
    check(&[job(1, 1..2, 1), received, job(3, 11..12, 1)], &[1, 2]);
}

#[test]
fn a_mark_stands_behind_what_it_covers_and_releases_segments() {
    let disk = SimDisk::new(2);
    let mut worker = worker(&disk);
    for round in 0..40 {
        worker.run(vec![job(round + 1, round * 8 + 1..round * 8 + 9, 1000)]).expect("sound");
    }
    let segments = || disk.list(Path::new(DIR)).expect("there").len();
    let before = segments();
    let release =
        LogJob { mark: Some(Box::new(mark(300))), release: Some(Index(290)), ..LogJob::default() };
    let events = worker.run(vec![release]).expect("a sound disk");
    assert!(events.is_empty(), "nobody asked: {events:?}");
    assert!(segments() < before);
    let log = read(&disk, 290);
    assert_eq!(log.entries.first().map(Entry::index), Some(291));
    assert_eq!(log.snapshots, [mark(300)]);
}

#[test]
fn a_received_snapshot_lets_the_log_go_on_behind_it() {
    let disk = SimDisk::new(3);
    let mut worker = worker(&disk);
    worker.run(vec![job(1, 1..4, 10)]).expect("a sound disk");
    let jobs = vec![
        LogJob { received: Some(Box::new(mark(50))), ..job(2, 51..53, 10) },
        job(3, 53..54, 10),
    ];
    worker.run(jobs).expect("a sound disk");
    let log = read(&disk, 50);
    assert_eq!(log.entries.iter().map(Entry::index).collect::<Vec<_>>(), [51, 52, 53]);
}

#[test]
fn a_failed_sync_reports_nothing_and_ends_the_log() {
    let disk = SimDisk::new(4);
    let mut worker = worker(&disk);
    worker.run(vec![job(1, 1..4, 10)]).expect("a sound disk");
    disk.fail_sync_after(0, Fault::Io);
    assert!(worker.run(vec![job(2, 4..5, 10)]).is_err());
    assert!(worker.run(vec![job(3, 5..6, 10)]).is_err(), "for ever after");
    drop(worker);
    assert!(read(&disk, 0).entries.len() >= 3);
}
