//! Watch streams: commands in, outputs out, both bounded.

use std::future::Future;

use bytes::Bytes;
use ketch_base::{Code, KeyRange};

/// Opens watch streams.
pub trait Watch: Send + Sync + 'static {
    /// One client stream's end of the link.
    type Link: WatchLink;

    /// Opens a link for one client stream.
    ///
    /// # Errors
    /// `Stopped` when the server is going down.
    fn watch(&self) -> impl Future<Output = Result<Self::Link, Code>> + Send;
}

/// One client stream's end of the link to the hub. Dropping it ends all its watches.
pub trait WatchLink: Send + 'static {
    /// Hands a command over; waits while the mailbox is full. Commands keep their order.
    ///
    /// # Errors
    /// When the hub is gone.
    fn command(&mut self, command: WatchCommand) -> impl Future<Output = Result<(), Code>> + Send;

    /// The next outputs, at least one. Called only when the client has taken all earlier ones,
    /// so the implementer may take it as the credit for one bounded batch
    /// (`WATCH_RESPONSE_BYTES`, or one indivisible revision). Must be cancel safe: a dropped
    /// future loses nothing.
    ///
    /// # Errors
    /// When the stream must end; the code goes on the wire.
    fn next(&mut self) -> impl Future<Output = Result<Vec<WatchOutput>, Code>> + Send;
}

/// What a client asks on its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchCommand {
    /// A new watch.
    Create(WatchCreate),
    /// End this watch; unknown ids are ignored.
    Cancel(i64),
    /// Tell the revision every watch of the stream has reached, once all are synced.
    Progress,
}

/// A new watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchCreate {
    /// The client's own id, or 0 to let the hub choose.
    pub watch_id: i64,
    /// The keys. An empty key with no end means the key of one zero byte, as in etcd.
    pub range: KeyRange,
    /// First revision wanted; 0 means "from now", negative is refused as compacted.
    pub start_revision: i64,
    /// Send progress while nothing happens.
    pub progress_notify: bool,
    /// Leave out puts.
    pub no_put: bool,
    /// Leave out deletes.
    pub no_delete: bool,
    /// Add the row before the change.
    pub prev_kv: bool,
    /// A revision may be split over several responses.
    pub fragment: bool,
}

/// What the hub says on a stream. `revision` becomes the header's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchOutput {
    /// The watch exists.
    Created {
        /// Chosen or given.
        watch_id: i64,
        /// The store's, now.
        revision: i64,
    },
    /// The watch is gone, or (`created`) never came to be.
    Canceled {
        /// -1 when refused at creation.
        watch_id: i64,
        /// The store's, now.
        revision: i64,
        /// Not 0 when the start was compacted.
        compact_revision: i64,
        /// Empty when the client asked for it.
        reason: String,
        /// Refused at creation.
        created: bool,
    },
    /// Changes, in order.
    Events {
        /// Whose.
        watch_id: i64,
        /// The store's as far as this watch has come.
        revision: i64,
        /// Encoded `mvccpb.Event` messages, shared between watchers.
        events: Vec<Bytes>,
        /// The next output of this watch continues this one.
        fragment: bool,
    },
    /// Nothing happened up to this revision.
    Progress {
        /// -1 for the whole stream.
        watch_id: i64,
        /// The store's as far as the watch has come.
        revision: i64,
    },
}
