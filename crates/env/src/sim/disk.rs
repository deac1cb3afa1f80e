//! Names, handles, faults.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::contents::{Contents, SECTOR_BYTES};
use super::random::SimRng;
use crate::{Disk, File, Open};

/// What a failing operation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `EIO`: the device failed.
    Io,
    /// `ENOSPC`: the disk is full.
    NoSpace,
}

/// What was asked of the disk since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of `write_at`.
    pub writes: u64,
    /// Bytes they carried.
    pub written_bytes: u64,
    /// Calls of `sync_data` and `sync_all`.
    pub syncs: u64,
}

/// A file system in memory; clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<State>>);

type Names = BTreeMap<PathBuf, u64>;

#[derive(Debug)]
struct State {
    rng: SimRng,
    /// Handles of an earlier life are dead.
    life: u64,
    next_file: u64,
    files: BTreeMap<u64, Contents>,
    names: Names,
    durable_names: Names,
    directories: BTreeSet<PathBuf>,
    locks: BTreeSet<u64>,
    counts: Counts,
    /// Writes (syncs) that still succeed, and what the next says.
    failing_write: Option<(u64, Fault)>,
    failing_sync: Option<(u64, Fault)>,
    free_bytes: u64,
}

impl SimDisk {
    /// An empty disk under a seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: SimRng::new(seed),
            life: 0,
            next_file: 0,
            files: BTreeMap::new(),
            names: Names::new(),
            durable_names: Names::new(),
            directories: BTreeSet::from([PathBuf::from("/")]),
            locks: BTreeSet::new(),
            counts: Counts::default(),
            failing_write: None,
            failing_sync: None,
            free_bytes: 1 << 40,
        })))
    }

    /// The power goes: unsynced bytes and names are kept or lost by chance, handles die, faults
    /// set for later are forgotten.
    pub fn crash(&self) {
        let mut guard = self.state();
        let State { rng, files, names, durable_names, .. } = &mut *guard;
        for contents in files.values_mut() {
            contents.crash(rng);
        }
        let parents: BTreeSet<PathBuf> = names
            .keys()
            .chain(durable_names.keys())
            .filter_map(|path| path.parent().map(Path::to_path_buf))
            .collect();
        for parent in parents {
            if rng.once_in(2) {
                copy_names(durable_names, names, &parent);
            } else {
                copy_names(names, durable_names, &parent);
            }
        }
        guard.restart();
    }

    /// The process dies, the machine does not: everything written is still there.
    pub fn kill(&self) {
        self.state().restart();
    }

    /// Lets `count` more writes succeed and fails the one after, and all later ones.
    pub fn fail_write_after(&self, count: u64, fault: Fault) {
        self.state().failing_write = Some((count, fault));
    }

    /// Lets `count` more syncs succeed and fails the one after, and all later ones.
    pub fn fail_sync_after(&self, count: u64, fault: Fault) {
        self.state().failing_sync = Some((count, fault));
    }

    /// Flips bits of one byte on the disk itself.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        let mut state = self.state();
        let file = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        state.contents(file)?.spoil(offset, mask);
        Ok(())
    }

    /// The whole visible file.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        let file = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let contents = state.contents(file)?;
        let mut out = vec![0; usize::try_from(contents.len()).map_err(io::Error::other)?];
        contents.read(&mut out, 0);
        Ok(out)
    }

    /// What was asked of the disk so far.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Sets what [`Disk::free_bytes`] answers.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.state().free_bytes = bytes;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn restart(&mut self) {
        self.life += 1;
        self.locks.clear();
        self.failing_write = None;
        self.failing_sync = None;
    }

    fn contents(&mut self, file: u64) -> io::Result<&mut Contents> {
        self.files.get_mut(&file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&mut self, path: &Path) -> io::Result<u64> {
        if !path.parent().is_some_and(|parent| self.directories.contains(parent)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, Contents::default());
        self.names.insert(path.to_path_buf(), file);
        Ok(file)
    }
}

/// Counts down to a fault.
fn due(failing: &mut Option<(u64, Fault)>) -> io::Result<()> {
    match failing {
        Some((0, Fault::Io)) => Err(io::Error::from_raw_os_error(5)),
        Some((0, Fault::NoSpace)) => Err(io::Error::from_raw_os_error(28)),
        Some((left, _)) => {
            *left -= 1;
            Ok(())
        }
        None => Ok(()),
    }
}

