//! One watch: what it wants and how far it is.

use bytes::Bytes;
use ketch_base::KeyRange;

use super::StreamId;
use super::encode::SharedEvent;
use super::intervals::Owner;
use crate::error::Error;
use crate::reader::Reader;

/// A request for a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// The client's own id, unique on its stream; 0 lets the hub choose.
    pub watch_id: i64,
    /// The keys to watch.
    pub range: KeyRange,
    /// First revision to be told; 0 means the next one.
    pub start_revision: i64,
    /// Tell from time to time how far the watch is, even when nothing changes.
    pub progress_notify: bool,
    /// Leave out puts.
    pub no_put: bool,
    /// Leave out deletions.
    pub no_delete: bool,
    /// Give the pair as it was before each event.
    pub prev_kv: bool,
    /// Allow a revision to be split over responses.
    pub fragment: bool,
}

/// A live watch.
pub(super) struct Watcher {
    pub(super) stream: StreamId,
    pub(super) wants: Create,
    /// First revision to be told.
    pub(super) start: i64,
    /// The next revision to be read from rows; `None` when it hears of commits as they come.
    pub(super) behind: Option<i64>,
    /// Previous pairs are kept for events after this revision.
    pub(super) floor: i64,
    /// No event since the last round of progress notes.
    pub(super) idle: bool,
    /// Takes part in the catch-up step under way.
    pub(super) scanning: bool,
    /// Places of its events in the batch being handed out.
    pub(super) hits: Vec<u32>,
}

impl Watcher {
    pub(super) fn id(&self) -> i64 {
        self.wants.watch_id
    }

    /// Whether its filters let an event through.
    pub(super) fn passes(&self, tombstone: bool) -> bool {
        if tombstone { !self.wants.no_delete } else { !self.wants.no_put }
    }

    /// An event as it wants it.
    pub(super) fn told(&self, event: &mut SharedEvent, reader: &Reader) -> Result<Bytes, Error> {
        let with_previous = self.wants.prev_kv && event.revision.main > self.floor;
        if with_previous { event.full(reader) } else { Ok(event.plain()) }
    }

    /// Whether the revision it was asked to begin at has come.
    pub(super) fn has_begun(&self, revision: i64) -> bool {
        self.wants.start_revision <= revision
    }

    /// Whether it has been told everything up to `revision`, the newest.
    pub(super) fn is_current(&self, revision: i64) -> bool {
        self.behind.is_none() && self.has_begun(revision)
    }

    /// The revision that must stay readable for what it will be told next.
    pub(super) fn needs(&self) -> Option<i64> {
        self.behind.map(|next| (next - 1).max(self.floor))
    }
}

/// All watchers, by number.
#[derive(Default)]
pub(super) struct Watchers {
    slots: Vec<Option<Watcher>>,
    free: Vec<Owner>,
}

impl Watchers {
    pub(super) fn insert(&mut self, watcher: Watcher) -> Owner {
        if let Some(owner) = self.free.pop() {
            self.slots[owner as usize] = Some(watcher);
            return owner;
        }
        self.slots.push(Some(watcher));
        Owner::try_from(self.slots.len() - 1).expect("memory ends before four billion watchers")
    }

    pub(super) fn remove(&mut self, owner: Owner) -> Option<Watcher> {
        let watcher = self.slots.get_mut(owner as usize)?.take()?;
        self.free.push(owner);
        Some(watcher)
    }

    pub(super) fn get(&self, owner: Owner) -> Option<&Watcher> {
        self.slots.get(owner as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, owner: Owner) -> Option<&mut Watcher> {
        self.slots.get_mut(owner as usize)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Owner, &Watcher)> {
        (0..).zip(&self.slots).filter_map(|(owner, slot)| Some((owner, slot.as_ref()?)))
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}
