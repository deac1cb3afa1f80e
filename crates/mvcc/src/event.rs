//! What a transaction changed, as watchers get it.

use std::sync::Arc;

use bytes::Bytes;
use ketch_base::{Revision, RevisionKey};

/// The outcome of one write transaction.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Main revision of the store after it; that before it, if nothing changed.
    pub revision: i64,
    /// Its changes in order of sub revision; all have the main revision above.
    pub events: Arc<[Event]>,
}

/// One change of one key.
#[derive(Clone, Debug)]
pub struct Event {
    /// The key was deleted.
    pub tombstone: bool,
    /// Where in history.
    pub revision: Revision,
    /// The key; shares its bytes with `row`.
    pub key: Bytes,
    /// The encoded `mvccpb.KeyValue` as clients see it; of a deletion it has key and
    /// `mod_revision` only.
    pub row: Bytes,
    /// The key was not alive before.
    pub created: bool,
    /// The row that held the state before, if the key was alive.
    pub previous: Option<RevisionKey>,
}
