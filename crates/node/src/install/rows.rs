//! Rows of a received snapshot into a database of our own.

use bytes::Bytes;
use ketch_apply::conf_state_to_json;
use ketch_backend::{Backend, Batch, Bucket, Drain, Durable};
use ketch_base::planted::{self, Bug};
use ketch_base::{RevisionKey, limits};
use ketch_raft_proto::raftpb::SnapshotMetadata;
use ketch_snapshot::{bolt, read_out};

use super::InstallError;
use crate::export::CONF_STATE_KEY;

/// Bytes of rows between two writes to the file.
const FLUSH_BYTES: usize = limits::BACKEND_BUFFER_BYTES / 4;

/// The database being filled.
pub(super) struct Receiver {
    backend: Backend,
    drain: Drain,
    batch: Batch,
    rows: usize,
    bytes: usize,
    /// Where the rows say that the state stands.
    index: u64,
}

impl Receiver {
    pub(super) fn new(backend: Backend, drain: Drain) -> Self {
        Self { backend, drain, batch: Batch::new(), rows: 0, bytes: 0, index: 0 }
    }

    pub(super) fn take_all(&mut self, file: &bolt::File) -> Result<(), InstallError> {
        read_out(file, |bucket, key, value| self.take(bucket, key, value)).map_err(|error| {
            match error {
                ketch_snapshot::InstallError::Read(error) => error.into(),
                ketch_snapshot::InstallError::Receiver(error) => error,
            }
        })
    }

    fn take(&mut self, bucket: &[u8], key: Bytes, value: Bytes) -> Result<(), InstallError> {
        self.rows += 1;
        self.bytes += key.len() + value.len();
        match Bucket::from_name(bucket) {
            // Of a version that knows more than we do, or a test's.
            None => {}
            Some(Bucket::Key) => {
                let at = RevisionKey::decode(&key);
                let at = at.ok_or_else(|| InstallError::RowKey(owned(&key)))?;
                if !(at.tombstone && planted::is(Bug::SnapshotWithoutDeletions)) {
                    self.batch.put_row(at, owned(&value));
                }
            }
            // Written anew at the end.
            Some(Bucket::Meta) if key == Durable::INDEX_KEY => {
                let index = value.as_ref().try_into().map(u64::from_be_bytes);
                self.index = index.unwrap_or(u64::MAX);
            }
            Some(Bucket::Meta) if key == Durable::TERM_KEY || key == CONF_STATE_KEY => {}
            Some(Bucket::Lease) if planted::is(Bug::SnapshotWithoutLeases) => {}
            Some(bucket) => self.batch.put(bucket, owned(&key), owned(&value)),
        }
        if self.rows >= limits::BACKEND_BATCH_ROWS || self.bytes >= FLUSH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// The place comes last, so that a database cut short claims nothing.
    pub(super) fn finish(mut self, metadata: &SnapshotMetadata) -> Result<(), InstallError> {
        let announced = metadata.index();
        if self.index > announced {
            return Err(InstallError::Ahead { found: self.index, announced });
        }
        let number = |value: u64| Bytes::copy_from_slice(&value.to_be_bytes());
        let state = metadata.conf_state.clone().unwrap_or_default();
        let meta = [
            (Durable::INDEX_KEY, number(announced)),
            (Durable::TERM_KEY, number(metadata.term())),
            (CONF_STATE_KEY, conf_state_to_json(&state)),
        ];
        for (key, value) in meta {
            self.batch.put(Bucket::Meta, Bytes::from_static(key), value);
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), InstallError> {
        self.backend.append(std::mem::take(&mut self.batch));
        while self.drain.step()?.more {}
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

/// A copy: the original would keep its whole page in memory.
fn owned(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
