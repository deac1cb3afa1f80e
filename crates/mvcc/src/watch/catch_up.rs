//! Watches that are behind: they read the rows of the past together, in bounded steps.

use std::ops::ControlFlow;

use bytes::Bytes;
use ketch_backend::View;
use ketch_base::planted::{self, Bug};
use ketch_base::{Revision, RevisionKey};

use super::Hub;
use super::encode::SharedEvent;
use super::intervals::Owner;
use crate::error::Error;
use crate::row;

/// Most events that one step notes for all its watches together.
const STEP_HITS: usize = 100_000;

/// What one step read.
struct Scan {
    events: Vec<SharedEvent>,
    /// Places noted in all watches together.
    noted: usize,
    /// Everything up to here was read.
    through: i64,
}

impl Hub {
    /// Brings some of the watches that are behind nearer to the present, in one step that is
    /// bounded in revisions and bytes; watches near each other share it. True when there is more
    /// to do at once; false when all are caught up or wait for their clients to read.
    ///
    /// # Errors
    /// The storage failed: the member must stop.
    pub fn catch_up(&mut self) -> Result<bool, Error> {
        self.sweep_compacted();
        if self.stuck {
            return Ok(false);
        }
        let Some(first) = self.next_served() else {
            self.stuck = true;
            return Ok(false);
        };
        self.served = first;
        let Some(from) = self.watchers.get(first).and_then(|watcher| watcher.behind) else {
            return Ok(false);
        };
        let view = self.reader.backend().view();
        if view.generation() != self.generation {
            // Another database is in place: what there is to tell of it, `reloaded` finds out.
            return Ok(false);
        }
        let members = self.gather(from);
        let mut scan = self.scan(&view, from)?;
        for owner in members {
            self.advance(owner, &mut scan)?;
        }
        self.move_pin();
        Ok(self.next_served().is_some())
    }

    /// Cancels watches that a compaction has overtaken.
    pub(super) fn sweep_compacted(&mut self) {
        let compacted = self.reader.compact_revision();
        if compacted == self.compacted {
            return;
        }
        self.compacted = compacted;
        if self.cancel_overtaken() {
            self.move_pin();
        }
    }

    /// Cancels watches whose next revision is compacted; true if there were any.
    pub(super) fn cancel_overtaken(&mut self) -> bool {
        let compacted = self.compacted;
        let overtaken = |owner: &Owner| {
            let next = self.watchers.get(*owner).and_then(|watcher| watcher.behind);
            next.is_some_and(|next| next < compacted)
        };
        let gone: Vec<Owner> = self.behind.iter().copied().filter(overtaken).collect();
        for owner in &gone {
            self.cancel_too_old(*owner);
        }
        !gone.is_empty()
    }

    /// Makes sure that a watch from `start` on, with previous pairs after `floor`, can be served.
    /// False if the store has been compacted past it.
    pub(super) fn hold(&mut self, start: i64, floor: i64) -> bool {
        if start < self.reader.compact_revision() {
            return false;
        }
        if self.pin.as_ref().is_some_and(|pin| pin.revision() <= floor) {
            return true;
        }
        match self.reader.pin(floor) {
            Ok(pin) => self.pin = Some(pin),
            Err(_) => return false,
        }
        true
    }

    /// Lets go of what no watch needs any more.
    pub(super) fn move_pin(&mut self) {
        let needs = |owner: &Owner| self.watchers.get(*owner)?.needs();
        let lowest = self.behind.iter().filter_map(needs).min();
        let target = lowest.unwrap_or(self.revision).min(self.revision);
        if self.pin.as_ref().is_some_and(|pin| pin.revision() >= target) {
            return;
        }
        // If it is compacted already, the older pin goes on holding more than is needed.
        if let Ok(pin) = self.reader.pin(target) {
            self.pin = Some(pin);
        }
    }

