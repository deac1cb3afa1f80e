//! Appending to a log.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ketch_base::{Index, limits};
use ketch_env::Disk;
use ketch_raft_proto::raftpb::{Entry, HardState};
use ketch_raft_proto::walpb::Snapshot;

use crate::encode::Encoder;
use crate::error::Error;
use crate::item::Metadata;
use crate::prepare::{self, Preparer};
use crate::reader::Segment;
use crate::segment::{self, Name};
use crate::tail::Tail;

/// How the room of a segment is made ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// Zeroed or reserved, whichever writes less with writes as large as those of the segment
    /// before. The first segment is zeroed.
    #[default]
    Adaptive,
    /// Zeroes on disk: the fastest syncs.
    Zeroed,
    /// Blocks reserved, nothing written ahead: each sync has more to record.
    Reserved,
}

/// How a log is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Size at which the next segment is begun; a multiple of 4096.
    pub segment_bytes: u64,
    /// How segments are made ready.
    pub room: Room,
}

impl Default for Config {
    fn default() -> Self {
        Self { segment_bytes: limits::WAL_SEGMENT_BYTES, room: Room::default() }
    }
}

/// What a writer did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of records written, frames included.
    pub record_bytes: u64,
    /// Bytes handed to the disk, whole blocks; preparing segments not counted.
    pub written_bytes: u64,
    /// Calls of `fdatasync`.
    pub syncs: u64,
    /// Segments begun.
    pub cuts: u64,
}

/// Where a writer goes on.
pub(crate) struct Start {
    pub(crate) metadata: Metadata,
    pub(crate) hard_state: HardState,
    pub(crate) last_index: u64,
    pub(crate) crc: u32,
    pub(crate) offset: u64,
}

/// The end of a log.
///
/// Invariant: entries saved are synced before the next save begins, so that a hard state, the last
/// record of a save, marks all before it as durable once anything stands behind it (see `judge`).
pub struct Writer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    config: Config,
    metadata: Metadata,
    hard_state: HardState,
    last_index: u64,
    /// In order; the last is being written.
    segments: VecDeque<Segment>,
    encoder: Encoder,
    tail: Tail,
    must_sync: bool,
    failed: bool,
    preparer: Preparer,
    stats: Stats,
    /// As of the start of the segment.
    stats_before: Stats,
}

impl Writer {
    /// Makes a log: in a directory beside, renamed when whole, so that a crash leaves all or
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is a log, [`Error::Locked`] if another process is making it,
    /// [`Error::Io`].
    pub fn create(
        disk: Arc<dyn Disk>,
        dir: &Path,
        metadata: Metadata,
        config: Config,
    ) -> Result<Self, Error> {
        if disk.exists(dir) && !segment::list(&*disk, dir)?.is_empty() {
            return Err(Error::Exists { dir: dir.to_path_buf() });
        }
        let (parent, making) = beside(dir);
        disk.create_dir_all(&making).map_err(Error::io(&making))?;
        let name = Name { seq: 0, index: 0 };
        let path = name.path(&making);
        let file = prepare::make(&*disk, &path, config, false)?;

        let mut encoder = Encoder::default();
        let mut tail = Tail::new(Arc::clone(&file));
        encoder.crc(&mut tail.buffer);
        encoder.metadata(&mut tail.buffer, metadata);
        let start = Snapshot { index: Some(0), term: Some(0), conf_state: None };
        encoder.snapshot(&mut tail.buffer, &start);
        tail.write().map_err(Error::io(&path))?;
        file.sync_all().map_err(Error::io(&path))?;
        disk.sync_dir(&making).map_err(Error::io(&making))?;
        disk.rename(&making, dir).map_err(Error::io(dir))?;
        disk.sync_dir(&parent).map_err(Error::io(&parent))?;

        let preparer = Preparer::new(Arc::clone(&disk), dir.to_path_buf(), config);
        let segment = Segment { name, path: name.path(dir), file };
        Ok(Self {
            disk,
            dir: dir.to_path_buf(),
            config,
            metadata,
            hard_state: HardState::default(),
            last_index: 0,
            segments: VecDeque::from([segment]),
            encoder,
            tail,
            must_sync: false,
            failed: false,
            preparer,
            stats: Stats::default(),
            stats_before: Stats::default(),
        })
    }

    pub(crate) fn resume(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        segments: Vec<Segment>,
        start: Start,
        config: Config,
    ) -> Result<Self, Error> {
        let no_segment = || Error::NoSegment { dir: dir.clone(), from: start.last_index };
        let last = segments.last().ok_or_else(no_segment)?;
        let tail = Tail::resume(Arc::clone(&last.file), start.offset);
        let tail = tail.map_err(Error::io(&last.path))?;
        let preparer = Preparer::new(Arc::clone(&disk), dir.clone(), config);
        let mut writer = Self {
            disk,
            dir,
            config,
            metadata: start.metadata,
            hard_state: start.hard_state,
            last_index: start.last_index,
            segments: segments.into(),
            encoder: Encoder::new(start.crc),
            tail,
            must_sync: false,
            failed: false,
            preparer,
            stats: Stats::default(),
            stats_before: Stats::default(),
        };
        if start.offset == 0 {
            writer.head();
            writer.write()?;
            writer.must_sync = true;
            writer.sync()?;
        }
        Ok(writer)
    }

