//! The watch thread: owns the hub, matches commits with watchers, and fills streams that have
//! credit. It never waits for a client.

mod courier;
mod credit;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ketch_api::ports::{WatchCommand, WatchOutput};
use ketch_base::limits;
use ketch_mvcc::watch::{Create, Hub, Output, StreamId};
use tokio::sync::mpsc;

use super::{WatchJob, fatal};
use crate::mailbox::Receiver;
use crate::metrics::{Counters, add};

pub(crate) use courier::{Courier, Parcel};
pub(crate) use credit::Credit;

/// Rest between two rounds for watchers that catch up, when commits are waiting.
const CATCH_UP_ROUND: Duration = Duration::from_millis(1);

/// With so many streams a commit may be work for long: the calls that wait for it go first.
const STREAMS_MANY: usize = 32;

/// Bytes for streams that are sent to their lanes together.
const PORTION_BYTES: usize = 256 * 1024;

/// How often watchers that lag are looked after when nothing else happens: what holds them up may
/// hold up a compaction.
const LAG_LOOK: Duration = Duration::from_millis(100);
/// Answers (created, canceled, progress) a stream may leave unread before it is ended.
const ANSWERS_BYTES_MAX: usize = 8 * limits::WATCH_STREAM_QUEUE_BYTES;

/// The owner of the hub.
pub(crate) struct WatchThread {
    pub(crate) hub: Hub,
    pub(crate) jobs: Receiver<WatchJob>,
    pub(crate) counters: Arc<Counters>,
}

/// A stream's end in its lane.
pub(crate) struct Outlet {
    /// Where batches go, one for each credit.
    pub(crate) outputs: mpsc::Sender<Vec<WatchOutput>>,
    pub(crate) credit: Arc<Credit>,
    /// Who brings them.
    pub(crate) courier: Courier,
}

struct Stream {
    id: StreamId,
    outlet: Outlet,
}

#[derive(Default)]
struct Streams {
    by_number: BTreeMap<u64, Stream>,
    numbers: BTreeMap<StreamId, u64>,
    /// What is ready for the streams of each lane.
    outgoing: BTreeMap<u64, (Courier, Vec<Parcel>)>,
    /// About.
    outgoing_bytes: usize,
}

impl Streams {
    fn load(&mut self, courier: &Courier, parcel: Parcel) {
        let fresh = || (courier.clone(), Vec::new());
        self.outgoing_bytes += parcel.bytes;
        self.outgoing.entry(courier.number).or_insert_with(fresh).1.push(parcel);
    }

    fn send(&mut self) {
        self.outgoing_bytes = 0;
        for (courier, parcels) in std::mem::take(&mut self.outgoing).into_values() {
            courier.send(parcels);
        }
    }
}

impl WatchThread {
    /// Runs until told to stop; dropping the streams' senders then ends them.
    pub(crate) fn run(mut self) {
        let mut jobs = Vec::new();
        let mut streams = Streams::default();
        let (mut behind, mut lagging) = (false, false);
        loop {
            let rest = if behind { Some(CATCH_UP_ROUND) } else { lagging.then_some(LAG_LOOK) };
            let deadline = rest.map(|rest| Instant::now() + rest);
            if streams.by_number.is_empty() {
                // The hub holds the history that it has not seen: see `Sinks::wake_hub`.
                self.jobs.receive_patiently(&mut jobs, deadline);
            } else {
                self.jobs.receive(&mut jobs, deadline);
            }
            for job in jobs.drain(..) {
                if matches!(job, WatchJob::Stop) {
                    return;
                }
                self.take(job, &mut streams);
            }
            behind = match self.hub.catch_up() {
                Ok(behind) => behind,
                Err(error) => fatal("failed to read history for a watch", &error),
            };
            self.deliver(&mut streams);
            lagging = self.count(&streams);
        }
    }

    /// Sends what there is to the streams that wait for it. If it is much, then in portions, so
    /// that lanes begin with the first, and whoever waits for this processor goes between.
    fn deliver(&mut self, streams: &mut Streams) {
        for id in self.hub.ready() {
            if let Some(number) = streams.numbers.get(&id).copied() {
                self.fill(number, streams);
            }
            if streams.outgoing_bytes >= PORTION_BYTES {
                streams.send();
                thread::yield_now();
            }
        }
        streams.send();
    }

