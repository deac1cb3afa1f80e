//! Start-up: what the log and the working storage together say a member is.
//!
//! A member that never ran gets its log. If it founds a cluster, the first entries add the founding
//! members (term 1, index 1.., in order of their ids), as etcd's do; a founding that was cut short
//! before they were durable is done again. If it joins one, the log is empty and the member waits
//! to be told. A member that ran goes on with its log behind what its storage kept.
//!
//! The storage may be ahead of the log: entries are applied as soon as a quorum has them, which
//! the own disk may not yet. Then the storage counts as a snapshot, the log is marked so, and
//! goes on behind it. A log that is behind in any other way, or begins too late, is refused.

mod alone;
mod begin;

use std::path::Path;
use std::sync::Arc;

use ketch_base::{ClusterId, Index, MemberId, Term};
use ketch_env::Disk;
use ketch_raft::{EntryId, Restored};
use ketch_raft_proto::raftpb::{ConfState, Entry, HardState};
use ketch_raft_proto::walpb;
use ketch_wal::{Config, Damage, Error as WalError, Fault, Metadata, Reader, Recovered, Writer};

pub use begin::{Begin, Founder, Founding};

/// How far the state machine is, safe from a crash.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// The last entry whose effect it holds; 0 for none.
    pub index: Index,
    /// That entry's term.
    pub term: Term,
    /// The membership at that entry.
    pub conf_state: ConfState,
}

/// A log opened, not yet put together with the state machine.
pub struct Opened {
    /// Whose log it is.
    pub member: MemberId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Whether this is the member's first start.
    pub is_new: bool,
    /// A torn tail that was repaired.
    pub repaired: Option<Damage>,
    read_from: Index,
    hard_state: HardState,
    entries: Vec<Entry>,
    /// The term at `read_from`, if the log has that place.
    from_term: Option<u64>,
    snapshots: Vec<walpb::Snapshot>,
    writer: Writer,
}

/// Everything a node starts from.
pub struct Started {
    /// For [`crate::Node::start`].
    pub restored: Restored,
    /// For [`crate::Node::start`]: the newest snapshot mark.
    pub marked: Index,
    /// For [`crate::LogWorker::new`].
    pub writer: Writer,
}

/// Why a member cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The log itself.
    #[error(transparent)]
    Log(#[from] WalError),
    /// There is neither a log nor a cluster to found or to join.
    #[error("no log, and no cluster to found or to join")]
    NoLog,
    /// The storage has applied entries but there is no log: it must not be begun anew.
    #[error("the database is at entry {0} but there is no log")]
    LogGone(Index),
    /// A beginning that was cut short was asked for again in other words.
    #[error("log belongs to member {found} of another cluster than was configured")]
    OtherCluster {
        /// Whose log it is.
        found: MemberId,
    },
    /// A committed membership change that cannot be made.
    #[error("membership change at entry {0} is impossible")]
    Change(u64),
    /// A received snapshot is marked in the log, but the storage does not hold it.
    #[error("log has a snapshot at entry {snapshot} but the database is at entry {kept}")]
    SnapshotMissing {
        /// The mark.
        snapshot: u64,
        /// The storage.
        kept: Index,
    },
}

/// Opens the log in `dir`, or makes it as `begin` says. `kept` is the last entry that the storage
/// holds; `catchup_entries` before it are read as well where the log has them, for followers that
/// lag.
///
/// # Errors
/// [`RecoverError`].
pub fn open(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    config: Config,
    begin: Option<&Begin>,
    kept: Index,
    catchup_entries: u64,
) -> Result<Opened, RecoverError> {
    if !has_log(disk.as_ref(), dir) {
        if kept != Index(0) {
            return Err(RecoverError::LogGone(kept));
        }
        let begin = begin.ok_or(RecoverError::NoLog)?;
        let (member, cluster) = begin.ids();
        let metadata = Metadata { member, cluster };
        let writer = Writer::create(Arc::clone(disk), dir, metadata, config)?;
        return begin.carry_out(writer);
    }
    let (read_from, recovered, writer) = read(disk, dir, config, kept, catchup_entries)?;
    let untold = recovered.entries.is_empty()
        && recovered.hard_state == HardState::default()
        && kept == Index(0);
    if let (true, Some(begin)) = (untold, begin) {
        let Metadata { member, cluster } = recovered.metadata;
        if (member, cluster) != begin.ids() {
            return Err(RecoverError::OtherCluster { found: member });
        }
        return begin.carry_out(writer);
    }
    Ok(Opened {
        member: recovered.metadata.member,
        cluster: recovered.metadata.cluster,
        is_new: false,
        repaired: recovered.repaired,
        read_from,
        hard_state: recovered.hard_state,
        entries: recovered.entries,
        from_term: recovered.from_term,
        snapshots: recovered.snapshots,
        writer,
    })
}

