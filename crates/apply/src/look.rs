//! What can be asked of the history, within a transaction or at a revision.

use bytes::Bytes;
use ketch_base::Revision;
use ketch_mvcc::{Error, KeyState, RangeAnswer, Reader, WriteTxn};
use ketch_proto::etcdserverpb::RangeRequest;
use ketch_proto::mvccpb::KeyValue;
use prost::Message;

/// A point in history to look from.
pub(crate) trait Look {
    /// Main revision as seen from here.
    fn revision(&self) -> i64;
    fn current(&self, key: &[u8]) -> Result<Option<KeyState>, Error>;
    fn row(&self, revision: Revision) -> Result<Bytes, Error>;
    fn range(&self, request: &RangeRequest) -> Result<RangeAnswer, Error>;

    /// A whole key-value pair.
    fn pair(&self, state: KeyState) -> Result<KeyValue, Error> {
        decode(self.row(state.revision)?, state.revision)
    }
}

/// Decodes the row that a put at `revision` made; its bytes are shared.
pub(crate) fn decode(row: Bytes, revision: Revision) -> Result<KeyValue, Error> {
    let malformed = ketch_base::RevisionKey { revision, tombstone: false };
    KeyValue::decode(row).map_err(|_| Error::Malformed(malformed))
}

/// Decodes the rows of an answer.
pub(crate) fn pairs(rows: Vec<Bytes>) -> Result<Vec<KeyValue>, Error> {
    rows.into_iter().map(|row| decode(row, Revision::default())).collect()
}

impl Look for WriteTxn<'_> {
    fn revision(&self) -> i64 {
        Self::revision(self)
    }

    fn current(&self, key: &[u8]) -> Result<Option<KeyState>, Error> {
        Ok(Self::current(self, key))
    }

    fn row(&self, revision: Revision) -> Result<Bytes, Error> {
        Self::row(self, revision)
    }

    fn range(&self, request: &RangeRequest) -> Result<RangeAnswer, Error> {
        Self::range(self, request)
    }
}

/// A reader held at one revision, while the store moves on.
pub(crate) struct At<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) revision: i64,
}

impl Look for At<'_> {
    fn revision(&self) -> i64 {
        self.revision
    }

    fn current(&self, key: &[u8]) -> Result<Option<KeyState>, Error> {
        Ok(self.reader.state_at(key, self.revision)?)
    }

    fn row(&self, revision: Revision) -> Result<Bytes, Error> {
        self.reader.row(revision)
    }

    fn range(&self, request: &RangeRequest) -> Result<RangeAnswer, Error> {
        let revision = self.revision;
        let answer = if request.revision > 0 {
            self.reader.range(request)?
        } else {
            self.reader.range(&RangeRequest { revision, ..request.clone() })?
        };
        Ok(RangeAnswer { revision, ..answer })
    }
}
