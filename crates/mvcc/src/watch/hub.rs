//! The hub: streams, watches, and the queue of each stream.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ketch_base::{Code, KeyRange, limits};

use super::intervals::Owner;
use super::matcher::Matcher;
use super::output::Output;
use super::stream::{Queue, Slot, Stream};
use super::watcher::{Create, Watcher, Watchers};
use crate::pins::Pin;
use crate::reader::Reader;

/// Sizes of a hub.
#[derive(Clone, Debug)]
pub struct Config {
    /// A response this large is cut if the client allows it: what a client may send in a request,
    /// and [`limits::GRPC_OVERHEAD_BYTES`].
    pub fragment_bytes: usize,
    /// A response this large is closed before the next revision.
    pub response_bytes: usize,
    /// Waiting output of a stream at which its watches fall behind.
    pub stream_queue_bytes: usize,
    /// Most revisions read by one catch-up step.
    pub catch_up_revisions: usize,
    /// Most bytes of rows read by one catch-up step, but at least one revision.
    pub catch_up_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            fragment_bytes: limits::REQUEST_BYTES_DEFAULT + limits::GRPC_OVERHEAD_BYTES,
            response_bytes: limits::WATCH_RESPONSE_BYTES,
            stream_queue_bytes: limits::WATCH_STREAM_QUEUE_BYTES,
            catch_up_revisions: limits::WATCH_CATCH_UP_REVISIONS,
            catch_up_bytes: limits::RANGE_CHUNK_BYTES,
        }
    }
}

/// A client stream of this hub; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u64);

/// Counts for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Open streams.
    pub streams: usize,
    /// Watches on them.
    pub watchers: usize,
    /// Those of them that are behind.
    pub lagging: usize,
    /// Events put into queues since the start; one for each watch that got it.
    pub events: u64,
    /// Those of them that still wait for their client.
    pub pending: u64,
}

/// All watches of a member. See the module.
pub struct Hub {
    pub(super) reader: Reader,
    pub(super) config: Config,
    /// The last published revision.
    pub(super) revision: i64,
    /// The compaction that watches were last held against.
    pub(super) compacted: i64,
    /// Of the history that `revision` is of.
    pub(super) generation: u64,
    /// Keeps readable what watches that are behind will be told, and what was before the next
    /// commit.
    pub(super) pin: Option<Pin>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    next_stream: u64,
    pub(super) watchers: Watchers,
    pub(super) matcher: Matcher,
    pub(super) behind: BTreeSet<Owner>,
    /// No watch that is behind has room: not to be looked at again before a stream was read from,
    /// or another watch is behind.
    pub(super) stuck: bool,
    /// The watch that the last catch-up step began with.
    pub(super) served: Owner,
    pub(super) ready: Vec<StreamId>,
    pub(super) events: u64,
    pub(super) pending: u64,
    /// Memory for the watches of one key, kept between calls.
    pub(super) hits: Vec<Owner>,
}

impl Hub {
    /// A hub without watches, at the revision of the store.
    pub fn new(reader: Reader, config: Config) -> Self {
        let (generation, revision) = (reader.generation(), reader.revision());
        let mut hub = Self {
            compacted: reader.compact_revision(),
            reader,
            config,
            revision,
            generation,
            pin: None,
            streams: BTreeMap::new(),
            next_stream: 0,
            watchers: Watchers::default(),
            matcher: Matcher::default(),
            behind: BTreeSet::new(),
            stuck: false,
            served: Owner::MAX,
            ready: Vec::new(),
            events: 0,
            pending: 0,
            hits: Vec::new(),
        };
        hub.move_pin();
        hub
    }

    /// Begins a client stream.
    pub fn open_stream(&mut self) -> StreamId {
        let id = StreamId(self.next_stream);
        self.next_stream += 1;
        self.streams.insert(id, Stream::default());
        id
    }

    /// Ends a client stream: its watches and its waiting output are gone.
    pub fn close_stream(&mut self, id: StreamId) {
        let Some(mut stream) = self.streams.remove(&id) else { return };
        while let Some(output) = stream.pop() {
            self.pending -= output.events();
        }
        for owner in stream.watchers() {
            self.drop_watcher(owner);
        }
        self.move_pin();
    }

