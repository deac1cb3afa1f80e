//! Readers while another thread drains and reclaims.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::*;
use ketch_base::limits;

const LAST: u64 = 20_000;

#[test]
fn readers_see_every_appended_row_while_drains_commit() {
    let disk = MemoryDisk::new();
    let (backend, mut drain) = opened(&disk);
    let appended = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for index in 1..=LAST {
                backend.append(put(index, &index.to_be_bytes()));
                appended.store(index, Ordering::Release);
            }
        });
        scope.spawn(|| {
            while appended.load(Ordering::Acquire) < LAST {
                drain.step().expect("written");
                drain.reclaim(limits::BACKEND_RECLAIM_STEP_BYTES / 16).expect("copied");
            }
        });
        for reader in 0..2 {
            let (backend, appended) = (backend.clone(), &appended);
            scope.spawn(move || {
                let mut seed = 88_172_645_463_325_252 + reader;
                loop {
                    let newest = appended.load(Ordering::Acquire);
                    if newest == LAST {
                        break;
                    }
                    check(&backend, newest, &mut seed);
                }
            });
        }
    });
    drain_all(&mut drain);
    assert_eq!(backend.view().rows(Revision::default(), END).count() as u64, LAST);
}

fn check(backend: &Backend, newest: u64, seed: &mut u64) {
    if newest == 0 {
        return;
    }
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    let index = 1 + *seed % newest;
    let row = backend.row(key(index as i64, 0)).expect("readable");
    assert_eq!(row.as_deref(), Some(index.to_be_bytes().as_slice()));
    if seed.is_multiple_of(64) {
        let view = backend.view();
        let from = Revision { main: newest.saturating_sub(100).max(1) as i64, sub: 0 };
        let mut next = from.main;
        for item in view.rows(from, END) {
            assert_eq!(item.expect("readable").0, key(next, 0), "no gap");
            next += 1;
        }
        assert!(next as u64 > newest);
    }
}
