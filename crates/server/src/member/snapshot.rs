//! A backup streamed while it is made, and the hash of everything: both read one view.

use std::time::Instant;

use bytes::Bytes;
use ketch_api::ports::{Blob, Snapshot};
use ketch_backend::{Bucket, Error, View};
use ketch_base::Code;
use ketch_node::export::Buckets;
use ketch_snapshot::{Export, ExportError};
use tokio::sync::mpsc;

use super::Member;

/// Chunks made ahead of the client.
const CHUNKS_AHEAD: usize = 4;
/// Keys of the meta bucket that differ between members of equal content.
const UNHASHED: [&[u8]; 3] = [b"consistent_index", b"term", b"storageVersion"];

/// Begins a backup on a thread of its own; it ends early when the client goes.
pub(super) fn start(member: &Member) -> Result<Snapshot, Code> {
    let (sender, blobs) = mpsc::channel(CHUNKS_AHEAD);
    let view = member.backend.view();
    std::thread::Builder::new()
        .name("snapshot".to_owned())
        .spawn(move || {
            let since = Instant::now();
            if let Err(error) = send(view, &sender) {
                tracing::warn!(error = %error, "failed to stream a snapshot");
                let _ = sender.blocking_send(Err(Code::Corrupt));
            }
            crate::metrics::observe("etcd_disk_backend_snapshot_duration_seconds", since.elapsed());
        })
        .map_err(|_| Code::RequestTooManyRequests)?;
    Ok(Snapshot { version: member.storage_version().unwrap_or_default(), blobs })
}

/// Chunks with what remains after each, then the digest with 0.
fn send(view: View, sender: &mpsc::Sender<Result<Blob, Code>>) -> Result<(), ExportError> {
    let mut export = Export::plan(Buckets(view))?;
    while let Some(bytes) = export.next_chunk()? {
        let remaining_bytes = export.remaining_bytes();
        if sender.blocking_send(Ok(Blob { bytes, remaining_bytes })).is_err() {
            return Ok(());
        }
    }
    if let Some(digest) = export.digest() {
        let bytes = Bytes::copy_from_slice(&digest);
        let _ = sender.blocking_send(Ok(Blob { bytes, remaining_bytes: 0 }));
    }
    Ok(())
}

/// CRC-32C over bucket names, keys and values in order (etcd's `Maintenance.Hash`).
pub(super) fn hash(view: &View) -> Result<u32, Error> {
    let mut hash = 0;
    for bucket in Bucket::ALL {
        hash = crc32c::crc32c_append(hash, bucket.name().as_bytes());
        for item in view.iter(bucket) {
            let (key, value) = item?;
            if bucket == Bucket::Meta && UNHASHED.contains(&key.as_ref()) {
                continue;
            }
            hash = crc32c::crc32c_append(hash, &key);
            hash = crc32c::crc32c_append(hash, &value);
        }
    }
    Ok(hash)
}
