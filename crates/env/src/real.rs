//! The operating system behind the traits.

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};
use rustix::io::Errno;

use crate::{Disk, File, Open};

/// Mode of every file we make, as etcd's: owner only.
const FILE_MODE: u32 = 0o600;
/// Mode of every directory we make.
const DIRECTORY_MODE: u32 = 0o700;
/// Bytes of zeroes written at a time when a segment is prepared.
const ZERO_CHUNK_BYTES: usize = 1024 * 1024;
/// `FALLOC_FL_WRITE_ZEROES`, younger than the binding.
const WRITE_ZEROES: u32 = 0x80;

/// The local file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).mode(FILE_MODE);
        match how {
            Open::Read => {}
            Open::Existing => {
                options.write(true);
            }
            Open::Create => {
                options.write(true).create(true).truncate(false);
            }
            Open::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

struct RealFile(fs::File);

impl RealFile {
    /// Asks the device to zero by itself (Linux 6.17 on devices that can): blocks are then marked
    /// written without a byte being sent. `false` where that is not to be had.
    fn zero_by_device(&self, length: u64) -> bool {
        fallocate(&self.0, FallocateFlags::from_bits_retain(WRITE_ZEROES), 0, length).is_ok()
    }

    fn zero_by_writing(&self, length: u64) -> io::Result<()> {
        let zeroes = vec![0; ZERO_CHUNK_BYTES];
        let mut offset = 0;
        while offset < length {
            let n = usize::try_from(length - offset).unwrap_or(usize::MAX).min(ZERO_CHUNK_BYTES);
            self.0.write_all_at(&zeroes[..n], offset)?;
            offset += n as u64;
        }
        Ok(())
    }
}

impl File for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn zero_to(&self, length: u64) -> io::Result<()> {
        self.0.set_len(0)?;
        if length > 0 && !self.zero_by_device(length) {
            self.zero_by_writing(length)?;
        }
        self.0.set_len(length)?;
        self.0.sync_all()?;
        // The zeroes were cached in large pieces; written over in that form, each small write
        // would be counted (and by some file systems written back) as a whole piece.
        let _ = fadvise(&self.0, 0, NonZeroU64::new(length), Advice::DontNeed);
        Ok(())
    }

    fn reserve_to(&self, length: u64) -> io::Result<()> {
        self.0.set_len(0)?;
        match fallocate(&self.0, FallocateFlags::empty(), 0, length) {
            Ok(()) => {}
            // Some file systems have no reservation; the room is then taken when written.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.0.set_len(length)?,
            Err(e) => return Err(e.into()),
        }
        self.0.sync_all()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(e)) => Err(e),
        }
    }
}
