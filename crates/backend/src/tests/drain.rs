//! Opening, draining, locking, sizes.

use super::*;
use crate::{Progress, Step};
use ketch_base::{Index, limits};

#[test]
fn a_second_process_is_refused_until_the_first_is_gone() {
    let disk = MemoryDisk::new();
    let (backend, drain) = opened(&disk);
    let refusal = open(&disk).err().map(|e| e.to_string());
    let text = "/member/snap/ketch.redb.lock: database is in use by another process";
    assert_eq!(refusal.as_deref(), Some(text));
    let view = backend.view();
    drop((backend, drain));
    assert!(open(&disk).is_err(), "a view still reads the file");
    drop(view);
    opened(&disk);
}

#[test]
fn what_was_not_drained_is_gone_and_the_index_says_so() {
    let disk = MemoryDisk::new();
    let (backend, mut drain) = opened(&disk);
    backend.append(put(7, b"seven"));
    assert_eq!(backend.durable(), Durable::default());
    let step = drain.step().expect("written");
    assert_eq!(step, Step { rows: 1, durable_index: Index(7), more: false, full: false });
    backend.append(put(8, b"eight"));
    drop((backend, drain));
    let (backend, _drain) = opened(&disk);
    assert_eq!(backend.durable().index, Index(7));
    assert_eq!(backend.row(key(7, 0)).expect("readable").as_deref(), Some(b"seven".as_slice()));
    assert_eq!(backend.row(key(8, 0)).expect("readable"), None);
}

#[test]
fn a_step_moves_bounded_work_and_the_buffer_shrinks() {
    let disk = MemoryDisk::new();
    let (backend, mut drain) = opened(&disk);
    let rows = 3 * limits::BACKEND_BATCH_ROWS as u64;
    for index in 1..=rows {
        backend.append(put(index, &[7; 100]));
    }
    assert!(backend.buffered_bytes() > 100 * rows as usize);
    let mut moved = 0;
    loop {
        let step = drain.step().expect("written");
        assert!(step.rows > 0 && step.rows <= limits::BACKEND_BATCH_ROWS);
        moved += step.rows as u64;
        assert_eq!(step.durable_index, Index(moved));
        if !step.more {
            break;
        }
    }
    assert_eq!((moved, backend.buffered_bytes()), (rows, 0));
}

#[test]
fn a_batch_larger_than_a_step_stays_whole() {
    let disk = MemoryDisk::new();
    let (backend, mut drain) = opened(&disk);
    let mut batch = Batch::new();
    let rows = 2 * limits::BACKEND_BATCH_ROWS;
    for sub in 0..rows as i64 {
        batch.put_row(key(2, sub), Bytes::from_static(b"x"));
    }
    stamp(&mut batch, 9);
    backend.append(put(1, b"before"));
    backend.append(batch);
    let first = drain.step().expect("written");
    let second = if first.more { drain.step().expect("written") } else { first };
    assert!(!second.more);
    assert_eq!(second.durable_index, Index(9));
    assert!(second.rows >= rows);
}

#[test]
fn sizes_follow_what_is_kept_and_survive_reopening() {
    let disk = MemoryDisk::new();
    let (backend, mut drain) = opened(&disk);
    let empty = backend.size_live();
    for index in 1..=2_000 {
        backend.append(put(index, &[1; 1_000]));
    }
    drain_all(&mut drain);
    let (full, file) = (backend.size_live(), backend.size_file());
    assert!(full > 2_000_000 && full < 2_200_000 && file >= full, "{full} of {file}");
    let mut batch = Batch::new();
    for index in 1..=1_990 {
        batch.delete_row(key(index, 0));
    }
    backend.append(batch);
    drain_all(&mut drain);
    let left = backend.size_live();
    assert!(left > empty && left < 20_000, "{left}");
    assert!(backend.size_file() >= file, "a file does not shrink by itself");
    drop((backend, drain));
    let (backend, mut drain) = opened(&disk);
    assert_eq!(backend.size_live(), left);
    while drain.reclaim(limits::BACKEND_RECLAIM_STEP_BYTES).expect("space") == Progress::More {}
    assert!(backend.size_file() < file / 10);
    assert_eq!(backend.size_live(), left);
}

#[test]
fn rows_come_in_any_order() {
    let disk = MemoryDisk::new();
    let (backend, mut drain) = opened(&disk);
    for (round, order) in [[5, 3, 9], [4, 9, 1]].into_iter().enumerate() {
        let mut batch = Batch::new();
        for main in order {
            batch.put_row(key(main, 0), Bytes::from(vec![round as u8]));
        }
        backend.append(batch);
        drain_all(&mut drain);
    }
    let rows = backend.view().rows(Revision { main: 2, sub: 0 }, Revision { main: 9, sub: 1 });
    let rows: Vec<_> =
        rows.map(|r| r.expect("readable")).map(|(k, v)| (k.revision.main, v[0])).collect();
    assert_eq!(rows, [(3, 0), (4, 1), (5, 0), (9, 1)]);
}

#[test]
fn a_full_step_is_told_from_a_few_rows() {
    let disk = MemoryDisk::new();
    let (backend, mut drain) = opened(&disk);
    for index in 1..=2 * limits::BACKEND_BATCH_ROWS as u64 + 5 {
        backend.append(put(index, b"r"));
    }
    let mut told = Vec::new();
    loop {
        let step = drain.step().expect("written");
        told.push((step.more, step.full));
        if !step.more {
            break;
        }
    }
    assert_eq!(told.first(), Some(&(true, true)));
    assert_eq!(told.last(), Some(&(false, false)));
    assert!(told.contains(&(true, false)), "{told:?}");
}
