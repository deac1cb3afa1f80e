//! The way of a snapshot: from a view of the leader to the storage of a follower.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ketch_base::{Index, MemberId, Term};
use ketch_env::sim::Fault;
use ketch_env::{Disk, Open};
use ketch_node::{Event, export, install};
use ketch_raft_proto::raftpb::{Message, Snapshot, SnapshotMetadata};
use ketch_snapshot::Export;
use prost::Message as _;

use super::boot::SNAP;
use super::watch::WatchJob;
use crate::fact::Fact;
use crate::world::World;
use crate::world::happening::{Place, What, Work};
use crate::world::plan::MS;

/// A snapshot on its way: the message, then the database.
pub(crate) struct Parcel {
    message: Bytes,
    peer: MemberId,
    body: Vec<Bytes>,
}

impl World {
    /// Takes a view and sends it.
    pub(crate) fn send_snapshot(&mut self, slot: usize, message: Message) {
        self.recorder.count("snapshot sent");
        let peer = MemberId(message.to());
        let Some(life) = &self.seats[slot].life else { return };
        let parcel = match pack(life.backend.view(), message) {
            Ok(parcel) => parcel,
            Err(why) => {
                self.halt(slot, format!("snapshot: {why}"));
                return;
            }
        };
        let Some(to) = self.slot_of(peer.0) else { return };
        let from = self.place(slot);
        let delay_us = self.plan.flight_us + self.rng.below(200 * MS);
        self.after(delay_us, What::Snapshot { from, to, parcel: Box::new(parcel) });
    }

    /// A snapshot has come whole, or was lost on its way.
    pub(crate) fn receive_snapshot(&mut self, from: Place, to: usize, parcel: Parcel) {
        let cut = self.network.is_cut(from.slot, to) || self.is_away(to);
        let lost = cut || !self.network.calm && self.rng.below(200) < self.plan.loss;
        let arrived = !lost && self.seats[to].life.is_some() && self.unpack(to, &parcel);
        if from == self.place(from.slot) {
            self.post(from.slot, Event::SnapshotSent { peer: parcel.peer, arrived });
        }
    }

    /// Writes what was received, and gives the node its message.
    fn unpack(&mut self, slot: usize, parcel: &Parcel) -> bool {
        if self.power_goes(slot) {
            let written = self.unpack_powered(slot, parcel);
            self.recorder.count("crash at a snapshot");
            self.crash(slot, true);
            self.after(300 * MS, What::Start(slot));
            return written && self.rng.once_in(2);
        }
        self.unpack_powered(slot, parcel)
    }

    /// Now and then the disk stops in the middle of what comes next; the caller lets the member
    /// crash.
    fn power_goes(&mut self, slot: usize) -> bool {
        if self.network.calm || !self.rng.once_in(10) {
            return false;
        }
        let disk = &self.seats[slot].disk;
        if self.rng.once_in(2) {
            disk.fail_sync_after(self.rng.below(8), Fault::Io);
        } else {
            disk.fail_write_after(self.rng.below(60), Fault::Io);
        }
        self.seats[slot].failing = true;
        true
    }

    fn unpack_powered(&mut self, slot: usize, parcel: &Parcel) -> bool {
        let disk: Arc<dyn Disk> = Arc::new(self.seats[slot].disk.clone());
        let message = match Message::decode(parcel.message.clone()) {
            Ok(message) => message,
            Err(error) => {
                self.violate(format!("a snapshot's message cannot be decoded: {error}"));
                return false;
            }
        };
        match place_on_disk(&disk, &message, &parcel.body) {
            Ok(()) => {
                self.post(slot, Event::Message(Box::new(message)));
                true
            }
            // What failed is the disk; the next write of the log will tell.
            Err(why) if self.seats[slot].failing || self.seats[slot].damaged => {
                drop(why);
                false
            }
            Err(why) => {
                self.violate(format!("a received snapshot cannot be prepared: {why}"));
                false
            }
        }
    }

