//! Physical compaction: a hash first, then the rows, a bounded number at a time.
//!
//! ```text
//! compact(at) -> Job -> hash all rows <= at -> sweep the index, delete rows -> record, Done
//! ```
//!
//! The hash comes first because it covers rows that the sweep removes. A sweep goes as far as
//! the lowest pinned revision allows and is taken up again when that pin is gone.

use std::collections::VecDeque;
use std::sync::Arc;

use ketch_backend::{Batch, Bucket};
use ketch_base::{Revision, limits};
use parking_lot::Mutex;

use crate::bounds;
use crate::error::Error;
use crate::hash::{HashKv, Hasher, Keep, any_alive};
use crate::index::{Key, Sweep};
use crate::shared::Shared;
use crate::store::{FINISHED, SCHEDULED, mark};

/// One compaction that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    at: i64,
    /// The compaction before it.
    before: i64,
    /// No hash can be made: some of the rows are gone already.
    resumed: bool,
}

impl Job {
    pub(crate) fn asked(at: i64, before: i64) -> Self {
        Self { at, before, resumed: false }
    }

    /// A job that an earlier run of the member had begun.
    pub(crate) fn resumed(at: i64, before: i64) -> Self {
        Self { at, before, resumed: true }
    }
}

/// Compactions asked for and not finished, oldest first.
#[derive(Default)]
pub(crate) struct Jobs(Mutex<VecDeque<Job>>);

impl Jobs {
    /// When too many wait, the newest waiting one is taken up into this one: its rows go all the
    /// same, only its hash is never made.
    pub(crate) fn push(&self, mut job: Job) {
        let mut jobs = self.0.lock();
        if jobs.len() >= limits::WORKER_MAILBOX_JOBS
            && let Some(last) = jobs.pop_back()
        {
            job.before = last.before;
        }
        jobs.push_back(job);
    }

    fn take(&self) -> Option<Job> {
        self.0.lock().pop_front()
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactStep {
    /// Nothing to do, or nothing that can be done before a reader or the backend lets go.
    Idle,
    /// There is more to do at once.
    More,
    /// The rows of this compaction are gone.
    Done(i64),
}

/// Removes compacted rows. Owned by one thread or task, which calls [`Compactor::step`] with
/// pauses in between as it sees fit.
pub struct Compactor {
    shared: Arc<Shared>,
    /// Rows hashed or removed in one step.
    batch_rows: usize,
    removed_rows: u64,
    work: Option<Work>,
}

struct Work {
    job: Job,
    /// Of the history that the job was taken up in; in another one it means nothing.
    generation: u64,
    stage: Stage,
}

enum Stage {
    /// The backend does not have the request yet.
    Asked,
    Hash {
        hasher: Hasher,
        next: Revision,
    },
    /// Rows invisible at or after `at` go; `at` is the job's revision or the lowest pin.
    Sweep {
        at: i64,
        next: Option<Key>,
    },
    /// All done up to here; a pin keeps the rest.
    Held {
        at: i64,
    },
}

impl Compactor {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, batch_rows: bounds::STEP_ROWS, removed_rows: 0, work: None }
    }

    /// Rows of a step from now on; [`limits::COMPACTION_BATCH_ROWS`] without this call.
    pub fn set_batch_rows(&mut self, rows: usize) {
        self.batch_rows = rows.max(1);
    }

    /// Rows removed since the start.
    pub fn removed_rows(&self) -> u64 {
        self.removed_rows
    }

    /// Does a bounded piece of work: about as many rows as a batch has are hashed or removed.
    ///
    /// # Errors
    /// The storage failed; the member must stop.
    pub fn step(&mut self) -> Result<CompactStep, Error> {
        let generation = self.shared.generation();
        if self.shared.is_between() {
            // The jobs of the new history are found when it is taken up.
            self.work = None;
            return Ok(CompactStep::Idle);
        }
        let current = self.work.take().filter(|work| work.generation == generation);
        let work = current.or_else(|| {
            let job = self.shared.jobs.take()?;
            Some(Work { job, generation, stage: Stage::Asked })
        });
        let Some(Work { job, stage, .. }) = work else { return Ok(CompactStep::Idle) };
        let (stage, step) = match stage {
            Stage::Asked => self.begin(job, generation)?,
            Stage::Hash { hasher, next } => self.hash(job, generation, hasher, next)?,
            Stage::Sweep { at, next } => self.sweep(job, generation, at, next),
            Stage::Held { at } => self.held(job, at),
        };
        self.work = stage.map(|stage| Work { job, generation, stage });
        Ok(step)
    }

