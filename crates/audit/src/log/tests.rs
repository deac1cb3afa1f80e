//! The log against files that fail, stand still, and are moved away.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ketch_api::Method;
use ketch_api::ports::{About, Fact, How, Origin, Part};
use parking_lot::{Condvar, Mutex};

use super::*;
use crate::limits::QUEUE_BYTES_MAX;

const WHOSE: Identity = Identity { member: 0x8e9e, cluster: 0xcd };

/// A disk in memory that fails or stands still when told to.
#[derive(Clone, Default)]
struct Fake(Arc<(Mutex<Disk>, Condvar)>);

#[derive(Default)]
struct Disk {
    files: Vec<Vec<u8>>,
    /// Bytes it still takes; `None` for all.
    room_bytes: Option<usize>,
    is_stuck: bool,
    failures: usize,
}

struct File(Fake, usize);

impl Target for Fake {
    fn open(&mut self) -> io::Result<Box<dyn Write + Send>> {
        let mut disk = self.0.0.lock();
        disk.files.push(Vec::new());
        Ok(Box::new(File(self.clone(), disk.files.len() - 1)))
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (disk, changed) = &*self.0.0;
        let mut disk = disk.lock();
        while disk.is_stuck {
            changed.wait(&mut disk);
        }
        let taken = disk.room_bytes.map_or(bytes.len(), |room| room.min(bytes.len()));
        if taken == 0 {
            disk.failures += 1;
            changed.notify_all();
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.room_bytes = disk.room_bytes.map(|room| room - taken);
        disk.files[self.1].extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Fake {
    fn change(&self, change: impl FnOnce(&mut Disk)) {
        change(&mut self.0.0.lock());
        self.0.1.notify_all();
    }

    fn wait_for_failures(&self, failures: usize) {
        let (disk, changed) = &*self.0;
        changed.wait_while(&mut disk.lock(), |disk| disk.failures < failures);
    }

    /// Each file without the times in it.
    fn files(&self) -> Vec<Vec<String>> {
        let text = |file: &Vec<u8>| String::from_utf8(file.clone()).expect("text");
        let bare = |line: &str| {
            let (_, rest) = line.split_once("Z\",").unwrap_or(("", line));
            rest.split(",\"user\"").next().unwrap_or(rest).to_owned()
        };
        let lines = |file: &Vec<u8>| text(file).lines().map(bare).collect();
        self.0.0.lock().files.iter().map(lines).collect()
    }
}

fn note(log: &Log, method: Method) {
    let about = About::one(Fact::Lease(1));
    log.note(&Entry {
        method,
        part: Part::Call,
        began: Instant::now(),
        took: Duration::ZERO,
        origin: &Origin::default(),
        user: None,
        how: How::Nothing,
        about: &about,
        status: 0,
        text: "",
    });
}

const OPENED: &str = "\"opened\":true,\"member\":\"8e9e\",\"cluster\":\"cd\"}";
const PUT: &str = "\"rpc\":\"/etcdserverpb.KV/Put\"";
const STATUS: &str = "\"rpc\":\"/etcdserverpb.Maintenance/Status\"";

/// No line of an entry is shorter.
const LINE_BYTES: usize = 120;

fn start() -> (Fake, Log) {
    let disk = Fake::default();
    let log = Log::start(Box::new(disk.clone()), WHOSE).expect("a thread");
    (disk, log)
}

#[test]
fn what_waits_is_written_at_the_end() {
    let (disk, log) = start();
    note(&log, Method::Put);
    note(&log, Method::Status);
    log.stop();
    assert_eq!(disk.files(), [[OPENED, PUT, STATUS]]);
    note(&log, Method::Put);
    assert_eq!((log.written(), log.dropped()), (2, 1));
}

#[test]
fn more_than_fits_is_dropped_and_told() {
    let (disk, log) = start();
    disk.change(|disk| disk.is_stuck = true);
    note(&log, Method::Status);
    // The writer now has one batch in its hands, or none: what it cannot have is a second one.
    let offered = 3 * QUEUE_BYTES_MAX / LINE_BYTES;
    for _ in 1..offered {
        note(&log, Method::Put);
    }
    let dropped = log.dropped();
    assert!(dropped >= offered as u64 / 3, "{dropped} dropped");
    disk.change(|disk| disk.is_stuck = false);
    log.stop();
    assert_eq!(log.written() + log.dropped(), offered as u64);
    assert_eq!(log.dropped(), dropped);
    let lines = disk.files().remove(0);
    let (mut told, mut kept) = (0, 0);
    for line in &lines {
        match line.strip_prefix("\"dropped\":") {
            Some(count) => told += count.trim_end_matches('}').parse::<u64>().expect("a number"),
            None if line != OPENED => kept += 1,
            None => {}
        }
    }
    assert_eq!((told, kept), (dropped, log.written()));
}

#[test]
fn a_full_disk_loses_nothing_when_it_has_room_again() {
    let (disk, log) = start();
    note(&log, Method::Put);
    disk.change(|disk| disk.room_bytes = Some(77));
    disk.wait_for_failures(2);
    note(&log, Method::Status);
    disk.change(|disk| disk.room_bytes = None);
    log.stop();
    assert_eq!(disk.files(), [[OPENED, PUT, STATUS]]);
    assert_eq!((log.written(), log.dropped()), (2, 0));
}

#[test]
fn a_disk_that_stays_full_does_not_hold_up_the_end() {
    let (disk, log) = start();
    disk.change(|disk| disk.room_bytes = Some(0));
    note(&log, Method::Put);
    disk.wait_for_failures(1);
    log.stop();
    assert_eq!((log.written(), log.dropped()), (0, 1));
}

#[test]
fn a_line_begun_in_a_full_file_is_whole_in_the_next() {
    let (disk, log) = start();
    disk.change(|disk| disk.room_bytes = Some(100));
    note(&log, Method::Put);
    disk.wait_for_failures(1);
    log.reopen();
    disk.change(|disk| disk.room_bytes = None);
    log.stop();
    let files = disk.files();
    assert_eq!(files.len(), 2);
    let last = files[1].last().expect("a line");
    assert_eq!(last, PUT);
}

#[test]
fn a_moved_file_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, old) = (folder.path().join("audit"), folder.path().join("audit.1"));
    std::fs::write(&path, "{\"cut").expect("written");
    let log = Log::open(&path, WHOSE).expect("opened");
    note(&log, Method::Put);
    std::fs::rename(&path, &old).expect("moved");
    log.reopen();
    while !path.exists() {
        std::thread::yield_now();
    }
    note(&log, Method::Status);
    log.stop();
    let first = std::fs::read_to_string(&old).expect("text");
    let second = std::fs::read_to_string(&path).expect("text");
    assert!(first.starts_with("{\"cut\n{\"time\":"), "{first}");
    assert!(first.contains(PUT) && !first.contains(STATUS), "{first}");
    assert!(second.contains(OPENED) && second.contains(STATUS), "{second}");
    let mode = |path| {
        let metadata = std::fs::metadata(path).expect("there");
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
    };
    assert_eq!(mode(&path), 0o600);
    let missing = Log::open(&folder.path().join("none/audit"), WHOSE).expect_err("no folder");
    assert!(missing.to_string().contains("none/audit"));
}
