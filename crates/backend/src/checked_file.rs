//! The database file with a checksum for every page, kept outside the pages.
//!
//! The engine sees a plain run of bytes. On disk, page 0 names the format; then come groups of
//! one page of checksums and the 1024 pages they cover. A page is verified whenever it is read,
//! before the engine looks at it, so damage is an error with an offset and never a surprise
//! inside the engine. The engine's own header (its first 320 bytes) is overwritten in place, so
//! its checksum travels in the same 512-byte sector: sectors are taken to be written whole.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use ketch_env::File;
use parking_lot::RwLock;

use crate::error::Damage;
use crate::page_sums::{GROUP_PAGES, PAGE, PageSums, page_sum};

/// Bytes of the engine's header that are rewritten in place at every commit.
const HEADER_BYTES: usize = 320;
/// The unit a disk writes whole.
const SECTOR: usize = 512;
/// Where in its sector the header's checksum stands.
const HEADER_SUM_AT: usize = SECTOR - 4;
/// First bytes of every database file.
const MAGIC: &[u8; 8] = b"ketchdb\n";
/// Layout of this module; changes with anything a reader must know.
const LAYOUT: u32 = 1;
/// Used part of page 0: magic, layout, page size, checksum.
const SUPER_BYTES: usize = 20;

/// One open database file.
pub(crate) struct CheckedFile {
    file: Arc<dyn File>,
    sums: RwLock<PageSums>,
    first_damage: OnceLock<Damage>,
}

impl CheckedFile {
    /// Makes an empty file valid.
    pub(crate) fn create(file: Arc<dyn File>) -> io::Result<Self> {
        file.set_len(PAGE as u64)?;
        file.write_at(&super_page(), 0)?;
        file.sync_all()?;
        let sums = RwLock::new(PageSums::default());
        Ok(Self { file, sums, first_damage: OnceLock::new() })
    }

    /// Opens a file made by [`CheckedFile::create`].
    pub(crate) fn open(file: Arc<dyn File>) -> io::Result<Self> {
        let length = file.len()?;
        let mut head = [0; SUPER_BYTES];
        let got = file.read_at(&mut head, 0)?;
        if got < SUPER_BYTES || head != super_page() {
            let what = "not a ketch database, or its first bytes are damaged".to_owned();
            return Err(Damage { offset: 0, what }.into());
        }
        if !length.is_multiple_of(PAGE as u64) {
            return Err(Damage { offset: length, what: "file ends inside a page".into() }.into());
        }
        let sums = PageSums::load(&*file, length / PAGE as u64 - 1)?;
        if sums.pages() == 0 {
            // The engine would begin anew in an empty file.
            return Err(Damage { offset: length, what: "file ends too early".into() }.into());
        }
        let sums = RwLock::new(sums);
        Ok(Self { file, sums, first_damage: OnceLock::new() })
    }

