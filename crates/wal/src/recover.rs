//! From reading to writing: what the log says after a start, and the writer that goes on with it.

use std::path::{Path, PathBuf};

use ketch_env::{Disk, File, Open};
use ketch_raft_proto::raftpb::{Entry, HardState};
use ketch_raft_proto::walpb::Snapshot;

use crate::error::{Damage, Error, Fault};
use crate::item::{Item, Metadata};
use crate::prepare;
use crate::reader::{Reader, Segment};
use crate::writer::{Config, Start, Writer};

/// Bytes copied or zeroed at a time.
const CHUNK_BYTES: usize = 1024 * 1024;

/// The log from the index asked for, as it counts: entries that were replaced are gone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// Whose log it is.
    pub metadata: Metadata,
    /// The last hard state, zero if there is none.
    pub hard_state: HardState,
    /// Entries behind the index asked for, without gap.
    pub entries: Vec<Entry>,
    /// The term at the index asked for, if that place was met.
    pub from_term: Option<u64>,
    /// Snapshot records met.
    pub snapshots: Vec<Snapshot>,
    /// The torn tail that was cut off.
    pub repaired: Option<Damage>,
}

impl Reader {
    /// Reads to the end, repairs a torn tail and opens the log for writing behind it. All that was
    /// read is durable then.
    ///
    /// # Errors
    /// Those of [`Reader::next`]; [`Error::NoMetadata`].
    pub fn recover(mut self, config: Config) -> Result<(Recovered, Writer), Error> {
        let recovered = self.read_all()?;
        let last = self.segments.last().cloned();
        let Some(last) = last else { return Err(self.no_segment()) };
        if recovered.repaired.is_some() {
            keep_broken(&*self.disk, &last)?;
            last.file.set_len(self.scan.offset()).map_err(Error::io(&last.path))?;
        }
        // What was read may be in the page cache only: the process died, the machine did not.
        refill(&*last.file, config.segment_bytes)
            .and_then(|()| last.file.sync_all())
            .map_err(Error::io(&last.path))?;
        prepare::remove_unused(&*self.disk, &self.dir)?;
        self.disk.sync_dir(&self.dir).map_err(Error::io(&self.dir))?;
        let before_segment = last.name.index.saturating_sub(1);
        let last_index = recovered.entries.last().map_or(self.from, Entry::index);
        let start = Start {
            metadata: recovered.metadata,
            hard_state: recovered.hard_state,
            last_index: last_index.max(before_segment),
            crc: self.scan.crc(),
            offset: self.scan.offset(),
        };
        let writer = Writer::resume(self.disk, self.dir, self.segments, start, config)?;
        Ok((recovered, writer))
    }

    /// Reads to the end, without repair.
    ///
    /// # Errors
    /// Those of [`Reader::next`]; [`Error::NoMetadata`].
    pub fn read_all(&mut self) -> Result<Recovered, Error> {
        let mut recovered = Recovered::default();
        while let Some(item) = self.next()? {
            self.drop_cut(&mut recovered.entries);
            match item {
                Item::Metadata(metadata) => recovered.metadata = metadata,
                Item::HardState(state) => recovered.hard_state = state,
                Item::Snapshot(snapshot) => recovered.snapshots.push(snapshot),
                Item::Entry(entry) => self.push(&mut recovered.entries, entry)?,
            }
        }
        if self.metadata.is_none() {
            return Err(Error::NoMetadata { dir: self.dir.clone() });
        }
        self.drop_cut(&mut recovered.entries);
        recovered.from_term = self.branch.term(self.from);
        recovered.repaired = self.torn.clone();
        Ok(recovered)
    }

    /// Entries of a history that never was are forgotten.
    fn drop_cut(&mut self, entries: &mut Vec<Entry>) {
        if std::mem::take(&mut self.is_cut) {
            entries.clear();
        }
    }

    /// An entry replaces the one of its index and all behind.
    fn push(&self, entries: &mut Vec<Entry>, entry: Entry) -> Result<(), Error> {
        let place = usize::try_from(entry.index() - self.from - 1).unwrap_or(usize::MAX);
        if place > entries.len() {
            let last = self.from + entries.len() as u64;
            return Err(self.corrupt(self.scan.offset(), Fault::Gap { last, found: entry.index() }));
        }
        entries.truncate(place);
        entries.push(entry);
        Ok(())
    }

    fn no_segment(&self) -> Error {
        Error::NoSegment { dir: self.dir.clone(), from: self.from }
    }
}

/// Copies the segment aside before it is cut: what is cut may be wanted for a diagnosis.
fn keep_broken(disk: &dyn Disk, segment: &Segment) -> Result<(), Error> {
    let path = broken_path(&segment.path);
    let copy = disk.open(&path, Open::Create).map_err(Error::io(&path))?;
    copy.set_len(0).map_err(Error::io(&path))?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    loop {
        let n = segment.file.read_at(&mut chunk, offset).map_err(Error::io(&segment.path))?;
        if n == 0 {
            return copy.sync_all().map_err(Error::io(&path));
        }
        copy.write_at(&chunk[..n], offset).map_err(Error::io(&path))?;
        offset += n as u64;
    }
}

fn broken_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".broken");
    name.into()
}

/// Brings a segment that was cut, or came cut, back to its full size in zeroes.
fn refill(file: &dyn File, segment_bytes: u64) -> std::io::Result<()> {
    let mut offset = file.len()?;
    if offset >= segment_bytes {
        return Ok(());
    }
    let zeroes = vec![0; CHUNK_BYTES];
    while offset < segment_bytes {
        let n = usize::try_from(segment_bytes - offset).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        file.write_at(&zeroes[..n], offset)?;
        offset += n as u64;
    }
    Ok(())
}