    fn take(&mut self, job: WatchJob, streams: &mut Streams) {
        match job {
            WatchJob::Committed(committed) => {
                if streams.by_number.len() >= STREAMS_MANY {
                    thread::yield_now();
                }
                if let Err(error) = self.hub.publish(&committed) {
                    fatal("failed to read what a watch asked for", &error);
                }
                self.deliver(streams);
            }
            WatchJob::Reloaded => self.hub.reloaded(),
            WatchJob::Open { number, outlet } => {
                let id = self.hub.open_stream();
                streams.numbers.insert(id, number);
                streams.by_number.insert(number, Stream { id, outlet });
            }
            WatchJob::Command { number, command } => {
                let Some(stream) = streams.by_number.get(&number) else { return };
                self.obey(stream.id, command);
                if self.hub.queued_bytes(stream.id) > ANSWERS_BYTES_MAX {
                    tracing::warn!("ended a watch stream that asks more than it reads");
                    self.close(number, streams);
                }
            }
            WatchJob::Credit { number } => self.fill(number, streams),
            WatchJob::Close { number } => self.close(number, streams),
            WatchJob::ProgressTick => self.hub.tick_progress(),
            WatchJob::Stop => {}
        }
    }

    /// Forgets a stream; its sender is dropped, which ends it at the client.
    fn close(&mut self, number: u64, streams: &mut Streams) {
        if let Some(stream) = streams.by_number.remove(&number) {
            streams.numbers.remove(&stream.id);
            self.hub.close_stream(stream.id);
        }
    }

    fn obey(&mut self, stream: StreamId, command: WatchCommand) {
        match command {
            WatchCommand::Create(create) => self.hub.create(
                stream,
                Create {
                    watch_id: create.watch_id,
                    range: create.range,
                    start_revision: create.start_revision,
                    progress_notify: create.progress_notify,
                    no_put: create.no_put,
                    no_delete: create.no_delete,
                    prev_kv: create.prev_kv,
                    fragment: create.fragment,
                },
            ),
            WatchCommand::Cancel(watch_id) => self.hub.cancel(stream, watch_id),
            WatchCommand::Progress => self.hub.request_progress(stream),
        }
    }

    /// Loads one bounded batch for a stream that waits for it.
    fn fill(&mut self, number: u64, streams: &mut Streams) {
        let Some(Stream { id, outlet }) = streams.by_number.get(&number) else { return };
        if !self.hub.has_output(*id) || !outlet.credit.take() {
            return;
        }
        let batch = self.hub.take(*id, limits::WATCH_RESPONSE_BYTES);
        if self.hub.has_output(*id) {
            outlet.credit.miss();
        }
        let batch: Vec<WatchOutput> = batch.into_iter().map(port_output).collect();
        let (mut count, mut bytes) = (0, 0);
        for output in &batch {
            if let WatchOutput::Events { events, .. } = output {
                count += events.len() as u64;
                bytes += events.iter().map(Bytes::len).sum::<usize>();
            }
        }
        add(&self.counters.events, count);
        let (courier, to) = (outlet.courier.clone(), outlet.outputs.clone());
        streams.load(&courier, Parcel { to, batch, bytes });
    }

    /// Publishes the figures; whether any watcher lags.
    fn count(&self, streams: &Streams) -> bool {
        let stats = self.hub.stats();
        let set = |counter: &std::sync::atomic::AtomicU64, value: usize| {
            counter.store(value as u64, Ordering::Relaxed);
        };
        set(&self.counters.watch_streams, streams.by_number.len());
        set(&self.counters.watchers, stats.watchers);
        set(&self.counters.slow_watchers, stats.lagging);
        self.counters.pending_events.store(stats.pending, Ordering::Relaxed);
        stats.lagging > 0
    }
}

/// The hub's words in the edge's.
fn port_output(output: Output) -> WatchOutput {
    match output {
        Output::Created { watch_id, revision } => WatchOutput::Created { watch_id, revision },
        Output::Canceled { watch_id, revision, compact_revision, reason, created } => {
            WatchOutput::Canceled { watch_id, revision, compact_revision, reason, created }
        }
        Output::Events { watch_id, revision, events, fragment } => {
            WatchOutput::Events { watch_id, revision, events, fragment }
        }
        Output::Progress { watch_id, revision } => WatchOutput::Progress { watch_id, revision },
    }
}