    /// The request must be in the backend before the first removal: changes become durable in
    /// the order they were appended.
    fn begin(&self, job: Job, generation: u64) -> Result<Turn, Error> {
        let view = self.shared.backend.view();
        if view.generation() != generation {
            return Ok(DROPPED);
        }
        let scheduled = view.get(Bucket::Meta, SCHEDULED.as_bytes())?;
        let scheduled = scheduled.and_then(|bytes| Revision::from_bytes(&bytes));
        if scheduled.is_none_or(|scheduled| scheduled.main < job.at) {
            return Ok((Some(Stage::Asked), CompactStep::Idle));
        }
        if job.resumed {
            return Ok(self.sweep_from_start(job));
        }
        // Its keep set is empty only if nobody is alive and nobody died at this very revision.
        let at = Revision { main: job.at, sub: 0 };
        let after = Revision { main: job.at.saturating_add(1), sub: 0 };
        let kept = any_alive(&self.shared.index, job.at) || view.rows(at, after).next().is_some();
        let keep = if kept { Keep::SeenAt(job.at) } else { Keep::LastPuts };
        let hasher = Hasher::new(job.before, keep);
        Ok((Some(Stage::Hash { hasher, next: Revision::default() }), CompactStep::More))
    }

    fn hash(
        &self,
        job: Job,
        generation: u64,
        mut hasher: Hasher,
        next: Revision,
    ) -> Result<Turn, Error> {
        let Shared { backend, index, hashes, .. } = &*self.shared;
        let view = backend.view();
        if view.generation() != generation {
            return Ok(DROPPED);
        }
        if let Some(next) = hasher.rows(index, &view, next, job.at, self.batch_rows)? {
            return Ok((Some(Stage::Hash { hasher, next }), CompactStep::More));
        }
        let hash = HashKv {
            hash: hasher.crc,
            compact_revision: job.before,
            hash_revision: job.at,
            revision: self.shared.revision(),
        };
        hashes.store(generation, hash);
        Ok(self.sweep_from_start(job))
    }

    fn sweep_from_start(&self, job: Job) -> Turn {
        (Some(Stage::Sweep { at: self.reachable(job), next: None }), CompactStep::More)
    }

    /// How far rows may be removed now. Later pins are no lower: what is compacted cannot be
    /// pinned any more.
    fn reachable(&self, job: Job) -> i64 {
        self.shared.pins.lowest().map_or(job.at, |pin| pin.min(job.at))
    }

    fn sweep(&mut self, job: Job, generation: u64, at: i64, from: Option<Key>) -> Turn {
        if self.shared.backend.buffered_bytes() > limits::BACKEND_BUFFER_BYTES / 2 {
            return (Some(Stage::Sweep { at, next: from }), CompactStep::Idle);
        }
        let mut sweep = Sweep {
            at,
            budget_keys: bounds::CHUNK_KEYS,
            budget_rows: self.batch_rows,
            removed: Vec::new(),
        };
        let next = {
            let mut index = self.shared.index.write();
            // An index is replaced under its lock: this is the one that the job is about.
            if self.shared.generation() != generation {
                return DROPPED;
            }
            index.sweep(from.as_ref(), &mut sweep)
        };
        self.removed_rows += sweep.removed.len() as u64;
        if !self.remove(generation, sweep.removed) {
            return DROPPED;
        }
        match next {
            Some(next) => (Some(Stage::Sweep { at, next: Some(next) }), CompactStep::More),
            None if at < job.at => (Some(Stage::Held { at }), CompactStep::More),
            None => self.finish(job, generation),
        }
    }

    /// False if the rows are not there any more, nor the database that had them.
    fn remove(&self, generation: u64, mut rows: Vec<ketch_base::RevisionKey>) -> bool {
        if rows.is_empty() {
            return true;
        }
        rows.sort_unstable();
        let mut batch = Batch::new();
        rows.into_iter().for_each(|key| batch.delete_row(key));
        self.shared.backend.append_to(generation, batch)
    }

    fn held(&self, job: Job, at: i64) -> Turn {
        if self.reachable(job) > at {
            self.sweep_from_start(job)
        } else {
            (Some(Stage::Held { at }), CompactStep::Idle)
        }
    }

    fn finish(&self, job: Job, generation: u64) -> Turn {
        let mut batch = Batch::new();
        let (name, value) = mark(FINISHED, job.at);
        batch.put(Bucket::Meta, name, value);
        if !self.shared.backend.append_to(generation, batch) {
            return DROPPED;
        }
        self.shared.finish(generation, job.at);
        (None, CompactStep::Done(job.at))
    }
}

/// The stage to go on with, if the job is not done, and what to tell the caller.
type Turn = (Option<Stage>, CompactStep);

/// The database is another one: the job means nothing any more.
const DROPPED: Turn = (None, CompactStep::Idle);
