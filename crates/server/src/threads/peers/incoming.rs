//! A snapshot that another member sends: saved, made a database of our own, then told to Raft.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ketch_base::Index;
use ketch_env::{Disk, Open};
use ketch_node::{Event, install};
use ketch_peer::{SnapshotBody, SnapshotRefused};
use ketch_raft_proto::raftpb::{Message, SnapshotMetadata};
use tokio::sync::mpsc;

use crate::member::Member;
use crate::metrics::observe;

/// Chunks read ahead of the disk.
const CHUNKS_AHEAD: usize = 4;

/// Where received snapshots are saved; one at a time.
pub(crate) struct Place {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    turn: tokio::sync::Mutex<()>,
}

/// What comes over the channel to the disk: chunks, then the word that they were all.
enum Piece {
    Chunk(Bytes),
    Whole,
}

impl Place {
    /// Saves into `folder`.
    pub(crate) fn new(disk: Arc<dyn Disk>, folder: PathBuf) -> Self {
        Self { disk, folder, turn: tokio::sync::Mutex::default() }
    }

    /// Takes one snapshot; returns when it is durable and Raft was told of it.
    pub(super) async fn receive(
        &self,
        member: &Member,
        message: Message,
        body: SnapshotBody,
    ) -> Result<(), SnapshotRefused> {
        let metadata = message.snapshot.as_ref().and_then(|snapshot| snapshot.metadata.clone());
        let metadata = metadata.ok_or_else(|| process("a snapshot without its place"))?;
        let (index, from) = (metadata.index(), message.from());
        tracing::info!(
            remote_snapshot_sender_id = %format!("{from:x}"), incoming_snapshot_index = index,
            "receiving database snapshot"
        );
        let _turn = self.turn.lock().await;
        let (pieces, received) = mpsc::channel(CHUNKS_AHEAD);
        let (disk, folder) = (Arc::clone(&self.disk), self.folder.clone());
        let saving = tokio::task::spawn_blocking(move || save(&disk, &folder, &metadata, received));
        let passed = pass_on(body, pieces).await;
        // Waited for in any case: the next one may use the same names.
        let saved = saving.await.map_err(|_| process("the member stops"))?;
        passed.and(saved)?;
        tracing::info!(
            remote_snapshot_sender_id = %format!("{from:x}"), incoming_snapshot_index = index,
            "received and saved database snapshot"
        );
        member.node.send_above_limit(Event::Message(Box::new(message)).into());
        Ok(())
    }
}

fn process(why: &str) -> SnapshotRefused {
    SnapshotRefused::Process(why.to_owned())
}

/// Hands the body over to the disk at the pace of the slower side.
async fn pass_on(
    mut body: SnapshotBody,
    pieces: mpsc::Sender<Piece>,
) -> Result<(), SnapshotRefused> {
    while let Some(chunk) = body.next().await {
        if pieces.send(Piece::Chunk(chunk?)).await.is_err() {
            // The disk failed; its own words say why.
            return Ok(());
        }
    }
    let _ = pieces.send(Piece::Whole).await;
    Ok(())
}

/// Writes the file, then makes the database of it.
fn save(
    disk: &Arc<dyn Disk>,
    folder: &Path,
    metadata: &SnapshotMetadata,
    received: mpsc::Receiver<Piece>,
) -> Result<(), SnapshotRefused> {
    let since = Instant::now();
    let index = Index(metadata.index());
    let path = folder.join(install::received_name(index));
    let partial = folder.join(format!("{}.tmp", install::received_name(index)));
    if let Err(error) = write(disk.as_ref(), &partial, received) {
        let _ = disk.remove_file(&partial);
        return Err(error.into());
    }
    disk.rename(&partial, &path)?;
    disk.sync_dir(folder)?;
    observe("etcd_snap_db_save_total_duration_seconds", since.elapsed());
    let prepared = folder.join(install::prepared_name(index));
    install::prepare(disk, &path, &prepared, metadata).map_err(|error| {
        let _ = disk.remove_file(&path);
        process(&error.to_string())
    })
}

fn write(disk: &dyn Disk, path: &Path, mut received: mpsc::Receiver<Piece>) -> io::Result<()> {
    let file = disk.open(path, Open::Create)?;
    file.set_len(0)?;
    let mut offset = 0;
    loop {
        match received.blocking_recv() {
            Some(Piece::Chunk(chunk)) => {
                file.write_at(&chunk, offset)?;
                offset += chunk.len() as u64;
            }
            Some(Piece::Whole) => break,
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    let since = Instant::now();
    file.sync_all()?;
    observe("etcd_snap_db_fsync_duration_seconds", since.elapsed());
    Ok(())
}