    /// The next watch in turn that is behind and whose stream has room.
    fn next_served(&self) -> Option<Owner> {
        let later = self.behind.range(self.served.saturating_add(1)..);
        let earlier = self.behind.range(..=self.served);
        later.chain(earlier).copied().find(|owner| {
            self.watchers.get(*owner).is_some_and(|watcher| !self.is_full(watcher.stream))
        })
    }

    /// Marks the watches that can take part in a scan from `from`.
    fn gather(&mut self, from: i64) -> Vec<Owner> {
        let near = |owner: &Owner| {
            self.watchers.get(*owner).is_some_and(|watcher| {
                let ahead = watcher.behind.is_some_and(|next| next >= from);
                ahead && !self.is_full(watcher.stream)
            })
        };
        let members: Vec<Owner> = self.behind.iter().copied().filter(near).collect();
        for owner in &members {
            if let Some(watcher) = self.watchers.get_mut(*owner) {
                watcher.scanning = true;
            }
        }
        members
    }

    /// Reads rows from a revision on and notes events for the marked watches.
    fn scan(&mut self, view: &View, from: i64) -> Result<Scan, Error> {
        let end = Revision { main: self.revision.saturating_add(1), sub: 0 };
        let mut scan = Scan { events: Vec::new(), noted: 0, through: self.revision };
        let (mut revisions, mut bytes) = (0, 0);
        let mut current = from - 1;
        let mut result = Ok(());
        view.for_each_row(Revision { main: from, sub: 0 }, end, |key, stored| {
            if key.revision.main != current {
                let full = revisions >= self.config.catch_up_revisions
                    || bytes >= self.config.catch_up_bytes
                    || scan.noted >= STEP_HITS;
                if full {
                    scan.through = current;
                    return ControlFlow::Break(());
                }
                current = key.revision.main;
                revisions += 1;
            }
            bytes += stored.len();
            result = self.note_row(key, stored, &mut scan);
            if result.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        result.map(|()| scan)
    }

    /// Notes a row for the marked watches that want it, and keeps it if there is one.
    fn note_row(&mut self, key: RevisionKey, stored: &[u8], scan: &mut Scan) -> Result<(), Error> {
        let row = row::parse(stored).ok_or(Error::Malformed(key))?;
        let mut hits = std::mem::take(&mut self.hits);
        self.matcher.hits(row.key, &mut hits);
        let place = u32::try_from(scan.events.len()).unwrap_or(u32::MAX);
        let before = scan.noted;
        for owner in &hits {
            let Some(watcher) = self.watchers.get_mut(*owner) else { continue };
            let due = watcher.behind.is_some_and(|next| next <= key.revision.main);
            if watcher.scanning && due && watcher.passes(key.tombstone) {
                watcher.hits.push(place);
                scan.noted += 1;
            }
        }
        self.hits = hits;
        if scan.noted > before {
            scan.events.push(SharedEvent::stored(key, Bytes::copy_from_slice(stored))?);
        }
        Ok(())
    }

    /// Moves a watch past what was read, if its stream had room for its events.
    fn advance(&mut self, owner: Owner, scan: &mut Scan) -> Result<(), Error> {
        let Some(watcher) = self.watchers.get_mut(owner) else { return Ok(()) };
        watcher.scanning = false;
        let told = watcher.hits.is_empty() || {
            let revision = self.revision;
            self.hand_out(owner, &mut scan.events, revision)?
        };
        let Some(watcher) = self.watchers.get_mut(owner) else { return Ok(()) };
        if !told || watcher.behind.is_none_or(|next| next > scan.through) {
            return Ok(());
        }
        let id = watcher.stream;
        if scan.through >= self.revision {
            watcher.behind = None;
            self.behind.remove(&owner);
            self.settle_progress(id);
        } else {
            let skipped = i64::from(planted::is(Bug::WatchGap));
            watcher.behind = Some(scan.through + 1 + skipped);
        }
        Ok(())
    }
}
