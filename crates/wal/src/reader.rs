//! Reading a log from a place on, verified.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ketch_base::Index;
use ketch_env::{Disk, File, Open};

use crate::branch::Branch;
use crate::error::{Damage, Error, Fault};
use crate::item::{Item, Metadata};
use crate::scan::Scan;
use crate::segment::{self, Name};
use crate::step::{Step, step};

/// A segment opened.
#[derive(Clone)]
pub(crate) struct Segment {
    pub(crate) name: Name,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
}

/// A pass over the log from the segment that covers an index to the end.
pub struct Reader {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) from: u64,
    /// All segments of the pass; they stay locked.
    pub(crate) segments: Vec<Segment>,
    ahead: VecDeque<Segment>,
    current: Segment,
    pub(crate) scan: Scan,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) at_end: bool,
    pub(crate) torn: Option<Damage>,
    pub(crate) branch: Branch,
    /// Entries given out so far do not count any more.
    pub(crate) is_cut: bool,
}

impl Reader {
    /// Opens for reading on and then writing: every segment is locked.
    ///
    /// # Errors
    /// [`Error::NoSegment`] if the log begins behind `from`, [`Error::Missing`] for a gap,
    /// [`Error::Locked`], [`Error::Io`].
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, from: Index) -> Result<Self, Error> {
        Self::open_as(disk, dir, from, Open::Existing)
    }

    /// Opens for looking only: nothing is locked, nothing can be written.
    ///
    /// # Errors
    /// As [`Reader::open`], without the lock.
    pub fn inspect(disk: Arc<dyn Disk>, dir: &Path, from: Index) -> Result<Self, Error> {
        Self::open_as(disk, dir, from, Open::Read)
    }

    fn open_as(disk: Arc<dyn Disk>, dir: &Path, from: Index, how: Open) -> Result<Self, Error> {
        let names = segment::covering(&segment::list(&*disk, dir)?, dir, from.0)?;
        let mut segments = Vec::with_capacity(names.len());
        for name in names {
            let path = name.path(dir);
            let file = disk.open(&path, how).map_err(Error::io(&path))?;
            if how != Open::Read && !file.try_lock().map_err(Error::io(&path))? {
                return Err(Error::Locked { path });
            }
            segments.push(Segment { name, path, file });
        }
        let mut ahead: VecDeque<Segment> = segments.iter().cloned().collect();
        let no_segment = || Error::NoSegment { dir: dir.to_path_buf(), from: from.0 };
        let current = ahead.pop_front().ok_or_else(no_segment)?;
        let scan = Scan::new(Arc::clone(&current.file), 0).map_err(Error::io(&current.path))?;
        Ok(Self {
            disk,
            dir: dir.to_path_buf(),
            from: from.0,
            segments,
            ahead,
            current,
            scan,
            metadata: None,
            at_end: false,
            torn: None,
            branch: Branch::default(),
            is_cut: false,
        })
    }

    /// The next record; entries up to the index asked for are left out. `None` at the end, also
    /// at a torn one, see [`Reader::torn`].
    ///
    /// # Errors
    /// [`Damage::Corrupt`] (and [`Error::Io`]); there is no reading on after it.
    #[expect(clippy::should_implement_trait, reason = "an iterator would go on after an error")]
    pub fn next(&mut self) -> Result<Option<Item>, Error> {
        while !self.at_end {
            let step = step(&mut self.scan, self.ahead.is_empty());
            match step.map_err(Error::io(&self.current.path))? {
                Step::Item(offset, item) => {
                    if let Some(item) = self.accept(item, offset)? {
                        return Ok(Some(item));
                    }
                }
                Step::End => self.end_of_segment()?,
                Step::Torn { offset, fault } => {
                    let segment = self.current.path.clone();
                    self.torn = Some(Damage::TornTail { segment, offset, fault });
                    self.at_end = true;
                }
                Step::Corrupt { offset, fault } => return Err(self.corrupt(offset, fault)),
            }
        }
        Ok(None)
    }

    /// The torn tail met at the end, if any; repaired by [`Reader::recover`].
    pub fn torn(&self) -> Option<&Damage> {
        self.torn.as_ref()
    }

    /// An error at the record read last.
    pub(crate) fn corrupt(&self, offset: u64, fault: Fault) -> Error {
        Damage::Corrupt { segment: self.current.path.clone(), offset, fault }.into()
    }

    fn accept(&mut self, item: Item, offset: u64) -> Result<Option<Item>, Error> {
        match item {
            Item::Entry(ref entry) => {
                let replaces = self.branch.push(entry.index(), entry.term());
                let is_wanted = entry.index() > self.from;
                // Those behind the index asked for are replaced with the ones before it.
                self.is_cut |= replaces && !is_wanted;
                Ok(is_wanted.then_some(item))
            }
            Item::Snapshot(ref mark) => {
                self.is_cut |= self.branch.mark(mark.index(), mark.term());
                Ok(Some(item))
            }
            Item::Metadata(found) => {
                if self.metadata.is_some_and(|known| known != found) {
                    return Err(self.corrupt(offset, Fault::Metadata));
                }
                let is_first = self.metadata.replace(found).is_none();
                Ok(is_first.then_some(item))
            }
            other => Ok(Some(other)),
        }
    }

    fn end_of_segment(&mut self) -> Result<(), Error> {
        let Some(next) = self.ahead.pop_front() else {
            self.at_end = true;
            return Ok(());
        };
        let scan = Scan::new(Arc::clone(&next.file), self.scan.crc());
        self.scan = scan.map_err(Error::io(&next.path))?;
        self.current = next;
        Ok(())
    }
}

/// Reads one segment from memory, as the last and only one of a log: the entry for fuzzing and
/// for tools. Returns what was read, and why reading stopped if not at a clean end.
pub fn decode(segment: Bytes) -> (Vec<Item>, Option<Damage>) {
    let mut items = Vec::new();
    let path = PathBuf::new();
    let Ok(mut scan) = Scan::new(Arc::new(Memory(segment)), 0) else { return (items, None) };
    loop {
        match step(&mut scan, true) {
            Ok(Step::Item(_, item)) => items.push(item),
            Ok(Step::Torn { offset, fault }) => {
                return (items, Some(Damage::TornTail { segment: path, offset, fault }));
            }
            Ok(Step::Corrupt { offset, fault }) => {
                return (items, Some(Damage::Corrupt { segment: path, offset, fault }));
            }
            Ok(Step::End) | Err(_) => return (items, None),
        }
    }
}

/// Bytes as a file that can only be read.
struct Memory(Bytes);

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

    fn write_at(&self, _data: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn set_len(&self, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn zero_to(&self, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
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
