//! From rows back to an index: read all, sort by key, build bottom-up.

use std::ops::ControlFlow;

use bytes::Bytes;
use ketch_backend::{Backend, Bucket, View};
use ketch_base::{Revision, RevisionKey};

use crate::error::OpenError;
use crate::index::{Birth, Builder, Entry, History, Index, Key, MAIN_END, Version};
use crate::row;
use crate::shared::Marks;
use crate::store::{FINISHED, SCHEDULED};

/// Main revision of a store without history.
const FIRST_REVISION: i64 = 1;
/// No compaction yet.
const NEVER: i64 = -1;

/// What the database says.
pub(crate) struct Restored {
    pub(crate) index: Index,
    pub(crate) marks: Marks,
    /// Living keys under a lease.
    pub(crate) leased: Vec<(Bytes, i64)>,
}

/// One row, without what only a reader of it wants.
struct Record {
    key: Key,
    version: Version,
    birth: Birth,
}

pub(crate) fn restore(backend: &Backend) -> Result<Restored, OpenError> {
    let view = backend.view();
    let scheduled = compaction(&view, SCHEDULED)?;
    let finished = compaction(&view, FINISHED)?;
    let compacted = scheduled.max(finished);
    let mut scan = Scan::default();
    let all = Revision { main: i64::MAX, sub: i64::MAX };
    view.for_each_row(Revision::default(), all, |key, row| scan.take(key, row))?;
    if let Some(bad) = scan.bad {
        return Err(OpenError::Malformed(bad));
    }
    let revision = scan.newest.max(compacted).max(FIRST_REVISION);
    let mut records = scan.records;
    records.sort_unstable_by(|a, b| {
        let keys = a.key.as_slice().cmp(b.key.as_slice());
        keys.then_with(|| a.version.revision().cmp(&b.version.revision()))
    });
    let index = build(records)?;
    let leased = still_leased(&index, scan.leased);
    let generation = view.generation();
    Ok(Restored { index, marks: Marks { revision, compacted, finished, generation }, leased })
}

fn compaction(view: &View, name: &'static str) -> Result<i64, OpenError> {
    let Some(bytes) = view.get(Bucket::Meta, name.as_bytes())? else { return Ok(NEVER) };
    let revision = Revision::from_bytes(&bytes);
    revision.map(|revision| revision.main).ok_or(OpenError::CompactionRecord { name })
}

/// Rows as they come, in revision order.
#[derive(Default)]
struct Scan {
    records: Vec<Record>,
    /// Puts with a lease; a later change of the key makes one void.
    leased: Vec<(Key, Revision, i64)>,
    newest: i64,
    bad: Option<RevisionKey>,
}

impl Scan {
    fn take(&mut self, key: RevisionKey, bytes: &[u8]) -> ControlFlow<()> {
        self.newest = key.revision.main;
        let Some(record) = self.record(key, bytes) else {
            self.bad = Some(key);
            return ControlFlow::Break(());
        };
        self.records.push(record);
        ControlFlow::Continue(())
    }

    fn record(&mut self, key: RevisionKey, bytes: &[u8]) -> Option<Record> {
        let row = row::parse(bytes)?;
        u32::try_from(key.revision.sub).ok()?;
        if !(0..MAIN_END).contains(&key.revision.main) {
            return None;
        }
        let name = Key::new(row.key);
        if row.lease != 0 && !key.tombstone {
            self.leased.push((name.clone(), key.revision, row.lease));
        }
        let version = if key.tombstone {
            Version::tombstone(key.revision)
        } else {
            // Restoring with a bumped revision leaves a row of no bytes to carry the revision. It
            // is a put of the key "", which nobody can ask for; that it has a length is never seen.
            Version::put(key.revision, u32::try_from(bytes.len()).ok()?.max(1))
        };
        let birth = Birth { create: row.create, number: row.version };
        Some(Record { key: name, version, birth })
    }
}

fn build(records: Vec<Record>) -> Result<Index, OpenError> {
    let mut builder = Builder::default();
    let mut open: Option<Entry> = None;
    for record in records {
        let Record { key, version, birth } = record;
        match &mut open {
            Some(entry) if entry.key.as_slice() == key.as_slice() => {
                append(entry, version, birth)?;
            }
            _ => {
                let entry = Entry { key, history: History::new(version, birth) };
                if let Some(done) = open.replace(entry) {
                    builder.push(done);
                }
            }
        }
    }
    if let Some(done) = open {
        builder.push(done);
    }
    Ok(builder.finish())
}

/// A row must continue what is there, else one between them is missing. Rows of no bytes, see
/// [`Scan::record`], say nothing of what was before.
fn append(entry: &mut Entry, version: Version, birth: Birth) -> Result<(), OpenError> {
    let Entry { key, history } = entry;
    let next = history.next_birth(version.main());
    let follows = if version.is_tombstone() {
        history.live().is_some()
    } else {
        next == birth || key.as_slice().is_empty()
    };
    if !follows {
        return Err(OpenError::Gap(version.row_key()));
    }
    history.push(version, next);
    Ok(())
}

fn still_leased(index: &Index, leased: Vec<(Key, Revision, i64)>) -> Vec<(Bytes, i64)> {
    let current = |(key, revision, lease): (Key, Revision, i64)| {
        let newest = index.history(key.as_slice())?.newest();
        (newest.revision() == revision).then(|| (Bytes::copy_from_slice(key.as_slice()), lease))
    };
    leased.into_iter().filter_map(current).collect()
}