    /// Appends entries, then the hard state, in one write. Not durable before [`Writer::sync`].
    /// A segment grown to its size is synced and the next begun.
    ///
    /// Callers should hand over all they have in one call: a save behind another whose entries
    /// are not synced yet syncs them first.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Failed`] for ever after.
    pub fn save<'a>(
        &mut self,
        entries: impl IntoIterator<Item = &'a Entry>,
        hard_state: Option<&HardState>,
    ) -> Result<(), Error> {
        self.sync()?;
        for entry in entries {
            self.encoder.entry(&mut self.tail.buffer, entry);
            self.last_index = entry.index();
            self.must_sync = true;
        }
        if let Some(state) = hard_state.filter(|state| **state != HardState::default()) {
            self.encoder.state(&mut self.tail.buffer, state);
            let known = self.hard_state;
            self.must_sync |= (state.term(), state.vote()) != (known.term(), known.vote());
            self.hard_state = *state;
        }
        self.write()?;
        if self.tail.offset() >= self.config.segment_bytes { self.cut() } else { Ok(()) }
    }

    /// Makes everything saved durable. Does nothing where nothing must be: a hard state that only
    /// moves the commit index may be lost. `true` if it synced.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Failed`] for ever after.
    pub fn sync(&mut self) -> Result<bool, Error> {
        if self.failed {
            return Err(Error::Failed);
        }
        if !self.must_sync {
            return Ok(false);
        }
        self.must_sync = false;
        self.stats.syncs += 1;
        let done = self.tail.file.sync_data();
        self.on_tail(done)?;
        let record_bytes = self.stats.record_bytes - self.stats_before.record_bytes;
        let syncs = self.stats.syncs - self.stats_before.syncs;
        self.preparer.note(self.tail.offset(), record_bytes / syncs.max(1));
        Ok(true)
    }

    /// Records, durably, that a snapshot was taken.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Failed`] for ever after.
    pub fn mark_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.sync()?;
        self.encoder.snapshot(&mut self.tail.buffer, snapshot);
        self.last_index = self.last_index.max(snapshot.index());
        self.write()?;
        self.must_sync = true;
        self.sync().map(|_| ())
    }

    /// Removes the segments that are not needed to read on from `index`; returns how many.
    ///
    /// # Errors
    /// [`Error::Io`]; the log can go on.
    pub fn release(&mut self, index: Index) -> Result<usize, Error> {
        let mut removed = 0;
        while self.segments.get(1).is_some_and(|second| second.name.index <= index.0) {
            let path = self.segments[0].path.clone();
            self.disk.remove_file(&path).map_err(Error::io(&path))?;
            self.segments.pop_front();
            removed += 1;
        }
        Ok(removed)
    }

    /// Makes the next segment ready on another thread.
    pub fn preparer(&self) -> Preparer {
        self.preparer.clone()
    }

    /// Whose log it is.
    pub fn metadata(&self) -> Metadata {
        self.metadata
    }

    /// What was done so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Segments on disk.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    fn head(&mut self) {
        self.encoder.crc(&mut self.tail.buffer);
        self.encoder.metadata(&mut self.tail.buffer, self.metadata);
        if self.hard_state != HardState::default() {
            self.encoder.state(&mut self.tail.buffer, &self.hard_state);
        }
    }

    fn write(&mut self) -> Result<(), Error> {
        self.stats.record_bytes += self.tail.unwritten_bytes();
        let written = self.tail.write();
        self.stats.written_bytes += self.on_tail(written)?;
        Ok(())
    }

    /// Ends the segment where it stands and begins the next. The old one is durable before the new
    /// one has its name, and the new one's head before its name as well: no crash leaves a segment
    /// without head, or one missing between two.
    fn cut(&mut self) -> Result<(), Error> {
        let old = &self.tail.file;
        let ended = old.set_len(self.tail.offset()).and_then(|()| old.sync_all());
        self.on_tail(ended)?;
        self.must_sync = false;
        self.stats.syncs += 1;
        self.stats.cuts += 1;
        let begun = self.begin_segment();
        self.failed |= begun.is_err();
        begun
    }

    fn begin_segment(&mut self) -> Result<(), Error> {
        let prepared = self.preparer.take()?;
        let seq = self.segments.back().map_or(0, |segment| segment.name.seq + 1);
        let name = Name { seq, index: self.last_index + 1 };
        let path = name.path(&self.dir);
        self.tail = Tail::new(Arc::clone(&prepared.file));
        self.head();
        self.write()?;
        self.stats.syncs += 1;
        prepared.file.sync_all().map_err(Error::io(&prepared.path))?;
        self.disk.rename(&prepared.path, &path).map_err(Error::io(&path))?;
        self.disk.sync_dir(&self.dir).map_err(Error::io(&self.dir))?;
        self.segments.push_back(Segment { name, path, file: prepared.file });
        self.stats_before = self.stats;
        self.preparer.note(self.tail.offset(), 0);
        Ok(())
    }

    /// Turns a failure at the tail into the end of this writer.
    fn on_tail<T>(&mut self, result: std::io::Result<T>) -> Result<T, Error> {
        result.map_err(|source| {
            self.failed = true;
            let path = self.segments.back().map_or_else(|| self.dir.clone(), |s| s.path.clone());
            Error::Io { path, source }
        })
    }
}

/// The parent of a log directory, and where the log is made.
fn beside(dir: &Path) -> (PathBuf, PathBuf) {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut making = dir.as_os_str().to_owned();
    making.push(".tmp");
    (parent.unwrap_or(Path::new(".")).to_path_buf(), making.into())
}
