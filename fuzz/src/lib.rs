//! Files in memory, shared by the fuzz targets. `cargo xtask fuzz` runs every target for a while.

use std::io;
use std::sync::Arc;

use ketch_env::File;

/// A file nobody can write to.
struct Memory(Vec<u8>);

/// A file of these bytes.
pub fn file(bytes: Vec<u8>) -> Arc<dyn File> {
    Arc::new(Memory(bytes))
}

impl File for Memory {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let n = buffer.len().min(self.0.len() - from);
        buffer[..n].copy_from_slice(&self.0[from..from + n]);
        Ok(n)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn zero_to(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }
}
