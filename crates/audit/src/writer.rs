//! The thread that writes lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use crate::limits::{COMPLAINT_PERIOD, RETRY_PERIOD, WRITE_PERIOD};
use crate::line::{Lines, Methods};
use crate::log::Identity;
use crate::queue::{Batch, Queue};
use crate::target::Output;

/// What the thread owns.
pub(crate) struct Writer {
    queue: Arc<Queue>,
    output: Output,
    /// Makes what the log says of itself.
    lines: Lines,
    identity: Identity,
    written: Arc<AtomicU64>,
    complained: Option<Instant>,
    is_stopping: bool,
}

impl Writer {
    pub(crate) fn new(
        queue: Arc<Queue>,
        output: Output,
        identity: Identity,
        written: Arc<AtomicU64>,
    ) -> Self {
        let lines = Lines::new(Arc::new(Methods::new()), Instant::now(), SystemTime::now());
        let (complained, is_stopping) = (None, false);
        Self { queue, output, lines, identity, written, complained, is_stopping }
    }

    /// Runs until it is told to stop, and all that waited then is written.
    pub(crate) fn run(mut self) {
        let mut batches = Vec::new();
        self.introduce();
        loop {
            let orders = self.queue.wait(WRITE_PERIOD);
            self.is_stopping |= orders.stop;
            // Nothing more comes once an order to stop stands.
            let is_last = self.is_stopping;
            // What was there before a file was moved away belongs into that one.
            self.queue.take(&mut batches);
            for batch in &mut batches {
                self.write(batch);
            }
            if orders.reopen {
                self.reopen();
            }
            if is_last {
                return;
            }
        }
    }

    /// Every file begins with whose it is.
    fn introduce(&mut self) {
        let Identity { member, cluster } = self.identity;
        let mut line = Vec::new();
        self.lines.append_opened(&mut line, member, cluster);
        self.flush(&line);
    }

    fn reopen(&mut self) {
        match self.output.reopen(&[]) {
            Ok(()) => self.introduce(),
            Err(error) => tracing::error!(error = %error, "failed to reopen the audit log"),
        }
    }

    fn write(&mut self, batch: &mut Batch) {
        if batch.dropped > 0 {
            self.lines.append_dropped(&mut batch.lines, batch.dropped);
        }
        let lost = self.flush(&batch.lines);
        // The line about dropped ones is no entry, but the last of those that could be lost.
        let lost = lost.saturating_sub(u64::from(batch.dropped > 0));
        self.queue.lose(lost);
        self.written.fetch_add(batch.entries.saturating_sub(lost), Ordering::Relaxed);
    }

    /// Writes, and if that fails tries until it is done or the log is stopped: what comes meanwhile
    /// waits in the queue, and is dropped there when it is too much. Says how many lines were not
    /// written.
    fn flush(&mut self, lines: &[u8]) -> u64 {
        while let Err(error) = self.output.write(lines) {
            let is_due = self.complained.is_none_or(|at| at.elapsed() >= COMPLAINT_PERIOD);
            if is_due {
                self.complained = Some(Instant::now());
                let dropped = self.queue.dropped();
                tracing::error!(error = %error, dropped, "failed to write the audit log");
            }
            if self.is_stopping {
                return self.output.forget(lines);
            }
            let orders = self.queue.rest(RETRY_PERIOD);
            self.is_stopping |= orders.stop;
            // Lines are under way: this file begins with them.
            if orders.reopen
                && let Err(error) = self.output.reopen(lines)
            {
                tracing::error!(error = %error, "failed to reopen the audit log");
            }
        }
        0
    }
}