    /// Begins a watch, or says why not.
    pub fn create(&mut self, id: StreamId, create: Create) {
        self.sweep_compacted();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let range = smallest_key(create.range);
        if create.start_revision < 0 {
            return self.refuse(id, Code::Compacted.text());
        }
        if range.is_empty() {
            return self.refuse(id, Code::WatchEmptyRange.text());
        }
        let Some(watch_id) = stream.choose_id(create.watch_id) else {
            return self.refuse(id, Code::WatchDuplicateId.text());
        };
        self.push(id, Output::Created { watch_id, revision: self.revision });
        let start =
            if create.start_revision == 0 { self.revision + 1 } else { create.start_revision };
        let behind = (start <= self.revision).then_some(start);
        let floor = (start - 1).max(self.compacted);
        let wants = Create { watch_id, range, ..create };
        let watcher = Watcher {
            stream: id,
            wants,
            start,
            behind,
            floor,
            idle: true,
            scanning: false,
            hits: Vec::new(),
        };
        let too_old = behind.is_some() && !self.hold(start, floor);
        let range = watcher.wants.range.clone();
        let owner = self.watchers.insert(watcher);
        self.matcher.insert(&range, owner);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.set(watch_id, Slot::Live(owner));
        }
        if too_old {
            self.compacted = self.reader.compact_revision();
            self.cancel_too_old(owner);
        } else if behind.is_some() {
            self.behind.insert(owner);
            self.stuck = false;
        }
    }

    /// Answers a request for a watch with a refusal, as the authorisation gate needs it too.
    pub fn refuse(&mut self, id: StreamId, reason: &str) {
        let revision = self.revision;
        let reason = reason.to_owned();
        let watch_id = -1;
        let output =
            Output::Canceled { watch_id, revision, compact_revision: 0, reason, created: true };
        self.push(id, output);
    }

    /// Ends a watch at the client's wish; nothing is said of an unknown one.
    pub fn cancel(&mut self, id: StreamId, watch_id: i64) {
        let Some(slot) = self.streams.get_mut(&id).and_then(|s| s.forget(watch_id)) else { return };
        if let Slot::Live(owner) = slot {
            self.drop_watcher(owner);
            self.move_pin();
        }
        let (revision, reason) = (self.revision, String::new());
        let output =
            Output::Canceled { watch_id, revision, compact_revision: 0, reason, created: false };
        self.push(id, output);
        self.settle_progress(id);
    }

    /// Streams that got output since the last call and had none announced before.
    pub fn ready(&mut self) -> Vec<StreamId> {
        let ready = std::mem::take(&mut self.ready);
        for id in &ready {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.announced = false;
            }
        }
        ready
    }

    /// Takes waiting output, oldest first: at most `max_bytes`, but at least one response.
    pub fn take(&mut self, id: StreamId, max_bytes: usize) -> Vec<Output> {
        let mut out = Vec::new();
        let Some(stream) = self.streams.get_mut(&id) else { return out };
        let mut bytes = 0;
        while let Some(next) = stream.next_bytes() {
            bytes += next;
            if bytes > max_bytes && !out.is_empty() {
                break;
            }
            let Some(output) = stream.pop() else { break };
            self.pending -= output.events();
            self.stuck = false;
            out.push(output);
        }
        out
    }

    /// Whether output of a stream is waiting.
    pub fn has_output(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_some_and(|stream| !stream.is_empty())
    }

    /// Bytes of output waiting for a stream: a server that reads no further request from a client
    /// while this is high bounds what a client can pile up by asking.
    pub fn queued_bytes(&self, id: StreamId) -> usize {
        self.streams.get(&id).map_or(0, Stream::queued_bytes)
    }

    /// The last published revision.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Counts for metrics.
    pub fn stats(&self) -> Stats {
        Stats {
            streams: self.streams.len(),
            watchers: self.watchers.len(),
            lagging: self.behind.len(),
            events: self.events,
            pending: self.pending,
        }
    }

    pub(super) fn push(&mut self, id: StreamId, output: Output) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let (ready, pending) = (&mut self.ready, &mut self.pending);
        Queue { ready, pending, id, stream }.push(output);
    }

    pub(super) fn is_full(&self, id: StreamId) -> bool {
        self.queued_bytes(id) >= self.config.stream_queue_bytes
    }

    pub(super) fn drop_watcher(&mut self, owner: Owner) {
        if let Some(watcher) = self.watchers.remove(owner) {
            self.matcher.remove(&watcher.wants.range, owner);
            self.behind.remove(&owner);
        }
    }

    /// Ends a watch whose next revision is compacted. Its id stays taken until the client
    /// cancels it, as in etcd.
    pub(super) fn cancel_too_old(&mut self, owner: Owner) {
        let Some(watcher) = self.watchers.get(owner) else { return };
        let (id, watch_id) = (watcher.stream, watcher.id());
        self.drop_watcher(owner);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.set(watch_id, Slot::Over);
        }
        let compact_revision = self.compacted;
        let reason = String::new();
        let output =
            Output::Canceled { watch_id, revision: 0, compact_revision, reason, created: false };
        self.push(id, output);
        self.settle_progress(id);
    }
}

/// No key is empty: an empty bound means the smallest key there can be.
fn smallest_key(range: KeyRange) -> KeyRange {
    let smallest = Bytes::from_static(b"\0");
    match range {
        KeyRange::Key(key) if key.is_empty() => KeyRange::Key(smallest),
        KeyRange::HalfOpen(start, end) if start.is_empty() => KeyRange::HalfOpen(smallest, end),
        KeyRange::From(start) if start.is_empty() => KeyRange::From(smallest),
        other => other,
    }
}