/// Makes the names of one directory in `to` those of `from`.
fn copy_names(from: &Names, to: &mut Names, directory: &Path) {
    to.retain(|path, _| path.parent() != Some(directory));
    for (path, file) in from.iter().filter(|(path, _)| path.parent() == Some(directory)) {
        to.insert(path.clone(), *file);
    }
}

/// Moves a directory: every path below it changes.
fn rename_below(names: &mut Names, from: &Path, to: &Path) {
    let moved: Vec<PathBuf> = names.keys().filter(|path| path.starts_with(from)).cloned().collect();
    for old in moved {
        if let (Some(file), Ok(rest)) = (names.remove(&old), old.strip_prefix(from)) {
            names.insert(to.join(rest), file);
        }
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        let found = state.names.get(path).copied();
        let file = match (found, how) {
            (Some(_), Open::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(file), _) => file,
            (None, Open::Create | Open::CreateNew) => state.create(path)?,
            (None, Open::Read | Open::Existing) => return Err(io::ErrorKind::NotFound.into()),
        };
        let life = state.life;
        let writable = how != Open::Read;
        Ok(Arc::new(SimFile { disk: self.clone(), file, life, writable, locked: Mutex::default() }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        for directory in path.ancestors() {
            state.directories.insert(directory.to_path_buf());
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        if !state.directories.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let children = state.names.keys().chain(&state.directories);
        let names: BTreeSet<String> = children
            .filter(|child| child.parent() == Some(path))
            .filter_map(|child| Some(child.file_name()?.to_string_lossy().into_owned()))
            .collect();
        Ok(names.into_iter().collect())
    }

    fn exists(&self, path: &Path) -> bool {
        let state = self.state();
        state.names.contains_key(path) || state.directories.contains(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.directories.remove(from) {
            state.directories.insert(to.to_path_buf());
            rename_below(&mut state.names, from, to);
            rename_below(&mut state.durable_names, from, to);
            return Ok(());
        }
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_path_buf(), file);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.state().names.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut guard = self.state();
        let State { names, durable_names, .. } = &mut *guard;
        copy_names(names, durable_names, path);
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.state().free_bytes)
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: u64,
    life: u64,
    writable: bool,
    locked: Mutex<bool>,
}

impl SimFile {
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.life == self.life {
            Ok(state)
        } else {
            Err(io::Error::new(io::ErrorKind::NotConnected, "the machine went down"))
        }
    }

    fn writing(&self) -> io::Result<MutexGuard<'_, State>> {
        if self.writable { self.alive() } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.alive()?;
        state.counts.syncs += 1;
        due(&mut state.failing_sync)?;
        state.contents(self.file)?.sync();
        Ok(())
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.alive()?.contents(self.file)?.read(buffer, offset))
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.writing()?;
        state.counts.writes += 1;
        state.counts.written_bytes += data.len() as u64;
        if let Err(fault) = due(&mut state.failing_write) {
            // A failed write may have done a part of its work, in whole sectors.
            let end = offset + state.rng.below(data.len() as u64 + 1);
            let done = (end / SECTOR_BYTES * SECTOR_BYTES).saturating_sub(offset);
            let part = usize::try_from(done).unwrap_or(0).min(data.len());
            state.contents(self.file)?.write(&data[..part], offset);
            return Err(fault);
        }
        state.contents(self.file)?.write(data, offset);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.contents(self.file)?.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.writing()?.contents(self.file)?.set_len(length);
        Ok(())
    }

    fn zero_to(&self, length: u64) -> io::Result<()> {
        let mut state = self.writing()?;
        due(&mut state.failing_write)?;
        state.contents(self.file)?.zero(length);
        Ok(())
    }

    fn reserve_to(&self, length: u64) -> io::Result<()> {
        self.zero_to(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut state = self.alive()?;
        let mut locked = self.locked.lock().unwrap_or_else(PoisonError::into_inner);
        if !*locked {
            *locked = state.locks.insert(self.file);
        }
        Ok(*locked)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if *self.locked.lock().unwrap_or_else(PoisonError::into_inner) {
            let mut state = self.disk.state();
            if state.life == self.life {
                state.locks.remove(&self.file);
            }
        }
    }
}
