//! The thread that makes lines and writes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use crate::limits::{COMPLAINT_PERIOD, RETRY_PERIOD, WRITE_BYTES, WRITE_PERIOD};
use crate::line::Lines;
use crate::log::Identity;
use crate::queue::{Batch, Queue};
use crate::target::Output;

/// What the thread owns.
pub(crate) struct Writer {
    queue: Arc<Queue>,
    output: Output,
    lines: Lines,
    identity: Identity,
    /// Entries whose lines are made but not written.
    unwritten: u64,
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
        let lines = Lines::new(SystemTime::now());
        let (unwritten, complained, is_stopping) = (0, None, false);
        Self { queue, output, lines, identity, unwritten, written, complained, is_stopping }
    }

    /// Runs until it is told to stop, and all that waited then is written.
    pub(crate) fn run(mut self) {
        let mut batch = Batch::default();
        self.introduce();
        self.flush();
        loop {
            let orders = self.queue.take(&mut batch, WRITE_PERIOD);
            self.is_stopping |= orders.stop;
            // While this is written more may come, if no order to stop stands yet.
            let is_last = self.is_stopping;
            // What was there before a file was moved away belongs into that one.
            self.write(&batch);
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
        self.lines.append_opened(&mut self.output.lines, member, cluster);
    }

    fn reopen(&mut self) {
        match self.output.reopen() {
            Ok(()) => {
                self.introduce();
                self.flush();
            }
            Err(error) => tracing::error!(error = %error, "failed to reopen the audit log"),
        }
    }

    fn write(&mut self, batch: &Batch) {
        // By the clock of now, whatever was done to it since the start.
        let age = self.queue.epoch().elapsed();
        self.lines.set_epoch(SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH));
        let mut packed = batch.packed.as_slice();
        for _ in 0..batch.entries {
            if self.lines.append(&mut self.output.lines, &mut packed).is_none() {
                debug_assert!(false, "what was packed can be unpacked");
                break;
            }
            self.unwritten += 1;
            if self.output.lines.len() >= WRITE_BYTES {
                self.flush();
            }
        }
        if batch.dropped > 0 {
            self.lines.append_dropped(&mut self.output.lines, batch.dropped);
        }
        self.flush();
    }

    /// Writes, and if that fails tries until it is done: what comes meanwhile waits in the queue,
    /// and is dropped there when it is too much.
    fn flush(&mut self) {
        while let Err(error) = self.output.write() {
            let is_due = self.complained.is_none_or(|at| at.elapsed() >= COMPLAINT_PERIOD);
            if is_due {
                self.complained = Some(Instant::now());
                let dropped = self.queue.dropped();
                tracing::error!(error = %error, dropped, "failed to write the audit log");
            }
            if self.is_stopping {
                self.output.forget();
                self.queue.lose(std::mem::take(&mut self.unwritten));
                return;
            }
            let orders = self.queue.rest(RETRY_PERIOD);
            self.is_stopping |= orders.stop;
            // Lines are under way: this file begins with them.
            if orders.reopen
                && let Err(error) = self.output.reopen()
            {
                tracing::error!(error = %error, "failed to reopen the audit log");
            }
        }
        self.written.fetch_add(std::mem::take(&mut self.unwritten), Ordering::Relaxed);
    }
}
