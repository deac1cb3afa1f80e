//! One database in the place of another: what readers see, and what every crash leaves.

mod steps;

use ketch_base::{Index, limits};
use ketch_env::Disk;
use ketch_env::sim::SimDisk;

use super::*;
use crate::{Error, Progress};
use steps::Steps;

const OLD_ROWS: u64 = 40;
const NEW_ROWS: u64 = 90;

fn prepared() -> PathBuf {
    Path::new("/member/snap/ketch-000000000000005a.redb").into()
}

fn open_at(disk: &Arc<dyn Disk>, path: &Path) -> (Backend, Drain) {
    let config = Config { cache_bytes: CACHE_BYTES };
    Backend::open(disk.clone(), path, config).expect("the database opens")
}

/// Rows 1 to `last` at `path`, with values that tell one database from another, and closed.
fn made(disk: &Arc<dyn Disk>, path: &Path, last: u64, value: u8) {
    let (backend, mut drain) = open_at(disk, path);
    for index in 1..=last {
        backend.append(put(index, &[value; 300]));
    }
    drain_all(&mut drain);
}

/// The old database and, ready to take its place, the new one.
fn both(seed: u64) -> SimDisk {
    let sim = SimDisk::new(seed);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    disk.create_dir_all(Path::new("/member/snap")).expect("sim");
    made(&disk, &path(), OLD_ROWS, b'o');
    made(&disk, &prepared(), NEW_ROWS, b'n');
    disk.sync_dir(Path::new("/member/snap")).expect("sim");
    sim
}

/// The applied index, after a look at every row: `rows` of them, each with `value`.
fn whole(view: &crate::View, rows: u64, value: u8) -> bool {
    let all: Result<Vec<_>, Error> = view.rows(Revision::default(), END).collect();
    let all = all.expect("no page is damaged");
    all.len() as u64 == rows && all.iter().all(|(_, row)| **row == [value; 300])
}

fn is_old(backend: &Backend) -> bool {
    backend.durable().index.0 == OLD_ROWS && whole(&backend.view(), OLD_ROWS, b'o')
}

fn is_new(backend: &Backend) -> bool {
    backend.durable().index.0 == NEW_ROWS && whole(&backend.view(), NEW_ROWS, b'n')
}

#[test]
fn handles_see_the_new_database_and_old_views_the_old_one() {
    let disk: Arc<dyn Disk> = Arc::new(both(1));
    let live = open_at(&disk, &prepared()).0.size_live();
    let (backend, mut drain) = open_at(&disk, &path());
    let before = backend.view();
    backend.append(put(OLD_ROWS + 1, b"never drained"));
    let undrained = backend.view();
    assert_eq!(drain.reclaim(1_000).expect("begun"), Progress::More);

    drain.install(&prepared()).expect("installed");
    assert!(is_new(&backend));
    assert!(backend.size_live() == live && backend.size_file() > live);
    assert_eq!((backend.buffered_bytes(), backend.generation()), (0, 1));
    assert_eq!(
        backend.row(key(OLD_ROWS as i64 + 1, 0)).expect("read").as_deref(),
        Some(&[b'n'; 300][..])
    );
    assert!(whole(&before, OLD_ROWS, b'o'));
    assert_eq!(undrained.rows(Revision::default(), END).count() as u64, OLD_ROWS + 1);
    assert_eq!((before.generation(), backend.view().generation()), (0, 1));
    let names = disk.list(Path::new("/member/snap")).expect("sim");
    assert_eq!(names, ["ketch.redb", "ketch.redb.lock"]);

    let mut late = Batch::new();
    late.delete_row(key(1, 0));
    assert!(!backend.append_to(0, late.clone()) && backend.append_to(1, late));
    backend.append(put(NEW_ROWS + 1, &[b'n'; 300]));
    drain_all(&mut drain);
    while drain.reclaim(limits::BACKEND_RECLAIM_STEP_BYTES).expect("space") == Progress::More {}
    assert!(whole(&backend.view(), NEW_ROWS, b'n'));
    assert!(whole(&before, OLD_ROWS, b'o'));
    drop((backend, drain, before, undrained));
    let (backend, _drain) = open_at(&disk, &path());
    assert_eq!(backend.durable().index, Index(NEW_ROWS + 1));
}

