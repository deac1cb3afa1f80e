//! Giving space back under writes.

use super::*;
use crate::Progress;

const STEP_BYTES: usize = 16 * 1024;

fn rows(backend: &Backend) -> Vec<(RevisionKey, Bytes)> {
    backend.view().rows(Revision::default(), END).map(|r| r.expect("readable")).collect()
}

/// 4000 rows, nine of ten removed.
fn mostly_garbage(disk: &Arc<MemoryDisk>) -> (Backend, Drain) {
    let (backend, mut drain) = opened(disk);
    for index in 1..=4_000 {
        backend.append(put(index, &[index as u8; 500]));
    }
    drain_all(&mut drain);
    let mut batch = Batch::new();
    for index in (1..=4_000).filter(|index| index % 10 != 0) {
        batch.delete_row(key(index, 0));
    }
    backend.append(batch);
    drain_all(&mut drain);
    (backend, drain)
}

#[test]
fn space_comes_back_under_writes_and_nothing_is_lost() {
    let disk = MemoryDisk::new();
    let (backend, mut drain) = mostly_garbage(&disk);
    let before = backend.size_file();
    let old_view = backend.view();
    let old_rows = rows(&backend);
    let mut index = 4_000;
    let done = loop {
        index += 1;
        let mut batch = put(index, &[9; 100]);
        // Rows on both sides of the cursor go away while it moves.
        batch.delete_row(key(10 * (index as i64 - 4_000), 0));
        batch.delete_row(key(4_010 - 10 * (index as i64 - 4_000), 0));
        batch.put(Bucket::Lease, Bytes::from(vec![index as u8]), Bytes::from_static(b"l"));
        batch.delete(Bucket::Lease, Bytes::from(vec![index as u8 - 3]));
        backend.append(batch);
        drain.step().expect("written");
        match drain.reclaim(STEP_BYTES).expect("copied") {
            Progress::More => {}
            done => break done,
        }
    };
    assert!(index > 4_010, "it took several steps");
    let after = backend.size_file();
    assert_eq!(
        done,
        Progress::Done { before_bytes: before.max(done_before(done)), after_bytes: after }
    );
    assert!(after < before / 3, "{before} to {after}");
    let now = rows(&backend);
    let seen: Vec<_> = old_view.rows(Revision::default(), END).map(|r| r.expect("sound")).collect();
    assert_eq!(seen, old_rows, "an old view reads the old file");
    drop(old_view);
    let leases = backend.view().iter(Bucket::Lease).count();
    drop((backend, drain));
    let (backend, mut drain) = opened(&disk);
    assert_eq!(rows(&backend), now);
    assert_eq!(backend.view().iter(Bucket::Lease).count(), leases);
    assert_eq!(backend.durable().index.0, index);
    backend.append(put(index + 1, b"next"));
    drain_all(&mut drain);
}

fn done_before(done: Progress) -> i64 {
    match done {
        Progress::Done { before_bytes, .. } => before_bytes,
        Progress::More => 0,
    }
}

#[test]
fn a_full_disk_ends_the_reclaim_and_not_the_database() {
    let disk = MemoryDisk::new();
    let (backend, mut drain) = mostly_garbage(&disk);
    assert_eq!(drain.reclaim(STEP_BYTES).expect("begun"), Progress::More);
    disk.fill(&crate::files::temporary(&path()));
    let error = drain.reclaim(STEP_BYTES).expect_err("no space").to_string();
    assert!(error.starts_with("/member/snap/ketch.redb.tmp: "), "{error}");
    assert_eq!(disk.files().len(), 2, "the leftover is gone");
    backend.append(put(5_000, b"goes on"));
    drain_all(&mut drain);
    while drain.reclaim(STEP_BYTES).expect("space again") == Progress::More {}
    assert_eq!(rows(&backend).len(), 401);
}

#[test]
fn a_full_disk_while_following_ends_the_reclaim_and_not_the_drain() {
    let disk = MemoryDisk::new();
    let (backend, mut drain) = mostly_garbage(&disk);
    assert_eq!(drain.reclaim(STEP_BYTES).expect("begun"), Progress::More);
    disk.fill(&crate::files::temporary(&path()));
    let mut batch = Batch::new();
    batch.delete_row(key(10, 0));
    backend.append(batch);
    drain_all(&mut drain);
    assert!(drain.reclaim(STEP_BYTES).is_err());
    assert_eq!(rows(&backend).len(), 399);
}
