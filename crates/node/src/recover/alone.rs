//! `--force-new-cluster`: a member that goes on without the others.

use bytes::Bytes;
use ketch_raft::{Configuration, conf_change_of};
use ketch_raft_proto::raftpb::{ConfChange, ConfChangeType, Entry, EntryType};
use ketch_raft_proto::walpb;
use prost::Message;

use super::{Kept, Opened, RecoverError};

impl Opened {
    /// Makes this member the only one, before [`Opened::join`]: what it does not know to be
    /// committed is dropped, and changes that remove all others are written as if they had been
    /// committed. If the member is none of the cluster it is added with `context` as its
    /// description. Irreversible, and wrong if the others still run.
    ///
    /// # Errors
    /// [`RecoverError::Change`] if the log holds an impossible change; writing may fail.
    pub fn alone(&mut self, kept: &Kept, context: Bytes) -> Result<(), RecoverError> {
        let commit = self.hard_state.commit().max(kept.index.0);
        self.entries.retain(|entry| entry.index() <= commit);
        self.go_on_from(kept)?;
        let everyone = self.members_at_end(kept)?;
        let local = self.member.0;
        let removals = everyone.iter().filter(|id| **id != local).map(|id| removal(*id));
        let mut changes: Vec<ConfChange> = Vec::new();
        if !everyone.contains(&local) {
            changes.push(addition(local, context));
        }
        changes.extend(removals);
        let term = self.hard_state.term().max(kept.term.0);
        let last = self.entries.last().map_or(kept.index.0, Entry::index);
        let entry = |(index, change): (u64, ConfChange)| Entry {
            r#type: Some(EntryType::EntryConfChange as i32),
            term: Some(term),
            index: Some(index),
            data: Some(change.encode_to_vec().into()),
        };
        let entries: Vec<Entry> = (last + 1..).zip(changes).map(entry).collect();
        self.hard_state.term = Some(term);
        self.hard_state.commit = Some(last + entries.len() as u64);
        self.writer.save(&entries, Some(&self.hard_state))?;
        self.writer.sync()?;
        self.entries.extend(entries);
        Ok(())
    }

    /// Where the storage is ahead of the log, the log goes on behind a mark.
    fn go_on_from(&mut self, kept: &Kept) -> Result<(), RecoverError> {
        let last = self.entries.last().map_or(self.read_from.0, Entry::index);
        let is_marked = self.snapshots.iter().any(|mark| mark.index() == kept.index.0);
        if last >= kept.index.0 && (is_marked || !self.entries.is_empty() || kept.index.0 == 0) {
            return Ok(());
        }
        let mark = walpb::Snapshot {
            index: Some(kept.index.0),
            term: Some(kept.term.0),
            conf_state: Some(kept.conf_state.clone()),
        };
        self.hard_state.term = Some(self.hard_state.term().max(kept.term.0));
        self.hard_state.commit = Some(kept.index.0);
        self.writer.save([], Some(&self.hard_state))?;
        self.writer.mark_snapshot(&mark)?;
        self.entries.clear();
        self.read_from = kept.index;
        self.from_term = Some(kept.term.0);
        self.snapshots.push(mark);
        Ok(())
    }

    /// Everyone in the cluster once all entries are applied.
    fn members_at_end(&self, kept: &Kept) -> Result<Vec<u64>, RecoverError> {
        let mut members = Configuration::from_conf_state(&kept.conf_state)
            .map_err(|_| RecoverError::Change(kept.index.0))?;
        for entry in self.entries.iter().filter(|entry| entry.index() > kept.index.0) {
            let impossible = |_| RecoverError::Change(entry.index());
            if let Some(change) = conf_change_of(entry).map_err(impossible)? {
                members = members.after(&change).map_err(impossible)?;
            }
        }
        let state = members.to_conf_state();
        let mut everyone = [state.voters, state.learners].concat();
        everyone.sort_unstable();
        Ok(everyone)
    }
}

fn removal(id: u64) -> ConfChange {
    let kind = Some(ConfChangeType::ConfChangeRemoveNode as i32);
    ConfChange { r#type: kind, node_id: Some(id), ..ConfChange::default() }
}

fn addition(id: u64, context: Bytes) -> ConfChange {
    let kind = Some(ConfChangeType::ConfChangeAddNode as i32);
    ConfChange { r#type: kind, node_id: Some(id), context: Some(context), id: None }
}
