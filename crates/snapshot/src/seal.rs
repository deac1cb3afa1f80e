//! The digest that closes a snapshot file.

use std::path::Path;

use ketch_env::File;
use sha2::{Digest, Sha256};

use crate::bolt::Error;

/// Bytes of the digest at the end of a snapshot file.
pub const DIGEST_BYTES: usize = 32;
/// A database is a multiple of this; what is 32 bytes longer carries a digest.
const SECTOR_BYTES: u64 = 512;
/// Bytes read at a time.
const READ_BYTES: usize = 1024 * 1024;

/// What the end of a snapshot file says about the bytes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Bytes of the database itself.
    pub db_bytes: u64,
    /// The digest at the end; `None` if the file's length leaves no place for one.
    pub stored: Option<[u8; DIGEST_BYTES]>,
    /// The digest of the bytes before it.
    pub computed: [u8; DIGEST_BYTES],
}

impl Seal {
    /// Whether there is a digest and it is the right one.
    pub fn is_valid(&self) -> bool {
        self.stored == Some(self.computed)
    }
}

/// Reads a snapshot file once and compares it with the digest at its end.
///
/// # Errors
/// Only those of reading; a wrong digest is told by [`Seal::is_valid`].
pub fn verify(file: &dyn File, path: &Path) -> Result<Seal, Error> {
    let io = |source| Error::Io { path: path.into(), source };
    let length = file.len().map_err(io)?;
    let has_digest = length % SECTOR_BYTES == DIGEST_BYTES as u64;
    let db_bytes = if has_digest { length - DIGEST_BYTES as u64 } else { length };
    let mut hash = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut offset = 0;
    while offset < db_bytes {
        let want = usize::try_from(db_bytes - offset).unwrap_or(READ_BYTES).min(READ_BYTES);
        let n = file.read_at(&mut buffer[..want], offset).map_err(io)?;
        if n == 0 {
            return Err(Error::corrupt(path, offset, "file became shorter while it was read"));
        }
        hash.update(&buffer[..n]);
        offset += n as u64;
    }
    let mut stored = [0; DIGEST_BYTES];
    let is_stored = has_digest && file.read_at(&mut stored, db_bytes).map_err(io)? == DIGEST_BYTES;
    Ok(Seal { db_bytes, stored: is_stored.then_some(stored), computed: hash.finalize().into() })
}
