//! The state on its way to another member: its rows, the place in the log it stands at, and the
//! membership once more in the shape that etcd 3.6 and older take it from.

mod v2;

use bytes::Bytes;
use ketch_apply::conf_state_from_json;
use ketch_backend::{Bucket, Durable, View};
use ketch_raft_proto::raftpb::{ConfState, SnapshotMetadata};
use ketch_snapshot::{BoxError, Row, Source};

pub use v2::v2_json;

/// Key of the configuration in [`Bucket::Meta`]; JSON.
pub(crate) const CONF_STATE_KEY: &[u8] = b"confState";

/// A view as a source of sorted rows, for [`ketch_snapshot::Export`].
pub struct Buckets(pub View);

impl Source for Buckets {
    fn buckets(&self) -> Result<Vec<Bytes>, BoxError> {
        Ok(Bucket::ALL.iter().map(|bucket| Bytes::from_static(bucket.name().as_bytes())).collect())
    }

    fn rows(&self, bucket: &[u8]) -> Box<dyn Iterator<Item = Result<Row, BoxError>> + Send> {
        match Bucket::from_name(bucket) {
            Some(bucket) => Box::new(self.0.iter(bucket).map(|item| item.map_err(BoxError::from))),
            None => Box::new(std::iter::empty()),
        }
    }
}

/// Why the state cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database.
    #[error(transparent)]
    Read(#[from] ketch_backend::Error),
    /// A row is not what its bucket holds.
    #[error("a row of bucket {bucket} is unreadable: {key:?}")]
    Row {
        /// The bucket.
        bucket: &'static str,
        /// The row's key.
        key: Bytes,
    },
}

pub(crate) fn unreadable(bucket: Bucket, key: &[u8]) -> ExportError {
    ExportError::Row { bucket: bucket.name(), key: Bytes::copy_from_slice(key) }
}

/// The place in the log at which a view stands: what its snapshot must be announced as.
///
/// # Errors
/// The rows that say it are missing their form.
pub fn point(view: &View) -> Result<SnapshotMetadata, ExportError> {
    let conf_state = match view.get(Bucket::Meta, CONF_STATE_KEY)? {
        None => ConfState { auto_leave: Some(false), ..ConfState::default() },
        Some(json) => {
            conf_state_from_json(&json).ok_or_else(|| unreadable(Bucket::Meta, CONF_STATE_KEY))?
        }
    };
    Ok(SnapshotMetadata {
        conf_state: Some(conf_state),
        index: Some(number(view, Durable::INDEX_KEY)?),
        term: Some(number(view, Durable::TERM_KEY)?),
    })
}

fn number(view: &View, key: &'static [u8]) -> Result<u64, ExportError> {
    let Some(bytes) = view.get(Bucket::Meta, key)? else { return Ok(0) };
    let bytes = bytes.as_ref().try_into().map_err(|_| unreadable(Bucket::Meta, key))?;
    Ok(u64::from_be_bytes(bytes))
}
