//! A disk in memory. Cutting its power keeps what was synced, and of the rest any sectors.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ketch_env::{Disk, File, Open};
use parking_lot::Mutex;

const SECTOR: u64 = 512;

#[derive(Default)]
pub(super) struct MemoryDisk {
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    now: BTreeMap<PathBuf, Arc<Content>>,
    durable: BTreeMap<PathBuf, Arc<Content>>,
}

#[derive(Default)]
struct Content {
    bytes: Mutex<ContentBytes>,
    locked: AtomicBool,
}

#[derive(Default)]
struct ContentBytes {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync.
    pending: Vec<Pending>,
    full: bool,
}

enum Pending {
    Sector(u64, Vec<u8>),
    Length(usize),
}

struct Handle {
    content: Arc<Content>,
    holds_lock: AtomicBool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.holds_lock.load(Ordering::Relaxed) {
            self.content.locked.store(false, Ordering::Relaxed);
        }
    }
}

impl MemoryDisk {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// What is left after the power was cut; `keep` decides on each unsynced sector.
    pub(super) fn cut_power(&self, mut keep: impl FnMut() -> bool) -> Arc<Self> {
        let names = self.names.lock();
        let survives = |content: &Arc<Content>, keep: &mut dyn FnMut() -> bool| {
            let bytes = content.bytes.lock();
            let mut left = bytes.durable.clone();
            let mut lengths_kept = true;
            for pending in &bytes.pending {
                match pending {
                    Pending::Sector(at, data) if keep() => write(&mut left, data, *at),
                    Pending::Sector(..) => {}
                    Pending::Length(length) => {
                        lengths_kept = lengths_kept && keep();
                        if lengths_kept {
                            left.resize(*length, 0);
                        }
                    }
                }
            }
            Arc::new(Content::holding(left))
        };
        let left: BTreeMap<_, _> = names
            .durable
            .iter()
            .map(|(path, content)| (path.clone(), survives(content, &mut keep)))
            .collect();
        let names = Mutex::new(Names { now: left.clone(), durable: left });
        Arc::new(Self { names })
    }

    /// Changes a byte behind everyone's back.
    pub(super) fn flip(&self, path: &Path, at: u64) {
        let content = self.names.lock().now[path].clone();
        let mut bytes = content.bytes.lock();
        bytes.now[at as usize] ^= 0x10;
        bytes.durable[at as usize] ^= 0x10;
    }

    pub(super) fn cut_file(&self, path: &Path, length: usize) {
        let content = self.names.lock().now[path].clone();
        let mut bytes = content.bytes.lock();
        bytes.now.truncate(length);
        bytes.durable.truncate(length);
    }

    pub(super) fn content(&self, path: &Path) -> Vec<u8> {
        let content = self.names.lock().now[path].clone();
        let bytes = content.bytes.lock();
        bytes.now.clone()
    }

    /// From now on writes to this file fail for lack of space.
    pub(super) fn fill(&self, path: &Path) {
        self.names.lock().now[path].bytes.lock().full = true;
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.names.lock().now.keys().cloned().collect()
    }
}

impl Content {
    fn holding(bytes: Vec<u8>) -> Self {
        let bytes = ContentBytes { now: bytes.clone(), durable: bytes, ..Default::default() };
        Self { bytes: Mutex::new(bytes), locked: AtomicBool::new(false) }
    }
}

fn write(bytes: &mut Vec<u8>, data: &[u8], at: u64) {
    let at = at as usize;
    if bytes.len() < at + data.len() {
        bytes.resize(at + data.len(), 0);
    }
    bytes[at..at + data.len()].copy_from_slice(data);
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut names = self.names.lock();
        let found = names.now.get(path).cloned();
        let content = match (found, how) {
            (Some(_), Open::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(content), _) => content,
            (None, Open::Read | Open::Existing) => return Err(io::ErrorKind::NotFound.into()),
            (None, Open::Create | Open::CreateNew) => {
                let content = Arc::<Content>::default();
                names.now.insert(path.into(), content.clone());
                content
            }
        };
        Ok(Arc::new(Handle { content, holds_lock: AtomicBool::new(false) }))
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let names = self.names.lock();
        let inside = names.now.keys().filter(|name| name.parent() == Some(path));
        Ok(inside.filter_map(|name| Some(name.file_name()?.to_string_lossy().into())).collect())
    }

    fn exists(&self, path: &Path) -> bool {
        self.names.lock().now.contains_key(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.names.lock();
        let content = names.now.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.now.insert(to.into(), content);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.names.lock().now.remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut names = self.names.lock();
        names.durable = names.now.clone();
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.content.bytes.lock();
        let start = bytes.now.len().min(offset as usize);
        let count = buffer.len().min(bytes.now.len() - start);
        buffer[..count].copy_from_slice(&bytes.now[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.content.bytes.lock();
        if bytes.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        write(&mut bytes.now, data, offset);
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let in_sector = (SECTOR - at % SECTOR).min(rest.len() as u64) as usize;
            bytes.pending.push(Pending::Sector(at, rest[..in_sector].to_vec()));
            at += in_sector as u64;
            rest = &rest[in_sector..];
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content.bytes.lock().now.len() as u64)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut bytes = self.content.bytes.lock();
        if bytes.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        bytes.now.resize(length as usize, 0);
        bytes.pending.push(Pending::Length(length as usize));
        Ok(())
    }

    fn zero_to(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut bytes = self.content.bytes.lock();
        bytes.pending.clear();
        bytes.durable = bytes.now.clone();
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn try_lock(&self) -> io::Result<bool> {
        let free = !self.content.locked.swap(true, Ordering::Relaxed);
        if free {
            self.holds_lock.store(true, Ordering::Relaxed);
        }
        Ok(free)
    }
}
