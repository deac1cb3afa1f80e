//! A disk that stops after a number of changes, as a machine does.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ketch_env::sim::SimDisk;
use ketch_env::{Disk, File, Open};
use parking_lot::Mutex;

/// Changes that are still made; `None` for no end.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<Option<u64>>>);

impl Left {
    fn step(&self) -> io::Result<()> {
        match &mut *self.0.lock() {
            Some(0) => Err(io::Error::other("the machine stops")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

pub(super) struct Steps {
    disk: SimDisk,
    left: Left,
}

struct StepFile {
    file: Arc<dyn File>,
    left: Left,
}

impl Steps {
    pub(super) fn new(disk: SimDisk) -> Self {
        Self { disk, left: Left::default() }
    }

    /// From now on so many changes are made and no more.
    pub(super) fn stop_after(&self, steps: u64) {
        *self.left.0.lock() = Some(steps);
    }
}

impl Disk for Steps {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        if !self.disk.exists(path) {
            self.left.step()?;
        }
        let file = self.disk.open(path, how)?;
        Ok(Arc::new(StepFile { file, left: self.left.clone() }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.disk.exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.left.step()?;
        self.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.left.step()?;
        self.disk.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.left.step()?;
        self.disk.sync_dir(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.disk.free_bytes(path)
    }
}

impl File for StepFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.left.step()?;
        self.file.write_at(data, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.left.step()?;
        self.file.set_len(length)
    }

    fn zero_to(&self, length: u64) -> io::Result<()> {
        self.left.step()?;
        self.file.zero_to(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.left.step()?;
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.left.step()?;
        self.file.sync_all()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }
}