/// Whether a member ran here before, as far as its log says.
pub fn has_log(disk: &dyn Disk, dir: &Path) -> bool {
    disk.exists(dir)
        && disk.list(dir).is_ok_and(|names| names.iter().any(|name| name.ends_with(".wal")))
}

fn read(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    config: Config,
    kept: Index,
    catchup_entries: u64,
) -> Result<(Index, Recovered, Writer), RecoverError> {
    let early = Index(kept.0.saturating_sub(catchup_entries.max(1)));
    match Reader::open(Arc::clone(disk), dir, early).and_then(|reader| reader.recover(config)) {
        Ok((recovered, writer)) => return Ok((early, recovered, writer)),
        // Those entries were released, or a snapshot came in their place.
        Err(WalError::NoSegment { .. }) => {}
        Err(WalError::Damage(Damage::Corrupt { fault: Fault::Gap { .. }, .. })) => {}
        Err(error) => return Err(error.into()),
    }
    let (recovered, writer) = Reader::open(Arc::clone(disk), dir, kept)?.recover(config)?;
    Ok((kept, recovered, writer))
}

impl Opened {
    /// Puts the log together with what the state machine kept.
    ///
    /// # Errors
    /// [`RecoverError::SnapshotMissing`]; writing a mark may fail.
    pub fn join(mut self, kept: Kept) -> Result<Started, RecoverError> {
        let marks = self.snapshots.iter().map(walpb::Snapshot::index);
        let newest = marks.max().unwrap_or(0);
        if newest > kept.index.0 {
            return Err(RecoverError::SnapshotMissing { snapshot: newest, kept: kept.index });
        }
        let at = EntryId { term: kept.term.0, index: kept.index.0 };
        let mut marked = Index(newest);
        let (before, is_there) = if at.index == 0 { (at, true) } else { self.cut_to(at) };
        self.hard_state.term = Some(self.hard_state.term().max(at.term));
        self.hard_state.commit = Some(self.hard_state.commit().max(at.index));
        if !is_there && !self.goes_on_behind(at) {
            self.mark(at, &kept.conf_state)?;
            marked = kept.index;
        }
        let restored = Restored {
            hard_state: self.hard_state,
            before,
            entries: self.entries,
            conf_state: kept.conf_state,
            applied: kept.index,
        };
        Ok(Started { restored, marked, writer: self.writer })
    }

    /// Keeps the entries that lead to `at` and those behind it; returns the place before the first,
    /// and whether the log has `at` itself. What else stands there was overwritten by a leader.
    fn cut_to(&mut self, at: EntryId) -> (EntryId, bool) {
        let first = self.read_from.0 + 1;
        let place = at.index.checked_sub(first).map(|place| place as usize);
        let here = place.and_then(|place| self.entries.get(place));
        if here.is_some_and(|entry| entry.term() == at.term) {
            // The first is given up to be the place before: its own predecessor's term is unknown.
            let before = self.entries.remove(0);
            return (EntryId { term: before.term(), index: before.index() }, true);
        }
        // An entry of another term at that place: all behind it is of a history that never was.
        let other_here =
            here.is_some() || place.is_none() && self.from_term.is_some_and(|term| term != at.term);
        let behind = place.map_or(0, |place| place + 1).min(self.entries.len());
        self.entries.drain(..behind);
        if other_here || self.entries.first().is_some_and(|entry| entry.term() < at.term) {
            self.entries.clear();
        }
        (at, false)
    }

    /// Whether the log as it is on disk can be read on from `at` without a new mark.
    fn goes_on_behind(&self, at: EntryId) -> bool {
        let is_mark = |mark: &walpb::Snapshot| (mark.term(), mark.index()) == (at.term, at.index);
        !self.entries.is_empty() || self.snapshots.iter().any(is_mark)
    }

    fn mark(&mut self, at: EntryId, state: &ConfState) -> Result<(), WalError> {
        self.writer.save([], Some(&self.hard_state))?;
        self.writer.mark_snapshot(&walpb::Snapshot {
            index: Some(at.index),
            term: Some(at.term),
            conf_state: Some(state.clone()),
        })
    }
}

#[cfg(test)]
mod tests;