    /// The received state takes the place of the old one.
    pub(crate) fn install(&mut self, slot: usize, metadata: &SnapshotMetadata) {
        let member = self.seats[slot].id;
        let index = Index(metadata.index());
        let path = prepared(index);
        if self.power_goes(slot) {
            return self.die_at_install(slot, &path);
        }
        let Some(life) = &mut self.seats[slot].life else { return };
        if let Err(error) = life.drain.install(&path) {
            self.halt(slot, format!("install: {error}"));
            return;
        }
        match life.apply.install(metadata) {
            Ok(event) => {
                life.applied = index;
                self.post(slot, event);
            }
            Err(error) => {
                self.halt(slot, format!("install: {error}"));
                return;
            }
        }
        self.recorder.count("snapshot installed");
        self.note(Fact::Installed { member, index, term: Term(metadata.term()) });
        self.note_rights(slot);
        self.watch_job(slot, WatchJob::Reloaded);
        let removed = self.seats[slot]
            .life
            .as_ref()
            .is_some_and(|life| life.shared.membership().is_removed(member));
        if removed {
            self.leave_soon(slot);
        }
        let disk = &self.seats[slot].disk;
        // Left over is what Raft did not want.
        drop(install::sweep_through(disk, Path::new(SNAP), index));
        self.later(slot, 0, Work::Turn);
        self.serve_applied(slot);
    }
}

impl World {
    fn die_at_install(&mut self, slot: usize, path: &Path) {
        let Some(life) = &mut self.seats[slot].life else { return };
        drop(life.drain.install(path));
        self.recorder.count("crash at an install");
        self.crash(slot, true);
        self.after(300 * MS, What::Start(slot));
    }
}

fn prepared(index: Index) -> PathBuf {
    Path::new(SNAP).join(install::prepared_name(index))
}

/// Makes the parcel of a view: its place in the log goes into the message.
fn pack(view: ketch_backend::View, mut message: Message) -> Result<Parcel, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let metadata = export::point(&view).map_err(|error| told(&error))?;
    let data = export::v2_json(&view).map_err(|error| told(&error))?;
    message.snapshot = Some(Snapshot { data: Some(data), metadata: Some(metadata) });
    let peer = MemberId(message.to());
    let mut export = Export::plan(export::Buckets(view)).map_err(|error| told(&error))?;
    let mut body = Vec::new();
    while let Some(chunk) = export.next_chunk().map_err(|error| told(&error))? {
        body.push(chunk);
    }
    Ok(Parcel { message: message.encode_to_vec().into(), peer, body })
}

/// Writes the body and makes a database of it.
fn place_on_disk(disk: &Arc<dyn Disk>, message: &Message, body: &[Bytes]) -> Result<(), String> {
    let metadata = message.snapshot.as_ref().and_then(|snapshot| snapshot.metadata.as_ref());
    let Some(metadata) = metadata else { return Err("no metadata".to_string()) };
    let index = Index(metadata.index());
    let folder = Path::new(SNAP);
    let received = folder.join(install::received_name(index));
    let temporary = folder.join(format!("{}.tmp", install::received_name(index)));
    write_file(disk, &temporary, body).map_err(|error| error.to_string())?;
    disk.rename(&temporary, &received).map_err(|error| error.to_string())?;
    disk.sync_dir(folder).map_err(|error| error.to_string())?;
    install::prepare(disk, &received, &prepared(index), metadata).map_err(|error| error.to_string())
}

fn write_file(disk: &Arc<dyn Disk>, path: &Path, body: &[Bytes]) -> std::io::Result<()> {
    let file = disk.open(path, Open::Create)?;
    file.set_len(0)?;
    let mut offset = 0;
    for chunk in body {
        file.write_at(chunk, offset)?;
        offset += chunk.len() as u64;
    }
    file.sync_all()
}
