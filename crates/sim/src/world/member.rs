//! A member of the cluster: its seat, which lasts, and its lives, each of which ends.

mod auth;
mod boot;
mod end;
mod reads;
mod rights;
mod serve;
pub(crate) mod snapshot;
mod turn;
mod watch;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ketch_apply::{RequestIds, Shared};
use ketch_auth::AuthStore;
use ketch_backend::{Backend, Drain};
use ketch_base::{Index, MemberId, RequestId};
use ketch_env::sim::SimDisk;
use ketch_lease::Lessor;
use ketch_mvcc::watch::{Hub, StreamId};
use ketch_mvcc::{Compactor, Reader};
use ketch_node::recover::Begin;
use ketch_node::{ApplyWorker, Event, LogJob, LogWorker, Node};
use ketch_raft_proto::raftpb::HardState;
use ketch_wal::Preparer;

use crate::fact::CallId;
pub(crate) use auth::{Errand, Login, Next};
pub(crate) use boot::card;
pub(crate) use reads::Reading;
pub(crate) use watch::{Stream, WatchJob};
pub(crate) use work::Task;

/// What is meant to become of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not started yet: the cluster is to be told of it first.
    Awaited,
    /// It runs, or will be started again.
    Wanted,
    /// It was removed.
    Gone,
}

/// A place for a member.
pub(crate) struct Seat {
    pub(crate) id: MemberId,
    pub(crate) begin: Begin,
    pub(crate) disk: SimDisk,
    pub(crate) standing: Standing,
    /// Lives begun.
    pub(crate) lives: u64,
    pub(crate) life: Option<Box<Life>>,
    /// It does nothing before.
    pub(crate) paused_until_us: u64,
    /// Its disk answers nothing before.
    pub(crate) stalled_until_us: u64,
    /// Its disk takes this many times longer.
    pub(crate) slowness: u64,
    /// Bits of its disk were flipped: it may refuse to run, and must be replaced then.
    pub(crate) damaged: bool,
    /// Its disk was told to fail.
    pub(crate) failing: bool,
    /// It is known to refuse to start.
    pub(crate) refused: bool,
    /// Its clock for leases is ahead by this.
    pub(crate) clock_ms: u64,
    /// Its clock is faster or slower by so many in ten thousand.
    pub(crate) tick_us: u64,
}

/// A member between start and end.
pub(crate) struct Life {
    pub(crate) node: Node,
    pub(crate) log: LogWorker,
    pub(crate) preparer: Option<Preparer>,
    pub(crate) apply: ApplyWorker,
    pub(crate) drain: Drain,
    pub(crate) backend: Backend,
    pub(crate) reader: Reader,
    pub(crate) lessor: Lessor,
    pub(crate) auth: AuthStore,
    pub(crate) shared: Arc<Shared>,
    pub(crate) hub: Hub,
    pub(crate) compactor: Compactor,
    pub(crate) ids: RequestIds,
    /// For the node, in order.
    pub(crate) events: Vec<Event>,
    pub(crate) turn_due: bool,
    /// Term, vote and commit as last handed to the log.
    pub(crate) hard_state: HardState,
    /// For the log worker, and what it is busy with.
    pub(crate) log_jobs: Vec<LogJob>,
    pub(crate) writing: Vec<LogJob>,
    /// For the apply worker.
    pub(crate) tasks: VecDeque<Task>,
    pub(crate) applying: bool,
    pub(crate) applied: Index,
    /// For the watch hub.
    pub(crate) watch_jobs: VecDeque<WatchJob>,
    pub(crate) watch_due: bool,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    /// Streams with output that was not taken.
    pub(crate) told: BTreeSet<StreamId>,
    /// Who waits for the outcome of a proposal.
    pub(crate) waiters: BTreeMap<RequestId, CallId>,
    /// Logins whose password was looked at.
    pub(crate) logins: BTreeMap<CallId, Login>,
    /// Reads without an index yet, by token.
    pub(crate) reads: BTreeMap<u64, Reading>,
    /// Reads that wait until their index is applied.
    pub(crate) unapplied: Vec<(Index, Reading)>,
    pub(crate) next_token: u64,
    pub(crate) leads: bool,
    pub(crate) reclaiming: bool,
}