    /// Bytes of the file that hold or held data; holes from growing ahead do not count.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.sums.read().used_pages() * PAGE as u64
    }

    /// Cuts up to `bytes` off the end of a file that nobody reads any more and that has no name;
    /// `false` when nothing is left.
    pub(crate) fn give_back(&self, bytes: u64) -> io::Result<bool> {
        let left = self.file.len()?.saturating_sub(bytes);
        self.file.set_len(left)?;
        Ok(left > 0)
    }

    /// The first damage met since the file was opened.
    pub(crate) fn first_damage(&self) -> Option<&Damage> {
        self.first_damage.get()
    }

    fn damage(&self, offset: u64, what: String) -> io::Error {
        let damage = Damage { offset, what };
        self.first_damage.get_or_init(|| damage.clone());
        damage.into()
    }

    fn read_exact(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let got = self.file.read_at(out, at)?;
        if got < out.len() {
            return Err(self.damage(at + got as u64, "file ends too early".into()));
        }
        Ok(())
    }

    fn read_header(&self, out: &mut [u8]) -> io::Result<()> {
        let at = physical(0);
        let mut sector = [0; SECTOR];
        self.read_exact(&mut sector, at)?;
        let found = crc32c::crc32c(&sector[..HEADER_SUM_AT]);
        let expected = u32::from_le_bytes(sum_bytes(&sector[HEADER_SUM_AT..]));
        if found != expected {
            let what = format!("header checksum is {found:08x}, expected {expected:08x}");
            return Err(self.damage(at, what));
        }
        out.copy_from_slice(&sector[..out.len()]);
        Ok(())
    }

    fn write_header(&self, data: &[u8]) -> io::Result<()> {
        let mut sector = [0; SECTOR];
        sector[..data.len()].copy_from_slice(data);
        let sum = crc32c::crc32c(&sector[..HEADER_SUM_AT]);
        sector[HEADER_SUM_AT..].copy_from_slice(&sum.to_le_bytes());
        self.file.write_at(&sector, physical(0))
    }

    fn verify(&self, first_page: u64, data: &[u8]) -> io::Result<()> {
        let sums = self.sums.read();
        for (page, bytes) in (first_page..).zip(data.chunks_exact(PAGE)) {
            let expected = sums.get(page);
            let found = page_sum(page, bytes);
            // A page never written is a hole and reads as zeroes.
            let hole = expected == 0 && bytes.iter().all(|b| *b == 0);
            if found != expected && !hole {
                drop(sums);
                let what = format!("page checksum is {found:08x}, expected {expected:08x}");
                return Err(self.damage(physical(page), what));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for CheckedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedFile").finish_non_exhaustive()
    }
}

/// What the engine holds: the file is also asked for its damage and size by others.
#[derive(Clone, Debug)]
pub(crate) struct EngineFile(pub(crate) Arc<CheckedFile>);

impl redb::StorageBackend for EngineFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.sums.read().pages() * PAGE as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset == 0 && out.len() <= HEADER_BYTES {
            return self.0.read_header(out);
        }
        for_each_run(offset, out.len(), |page, range| {
            let part = &mut out[range];
            self.0.read_exact(part, physical(page))?;
            self.0.verify(page, part)
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let pages = length.div_ceil(PAGE as u64);
        let groups = pages.div_ceil(GROUP_PAGES);
        self.0.file.set_len((1 + groups + pages) * PAGE as u64)?;
        self.0.sums.write().set_pages(pages);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let dirty = self.0.sums.write().take_dirty();
        for (group, block) in dirty {
            self.0.file.write_at(&block, sums_at(group))?;
        }
        self.0.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset == 0 && data.len() <= HEADER_BYTES {
            return self.0.write_header(data);
        }
        for_each_run(offset, data.len(), |page, range| {
            let part = &data[range];
            self.0.file.write_at(part, physical(page))?;
            let mut sums = self.0.sums.write();
            for (page, bytes) in (page..).zip(part.chunks_exact(PAGE)) {
                sums.set(page, page_sum(page, bytes));
            }
            Ok(())
        })
    }
}

/// Cuts whole pages at group borders, where the file is not contiguous.
fn for_each_run(
    offset: u64,
    length: usize,
    mut run: impl FnMut(u64, std::ops::Range<usize>) -> io::Result<()>,
) -> io::Result<()> {
    if offset == 0 || !offset.is_multiple_of(PAGE as u64) || !length.is_multiple_of(PAGE) {
        let text = format!("{length} bytes at {offset} are not whole pages");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mut page = offset / PAGE as u64;
    let mut done = 0;
    while done < length {
        let left_in_group = GROUP_PAGES - page % GROUP_PAGES;
        let pages = left_in_group.min(((length - done) / PAGE) as u64);
        let bytes = usize::try_from(pages).map_or(length - done, |pages| pages * PAGE);
        run(page, done..done + bytes)?;
        page += pages;
        done += bytes;
    }
    Ok(())
}

/// Where a page of the engine is in the file.
fn physical(page: u64) -> u64 {
    (1 + page / GROUP_PAGES + 1 + page) * PAGE as u64
}

/// Where the checksums of a group are in the file.
pub(crate) fn sums_at(group: u64) -> u64 {
    (1 + group * (GROUP_PAGES + 1)) * PAGE as u64
}

fn super_page() -> [u8; SUPER_BYTES] {
    let mut out = [0; SUPER_BYTES];
    out[..8].copy_from_slice(MAGIC);
    out[8..12].copy_from_slice(&LAYOUT.to_le_bytes());
    out[12..16].copy_from_slice(&(PAGE as u32).to_le_bytes());
    let sum = crc32c::crc32c(&out[..16]);
    out[16..].copy_from_slice(&sum.to_le_bytes());
    out
}

fn sum_bytes(bytes: &[u8]) -> [u8; 4] {
    let mut out = [0; 4];
    out.copy_from_slice(&bytes[..4]);
    out
}
