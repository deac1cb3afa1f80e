//! The log worker: makes jobs durable, as many as are queued by one write and one sync.

use ketch_base::limits::{LOG_BATCH_BYTES, LOG_BATCH_ENTRIES};
use ketch_base::planted::{self, Bug};
use ketch_raft_proto::raftpb::HardState;
use ketch_wal::{Error, Preparer, Stats, Writer};

use crate::effect::LogJob;
use crate::event::Event;

/// Drives the log. Whoever owns it calls [`LogWorker::run`] with all jobs that wait.
pub struct LogWorker {
    writer: Writer,
}

impl LogWorker {
    /// Goes on with a log.
    pub fn new(writer: Writer) -> Self {
        Self { writer }
    }

    /// Does the jobs, in order; returns what to tell the node once they are durable.
    ///
    /// # Errors
    /// After one, nothing is known to be durable that was not reported before: the member must
    /// stop.
    pub fn run(&mut self, jobs: Vec<LogJob>) -> Result<Vec<Event>, Error> {
        let mut rest = jobs.as_slice();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batch_len(rest));
            self.write(batch)?;
            rest = later;
        }
        if !planted::is(Bug::UnsyncedReply) {
            self.writer.sync()?;
        }
        for index in jobs.iter().filter_map(|job| job.release) {
            self.writer.release(index)?;
        }
        let last = jobs.iter().map(|job| job.job).max().filter(|job| *job != 0);
        Ok(last.map(|job| Event::Persisted { job }).into_iter().collect())
    }

    /// Makes the next segment ready on another thread.
    pub fn preparer(&self) -> Preparer {
        self.writer.preparer()
    }

    /// What was written and synced so far.
    pub fn stats(&self) -> Stats {
        self.writer.stats()
    }

    /// One write: a received snapshot can only be in the first job, a mark only in the last.
    fn write(&mut self, batch: &[LogJob]) -> Result<(), Error> {
        if let Some(received) = batch.first().and_then(|job| job.received.as_deref()) {
            let state = batch.iter().find_map(|job| job.hard_state);
            self.writer.save([], state.as_ref())?;
            self.writer.mark_snapshot(received)?;
        }
        let state: Option<HardState> = batch.iter().rev().find_map(|job| job.hard_state);
        let entries = batch.iter().flat_map(|job| &job.entries);
        self.writer.save(entries, state.as_ref())?;
        if let Some(mark) = batch.last().and_then(|job| job.mark.as_deref()) {
            self.writer.mark_snapshot(mark)?;
        }
        Ok(())
    }
}

/// How many of the jobs go into the next write: at least one, up to the limits or a mark.
fn batch_len(jobs: &[LogJob]) -> usize {
    let (mut entries, mut bytes) = (0, 0);
    for (place, job) in jobs.iter().enumerate() {
        entries += job.entries.len();
        let data = job.entries.iter().filter_map(|entry| entry.data.as_ref());
        bytes += data.map(bytes::Bytes::len).sum::<usize>();
        let full = entries > LOG_BATCH_ENTRIES || bytes > LOG_BATCH_BYTES;
        if place > 0 && (full || job.received.is_some()) {
            return place;
        }
        if job.mark.is_some() {
            return place + 1;
        }
    }
    jobs.len()
}

#[cfg(test)]
mod tests;