#[test]
fn a_database_comes_after_another() {
    let disk: Arc<dyn Disk> = Arc::new(both(2));
    let (backend, mut drain) = open_at(&disk, &path());
    drain.install(&prepared()).expect("installed");
    made(&disk, &prepared(), OLD_ROWS, b'o');
    drain.install(&prepared()).expect("installed");
    assert!(is_old(&backend));
    assert_eq!(backend.generation(), 2);
}

#[test]
fn what_cannot_be_installed_leaves_everything_as_it_was() {
    let sim = both(3);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let (backend, mut drain) = open_at(&disk, &path());
    let refused = |drain: &mut Drain, from: &Path, text: &str| {
        let error = drain.install(from).expect_err("refused").to_string();
        assert!(error.starts_with(&format!("{}: {text}", from.display())), "{error}");
    };
    let other = open_at(&disk, &prepared());
    refused(&mut drain, &prepared(), "database is still open where it was made");
    drop(other);
    let nowhere = Path::new("/member/snap/nowhere.redb");
    refused(&mut drain, nowhere, "");
    assert_eq!(disk.list(Path::new("/member/snap")).expect("sim").len(), 4, "nothing is left");
    sim.flip(&prepared(), 3, 1).expect("sim");
    refused(&mut drain, &prepared(), "database is corrupt: not a ketch database");
    sim.flip(&prepared(), 3, 1).expect("sim");
    backend.append(put(OLD_ROWS + 1, &[b'o'; 300]));
    drain_all(&mut drain);
    assert_eq!((backend.durable().index, backend.generation()), (Index(OLD_ROWS + 1), 0));
    drain.install(&prepared()).expect("the same, sound again");
    assert!(is_new(&backend));
}

#[test]
fn pages_of_the_installed_file_are_checked() {
    let sim = both(4);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let (backend, mut drain) = open_at(&disk, &path());
    drain.install(&prepared()).expect("installed");
    drop((backend, drain));
    let bytes = sim.read(&path()).expect("sim");
    let value = bytes.windows(300).position(|window| window == [b'n'; 300]).expect("a value");
    sim.flip(&path(), value as u64, 1).expect("sim");
    let config = Config { cache_bytes: CACHE_BYTES };
    let error = match Backend::open(disk.clone(), &path(), config) {
        Err(error) => error.to_string(),
        Ok((backend, _drain)) => {
            let rows = backend.view().rows(Revision::default(), END).collect::<Result<Vec<_>, _>>();
            rows.expect_err("a page is damaged").to_string()
        }
    };
    assert!(error.contains("page checksum is"), "{error}");
}

#[test]
fn a_crash_at_any_step_leaves_one_of_both_whole() {
    let mut left = [0, 0];
    for steps in 0.. {
        let mut finished = false;
        for seed in 0..6 {
            let sim = both(seed);
            let disk = Arc::new(Steps::new(sim.clone()));
            let shared: Arc<dyn Disk> = disk.clone();
            let (backend, mut drain) = open_at(&shared, &path());
            backend.append(put(OLD_ROWS + 1, b"never drained"));
            disk.stop_after(steps);
            finished = drain.install(&prepared()).is_ok();
            assert!(finished || drain.step().is_err() || !is_new(&backend));
            drop((backend, drain));
            sim.crash();
            left[usize::from(crashed(&sim, finished))] += 1;
        }
        if finished {
            break;
        }
    }
    assert!(left[0] > 10 && left[1] > 6, "both are met: {left:?}");
}

/// Opens what a crash left, and installs if that is still to be done. Whether it was.
fn crashed(sim: &SimDisk, finished: bool) -> bool {
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let (backend, mut drain) = open_at(&disk, &path());
    let new = is_new(&backend);
    assert!(new || is_old(&backend), "{:?}", backend.durable());
    assert!(new || !finished, "durable at return");
    assert_ne!(new, disk.exists(&prepared()));
    if !new {
        drain.install(&prepared()).expect("the machine is up again");
        assert!(is_new(&backend));
    }
    new
}
